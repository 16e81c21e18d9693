# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluated rules in the verdict: named, weighed against their counters, and never believed against the packets."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.rows import kind_of
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.faults._recorded import load

RECORDED = Path(__file__).parents[1] / "recorded"
CLIENT, SERVER, PORT = "10.0.1.11", "10.0.2.21", 5432
KEYS = {"open": "snapshot", "try": "before", "close": "after"}
RULE: dict[str, Any] = {
    **{"family": "inet", "table": "filter", "chain": "input", "handle": 12, "number": 3},
    **{"text": "tcp dport 5432 counter drop", "manager": None, "origin": None},
}


class Run:
    """A recorded diagnosis, whose firewalls a test makes say something."""

    def __init__(self, name: str) -> None:
        self.kept = load(RECORDED / f"{name}.json.gz")
        self.found: dict[str, dict[str, Any]] = {}
        for answer in copy.deepcopy(self.kept["evidence"]):
            self.found.setdefault(answer["host"], {})[answer["phase"]] = answer
            for key in ("snapshot", "before", "after"):
                (answer["evidence"].get(key) or {}).pop("firewall", None)

    def snapshots(self, host: str) -> tuple[dict[str, Any], dict[str, Any]]:
        phases = self.found[host]
        if "try" in phases:
            return phases["try"]["evidence"]["before"], phases["try"]["evidence"]["after"]
        return phases["open"]["evidence"]["snapshot"], phases["close"]["evidence"]["after"]

    def says(self, host: str, packet: str, direction: str, said: str, counts: tuple[Any, Any] = (None, None), **more: Any) -> Run:
        """The firewall of a host on one of the three packets; `counts`: of the deciding rule, before and after."""
        ends = {"source": CLIENT, "source_port": None, "destination": SERVER, "port": PORT}
        if packet == "syn_ack":
            ends = {"source": SERVER, "source_port": PORT, "destination": CLIENT, "port": None}
        for snapshot, count in zip(self.snapshots(host), counts, strict=True):
            rule = {**RULE, "packets": count, **more.get("rule", {})}
            step = {"chain": {"family": "inet", "table": "filter", "chain": "input", "hook": "input", "priority": 0}, "rule": rule}
            parts = [{"text": "tcp dport 5432", "matched": True, "seen": None}]
            effects = [] if said == "undecided" else [{"kind": said, "target": None}]
            told = {
                **{"packet": packet, "direction": direction, **ends, "state": "new", "verdict": said},
                **{
                    "rule": rule,
                    "path": [{**step, "matched": True, "parts": parts, "effect": said, "effects": effects}],
                    "shadowed": [],
                    "passed": 0,
                },
                **{name: value for name, value in more.items() if name != "rule"},
            }
            begun = snapshot["time"]
            firewall = snapshot.setdefault("firewall", {"begun": begun, "ended": begun + 0.001, "verdicts": []})
            firewall["verdicts"].append(told)
        return self

    def flow(self) -> dict[str, Any]:
        report = decide(Plan.from_json(self.kept["plan"]), self.found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report
        flow: dict[str, Any] = report["flows"][0]
        return flow

    def first(self) -> dict[str, Any]:
        cause: dict[str, Any] = self.flow()["causes"][0]
        return cause


def packets(name: str, host: str, kind: str) -> int:
    """How many packets came in there, those of SYNs with rising TTL among them."""
    recording = Run(name).found[host]["close"]["evidence"]["recording"]
    frames = [decode(frame.data, frame.ethertype) for frame in unpack(recording["frames"]) if frame.pkttype != 4]
    return sum(bool(packet.tcp) and kind_of(packet) == kind for packet in frames)


SYNS = packets("firewall_drop.server-input", "db1", "syn")


@pytest.mark.parametrize(
    ("counts", "certainty", "sentence"),
    [
        ((0, SYNS), "proven", f"counter 0 -> {SYNS}"),
        ((40, 40 + SYNS), "proven", f"counter 40 -> {40 + SYNS}"),
        ((None, None), "likely", "it has no counter"),
        ((0, SYNS + 1), "likely", f"of which {SYNS} packets can be of this run"),
        ((0, 0), "possible", "0 -> 0"),
        ((0, SYNS - 1), "possible", f"though {SYNS} packets of this run should hit it"),
        ((9, 0), "likely", "9 -> 0: rules were reloaded meanwhile"),
        ((None, 7), "likely", "its counter stands at 7, and was not read before"),
    ],
)
def test_a_rule_is_as_sure_as_its_counter(counts: tuple[Any, Any], certainty: str, sentence: str) -> None:
    cause = Run("firewall_drop.server-input").says("db1", "syn", "in", "drop", counts).first()
    assert (cause["code"], cause["host"], cause["certainty"]) == ("firewall_drop", "db1", certainty)
    place = "table inet filter, chain input, handle 12"
    assert cause["summary"] == f"rule 'tcp dport 5432 counter drop' ({place}) on db1 drops the SYN"
    assert any(sentence in seen["observation"] for seen in (*cause["evidence"], *cause["against"]))
    assert cause["detail"]["path"][0]["parts"] == [{"text": "tcp dport 5432", "matched": True, "seen": None}]


def test_what_others_send_in_vain_does_not_count_against_a_rule() -> None:
    """The kernel counts failed retransmissions for the whole host, among them those of other flows that other rules stop."""
    run = Run("firewall_drop.client-output")
    probes = run.found["web1"]["try"]["evidence"]["probes"]
    sent = sum(1 + probe["tcp_info"]["retransmits"] for probe in probes)
    run.snapshots("web1")[1]["counters"]["TcpExt"]["TCPRetransFail"] += 5
    cause = run.says("web1", "syn", "out", "drop", (0, sent)).first()
    assert (cause["code"], cause["host"], cause["certainty"], cause["against"]) == ("firewall_drop", "web1", "proven", [])


@pytest.mark.parametrize(
    ("generations", "certainty", "sentence"),
    [
        ((4, 5), "likely", "the rules changed meanwhile"),
        ((4, 4), "proven", f"counter 0 -> {SYNS}"),  # the packet that was asked about before was another one
        ((None, None), "likely", "whether the rules changed is unknown"),
    ],
)
def test_rules_that_changed_meanwhile_prove_nothing(generations: tuple[Any, Any], certainty: str, sentence: str) -> None:
    """The ruleset's own generation tells: before, a packet's interface and headers are not known yet, and the answer may differ by that."""
    run = Run("firewall_drop.server-input").says("db1", "syn", "in", "drop", (0, SYNS))
    for snapshot, generation in zip(run.snapshots("db1"), generations, strict=True):
        snapshot["firewall"]["generation"] = generation
    run.snapshots("db1")[0]["firewall"]["verdicts"][0]["verdict"] = "accept"
    cause = run.first()
    assert cause["certainty"] == certainty
    assert sentence in cause["evidence"][0]["observation"]


@pytest.mark.parametrize(
    ("text", "sentence"), [("-p tcp -j DROP", "its counter stands"), ("-p udp -j DROP", "changed meanwhile"), (None, "is unknown")]
)
def test_legacy_rules_are_compared_by_their_text(text: str | None, sentence: str) -> None:
    """They have no generation."""
    legacy = {"family": "ip", "chain": "INPUT", "handle": None, "number": 1, "text": "-p tcp -j DROP"}
    run = Run("firewall_drop.server-input").says("db1", "syn", "in", "drop", (None, SYNS), rule=legacy)
    before = run.snapshots("db1")[0]["firewall"]["verdicts"][0]
    before.update(verdict="accept", rule=None)
    before["path"][0]["rule"]["text"] = text
    if text is None:
        before["path"] = []
    assert sentence in run.first()["evidence"][0]["observation"]


def test_the_answer_on_the_way_back_is_the_second_suspect() -> None:
    run = Run("firewall_drop.server-output").says("db1", "syn", "in", "accept").says("db1", "syn_ack", "out", "drop", (0, 5))
    cause = run.first()
    assert cause["summary"].endswith("on db1 drops the SYN-ACK")
    assert run.flow()["leg"] == "syn_ack"


def test_rules_that_let_it_through_speak_against_elimination() -> None:
    cause = Run("firewall_drop.server-input").says("db1", "syn", "in", "accept", (0, 3)).first()
    assert (cause["code"], cause["certainty"]) == ("firewall_drop", "possible")
    assert cause["against"][0]["observation"] == "evaluated: its rules let the SYN through"


def test_undecided_says_on_what_it_hangs() -> None:
    because, hangs = "it depends on meta skuid: drop if so, accept if not", {"kind": "unknown", "what": "meta skuid"}
    flow = Run("firewall_drop.server-input").says("db1", "syn", "in", "undecided", undecided_because=because, undecided=hangs).flow()
    assert (flow["causes"][0]["code"], flow["causes"][0]["certainty"]) == ("firewall_drop", "likely")
    assert any(because in sentence for sentence in flow["undecided"])


def test_a_limit_is_named() -> None:
    hangs = {"kind": "limit", "what": "limit rate 5/second", "otherwise": "drop", "if_so": "accept"}
    cause = Run("firewall_drop.server-input").says("db1", "syn", "in", "undecided", undecided=hangs).first()
    assert (cause["code"], cause["certainty"]) == ("firewall_rate_limited", "likely")


def test_what_is_called_limit_is_none() -> None:
    because = "it depends on ip saddr @limit: drop if not, accept if so"
    hangs = {"kind": "unknown", "what": "ip saddr @limit", "otherwise": "drop", "if_so": "accept"}
    cause = Run("firewall_drop.server-input").says("db1", "syn", "in", "undecided", undecided_because=because, undecided=hangs).first()
    assert cause["code"] != "firewall_rate_limited"


@pytest.mark.parametrize(
    ("what", "named"),
    [("limit rate 5/second", "rule 'limit rate 5/second accept'"), ("the rate of -m limit", "the firewall on db1 lets the SYN")],
)
def test_of_several_unknowns_the_one_with_the_limit_is_named(what: str, named: str) -> None:
    """A rule that asks for the TTL comes after it."""
    chain = {"family": "inet", "table": "filter", "chain": "input"}
    path = [
        {
            "chain": chain,
            "rule": {**chain, "handle": handle, "number": handle, "text": f"{condition} accept"},
            "matched": None,
            "parts": [{"text": condition, "matched": None, "seen": None}],
            "effects": [],
        }
        for handle, condition in ((1, "limit rate 5/second"), (2, "ip ttl 63"))
    ]
    hangs = {"kind": "limit", "what": what, "otherwise": "drop", "if_so": "accept"}
    cause = Run("firewall_drop.server-input").says("db1", "syn", "in", "undecided", undecided=hangs, path=path).first()
    assert cause["code"] == "firewall_rate_limited" and named in cause["summary"], cause["summary"]


def test_a_backend_that_is_drawn_by_lot_is_no_limit() -> None:
    """As kube-proxy spreads connections: whichever it is, the packet gets through."""
    hangs = {"kind": "limit", "what": "numgen random mod 2 being 0", "otherwise": None, "if_so": None}
    cause = Run("firewall_drop.server-input").says("db1", "syn", "in", "undecided", undecided=hangs).first()
    assert cause["code"] != "firewall_rate_limited"


def test_a_queue_without_a_reader() -> None:
    run = Run("firewall_drop.server-input").says("db1", "syn", "in", "drop", (0, SYNS), queue=7)
    assert (run.first()["code"], run.first()["certainty"]) == ("firewall_queue_unread", "proven")
    run = Run("firewall_drop.server-input").says("db1", "syn", "in", "queue", (0, SYNS), queue=7)
    assert (run.first()["code"], run.first()["certainty"]) == ("firewall_queue_drops", "likely")


def test_a_router_drops_by_name() -> None:
    cause = Run("firewall_drop.router-syn").says("r1", "syn", "forward", "drop").first()
    assert (cause["code"], cause["host"], cause["segment"], cause["certainty"]) == ("firewall_drop", "r1", "path.forward", "likely")


def test_an_earlier_fault_comes_first_and_the_rule_would_also_drop() -> None:
    causes = Run("path_drop.syn").says("db1", "syn", "in", "drop", (0, 0)).flow()["causes"]
    assert causes[0]["code"] == "path_drop"
    assert (causes[-1]["code"], causes[-1]["certainty"]) == ("firewall_drop", "likely")
    assert causes[-1]["summary"].endswith("on db1 would also drop the SYN")


def test_a_rule_that_the_packet_did_not_come_to_would_also_drop_it() -> None:
    """The reverse-path filter comes before the input hook: a counter that stands still there contradicts nothing."""
    causes = Run("rp_filter_drop.server").says("db1", "syn", "in", "drop", (0, 0)).flow()["causes"]
    assert [(cause["code"], cause["certainty"]) for cause in causes] == [("rp_filter_drop", "proven"), ("firewall_drop", "likely")]
    assert causes[1]["summary"].endswith("on db1 would also drop the SYN")


def test_a_rule_that_the_listener_s_queue_contradicts_is_told_as_that() -> None:
    flow = Run("accept_queue_full").says("db1", "syn", "in", "drop", (0, 0)).flow()
    assert [(cause["code"], cause["certainty"]) for cause in flow["causes"]] == [("accept_queue_full", "proven")]
    assert any("and yet it got through" in sentence for sentence in flow["not_observed"])


@pytest.mark.parametrize("packet", ["syn", "syn_ack"])
def test_what_got_through_was_not_dropped(packet: str) -> None:
    """Whatever the evaluation says, the flow stays as the packets say."""
    flow = Run("healthy.twin").says("db1", packet, "in" if packet == "syn" else "out", "drop", (0, 3)).flow()
    assert (flow["status"], flow["causes"]) == ("ok", [])
    assert any("and yet it got through" in sentence for sentence in flow["not_observed"])


def test_an_accept_rule_that_comes_too_late_is_told() -> None:
    late = {**RULE, "handle": 15, "text": "tcp dport 5432 accept", "packets": None}
    cause = Run("firewall_drop.server-input").says("db1", "syn", "in", "drop", (0, SYNS), shadowed=[late]).first()
    assert cause["summary"].endswith("; an accept rule for this flow exists but comes too late: handle 15 after handle 12")
    late["chain"] = "users"  # numbers of another chain say nothing of the order
    cause = Run("firewall_drop.server-input").says("db1", "syn", "in", "drop", (0, SYNS), shadowed=[late]).first()
    assert cause["summary"].endswith(": handle 15 of chain users after handle 12")


def test_the_manager_has_the_word() -> None:
    run = Run("firewall_drop.server-input").says(
        *("db1", "syn", "in", "drop", (0, SYNS)),
        rule={"manager": "firewalld", "origin": {"zone": "public"}},
        change={"summary": "open tcp/5432 in zone public", "commands": ["firewall-cmd --zone=public --add-port=5432/tcp"]},
    )
    cause = run.first()
    assert {"host": "db1", "source": "firewalld", "observation": "handle 12 belongs to firewalld: zone public"} in cause["evidence"]
    assert cause["fix"]["summary"] == "open tcp/5432 in zone public"
    ends = f'source address="{CLIENT}" destination address="{SERVER}"'
    (step,) = cause["fix"]["steps"]
    assert step["module"] == "ansible.posix.firewalld"
    assert step["arguments"]["rich_rule"] == f'rule family="ipv4" {ends} port port="5432" protocol="tcp" accept'


def test_a_malformed_verdict_costs_the_firewalls_part_only() -> None:
    run = Run("firewall_drop.server-input").says("db1", "syn", "in", "drop", (0, SYNS), verdict=7)
    flow = run.flow()
    assert (flow["causes"][0]["code"], flow["causes"][0]["certainty"]) == ("firewall_drop", "likely")
    assert any("db1: firewall: malformed answer" in sentence for sentence in flow["not_observed"])


def test_a_jump_is_no_translation_whatever_its_chain_is_called() -> None:
    """A redirect in prerouting to a port on which nobody listens; behind it, the filter jumps to a chain with a telling name."""
    run = Run("nat_wrong_target.dead-port")
    for answer in load(RECORDED / "nat_wrong_target.dead-port.json.gz")["evidence"]:
        run.found[answer["host"]][answer["phase"]] = answer
    chain = {"family": "inet", "table": "f", "chain": "input", "hook": "input", "priority": 0}
    jump = {"family": "inet", "table": "f", "chain": "input", "handle": 90, "number": 1, "text": "tcp dport 5999 counter jump after-dnat"}
    step = {"chain": chain, "matched": True, "effect": "jump after-dnat", "effects": [{"kind": "jump", "target": "after-dnat"}]}
    for snapshot, count in zip(run.snapshots("db1"), (0, 4), strict=True):
        for verdict in snapshot["firewall"]["verdicts"]:
            if verdict["packet"] == "syn":
                verdict["path"].append({**step, "rule": {**jump, "packets": count}})
    cause = run.first()
    assert (cause["code"], cause["host"], cause["certainty"]) == ("nat_wrong_target", "db1", "proven")
    assert "redirect to :5999" in cause["summary"] and "after-dnat" not in cause["summary"]
