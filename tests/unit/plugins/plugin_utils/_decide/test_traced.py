# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's trace says of a case, and traces that lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.case import Case
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.hooks import droppers
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.examine import examine
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.traced import let_through, traced
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.evidence import read_host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.trace_records import MAX_EVENTS
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.faults._recorded import load

Phases = dict[str, dict[str, dict[str, Any]]]
ISN, PORT = 7000, 45000
SYN = {"source": "10.0.1.11", "source_port": PORT, "destination": "10.0.2.21", "port": 5432, "flags": ["SYN"], "seq": ISN, "ack": 0}
SYN_ACK = {
    "source": "10.0.2.21",
    "source_port": 5432,
    "destination": "10.0.1.11",
    "port": PORT,
    "flags": ["SYN", "ACK"],
    "seq": 9,
    "ack": ISN + 1,
}
ACK = {**SYN, "flags": ["ACK"], "seq": ISN + 1, "ack": 10}
DROP = {"family": "inet", "table": "test", "chain": "input", "type": "rule", "handle": 12, "verdict": "drop"}
POLICY = {**DROP, "type": "policy", "handle": None}
PASSED = {**POLICY, "verdict": "accept"}


def trace(packet: dict[str, Any], *steps: dict[str, Any], hook: str = "prerouting") -> dict[str, Any]:
    verdict = steps[-1]["verdict"] if steps else "accept"
    return {"packet": packet, "hook": hook, "steps": list(steps), "verdict": verdict}


def tracing(*traces: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"traces": list(traces), "truncated": None, "lost": False, **more}


def evidence(client: Any, server: Any, name: str = "firewall_drop.server-input") -> tuple[Plan, Phases]:
    """Recorded evidence, as if it had been traced, and no firewall evaluated."""
    kept = load(Path(__file__).parents[1] / "recorded" / f"{name}.json.gz")
    found: Phases = {}
    for answer in kept["evidence"]:
        found.setdefault(answer["host"], {})[answer["phase"]] = answer
    for phases in found.values():
        for answer in phases.values():
            for part in ("snapshot", "before", "after"):
                (answer["evidence"].get(part) or {}).pop("firewall", None)
    probe = {**found["web1"]["try"]["evidence"]["probes"][0], "local_port": PORT}
    found["web1"]["trace_try"] = {"failure": None, "evidence": {"probes": [probe], "trace": client, "absent": []}}
    found["db1"]["trace_open"] = {"failure": None, "evidence": {"tracer": {"handle": "0" * 16}, "absent": []}}
    found["db1"]["trace_close"] = {"failure": None, "evidence": {"trace": server, "absent": []}}
    return Plan.from_json(kept["plan"]), found


def case_of(client: Any, server: Any) -> Case:
    _hosts, [examined] = examine(*evidence(client, server))
    (case,) = examined.cases
    return case


def test_the_rule_that_drops_the_syn() -> None:
    case = case_of(tracing(trace(SYN, hook="output")), tracing(trace(SYN, DROP), trace(SYN, DROP)))
    rule = traced(case, case.server, "syn")
    assert rule is not None
    assert (rule.host, rule.family, rule.table, rule.chain, rule.handle) == ("db1", "inet", "test", "input", 12)
    assert (rule.hook, rule.verdict, rule.packets, rule.passed) == ("input", "drop", 2, 0)
    assert str(rule.text) == "rule 12 of inet test input"
    assert str(rule.evidence().observation) == "rule 12 of inet test input stopped 2 SYNs of this flow (hook input)"
    assert traced(case, case.client, "syn") is None and let_through(case, case.client, "syn") == 1
    assert let_through(case, case.server, "syn") == 0
    assert traced(case, case.server, "syn_ack") is None and traced(case, None, "syn") is None


def test_a_policy_and_a_rule_in_a_chain_that_was_jumped_to() -> None:
    case = case_of(None, tracing(trace(SYN, POLICY)))
    rule = traced(case, case.server, "syn")
    assert rule is not None and rule.handle is None and str(rule.text) == "the policy of inet test input"
    jump = {**DROP, "verdict": "jump", "handle": 3}
    case = case_of(None, tracing(trace(SYN, jump, {**DROP, "chain": "ours", "verdict": "queue"})))
    rule = traced(case, case.server, "syn")
    assert rule is not None and (rule.chain, rule.hook, rule.verdict) == ("ours", "input", "queue")


def test_the_other_legs() -> None:
    case = case_of(
        tracing(trace(SYN, hook="output"), trace(SYN_ACK, PASSED), trace(ACK, DROP, hook="output")),
        tracing(trace(SYN), trace(SYN_ACK, {**DROP, "chain": "output"}, hook="output")),
    )
    at_server, at_client = traced(case, case.server, "syn_ack"), traced(case, case.client, "ack")
    assert at_server is not None and (at_server.leg, at_server.chain, at_server.hook) == ("syn_ack", "output", "output")
    assert at_client is not None and at_client.leg == "ack"
    assert let_through(case, case.client, "syn_ack") == 1


@pytest.mark.parametrize(
    "other",
    [
        {**SYN, "seq": ISN + 5},
        {**SYN, "flags": ["SYN", "ACK"]},
        {**SYN, "flags": ["RST"]},
    ],
)
def test_packets_of_other_handshakes_are_not_ours(other: dict[str, Any]) -> None:
    case = case_of(tracing(trace(SYN, hook="output")), tracing(trace(other, DROP)))
    assert traced(case, case.server, "syn") is None


def test_the_initial_sequence_number_survives_translation() -> None:
    translated = {**SYN, "source": "192.0.2.1", "source_port": 1025, "destination": "192.0.2.2", "port": 80}
    case = case_of(tracing(trace(SYN, hook="output")), tracing(trace(translated, DROP)))
    assert traced(case, case.server, "syn") is not None


@pytest.mark.parametrize("other", [{**SYN, "source_port": 1}, {**SYN, "source": "10.0.1.12"}, {**SYN, "port": 80}])
def test_without_a_trace_at_the_client_addresses_and_ports_must_agree(other: dict[str, Any]) -> None:
    case = case_of(None, tracing(trace(other, DROP)))
    assert traced(case, case.server, "syn") is None
    case = case_of(None, tracing(trace(SYN, DROP)))
    assert traced(case, case.server, "syn") is not None


def test_where_some_pass_it_is_said() -> None:
    case = case_of(None, tracing(trace(SYN, DROP), trace(SYN, PASSED), trace(SYN, PASSED)))
    rule = traced(case, case.server, "syn")
    assert rule is not None and (rule.packets, rule.passed) == (1, 2)
    assert let_through(case, case.server, "syn") == 0


@pytest.mark.parametrize("missing", [{"truncated": "events"}, {"truncated": "deadline"}, {"lost": True}])
def test_an_incomplete_trace_lets_nothing_through(missing: dict[str, Any]) -> None:
    case = case_of(None, tracing(trace(SYN, PASSED), **missing))
    assert let_through(case, case.server, "syn") == 0


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ([], "a mapping belongs"),
        ({"traces": {}}, "a list belongs"),
        ({"traces": [{**trace(SYN), "packet": {**SYN, "source": "<script>"}}]}, "an IP address belongs"),
        ({"traces": [{**trace(SYN), "packet": {**SYN, "source_port": "1"}}]}, "a int belongs"),
        ({"traces": [trace(SYN, *[DROP] * MAX_EVENTS)]}, f"more than {MAX_EVENTS}"),
        ({"traces": [trace(SYN, {**DROP, "handle": -(1 << 70)})]}, "beyond all"),
    ],
)
def test_a_trace_that_is_none_costs_itself_only(answer: Any, part: str) -> None:
    plan, found = evidence(None, answer)
    flow = decide(plan, found, "", "").report["flows"][0]
    assert any("db1: trace: malformed answer" in line and part in line for line in flow["not_observed"]), flow["not_observed"]
    assert flow["causes"][0]["code"] == "firewall_drop"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([SYN, DROP]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["traces", "packet", "steps", "hook", "verdict"]), inner),
    max_leaves=8,
)


@given(JUNK, JUNK)
def test_whatever_a_host_says_reading_it_ends_well(probes: Any, answer: Any) -> None:
    host = read_host("h", {"trace_try": {"probes": probes, "trace": answer, "absent": answer}}, {})
    assert isinstance(host.tracings, tuple)


def verdict(said: str, packet: str = "syn", hangs: str | None = None) -> dict[str, Any]:
    """What an evaluation said, without naming a rule."""
    ends = SYN if packet == "syn" else SYN_ACK
    known = {name: ends[name] for name in ("source", "source_port", "destination", "port")}
    direction = "in" if packet == "syn" else "out"
    undecided = {"kind": hangs, "what": "an expression"} if hangs else None
    return {**known, "packet": packet, "direction": direction, "state": "new", "verdict": said, "undecided": undecided}


def flow_of(client: Any, server: Any, verdicts: tuple[Any, ...] = (verdict("undecided", hangs="unsupported"),), **probe: Any) -> Any:
    plan, found = evidence(client, server)
    found["db1"]["close"]["evidence"]["after"]["firewall"] = {"begun": 1.0, "ended": 2.0, "verdicts": list(verdicts)}
    found["web1"]["trace_try"]["evidence"]["probes"][0].update(probe)
    return decide(plan, found, "", "").report["flows"][0]


def test_what_the_kernel_traced_is_proven() -> None:
    cause = flow_of(tracing(trace(SYN, hook="output")), tracing(trace(SYN, DROP)))["causes"][0]
    assert (cause["code"], cause["host"], cause["certainty"]) == ("firewall_drop", "db1", "proven")
    assert cause["summary"].startswith("rule 12 of inet test input on db1 drops the SYN")


def test_an_evaluation_that_the_kernel_contradicts_is_told() -> None:
    cause = flow_of(tracing(trace(SYN, hook="output")), tracing(trace(SYN, DROP)), (verdict("accept"),))["causes"][0]
    assert (cause["code"], cause["certainty"]) == ("firewall_drop", "proven")
    assert cause["against"][0]["observation"] == "evaluated: accept, which is not what the kernel did"


@pytest.mark.parametrize(
    "verdicts",
    [
        (),
        (verdict("undecided", hangs="limit"),),
        (verdict("undecided", hangs="too_many"),),
        (
            {**verdict("undecided"), "undecided_because": "it depends on limit rate 5/second: drop if not, accept if so"},
        ),  # as 0.1.0 said it
    ],
)
def test_without_an_evaluation_or_with_a_limit_one_packet_proves_nothing(verdicts: tuple[Any, ...]) -> None:
    causes = flow_of(tracing(trace(SYN, hook="output")), tracing(trace(SYN, DROP)), verdicts)["causes"]
    assert causes[0]["certainty"] == "likely" and all(cause["certainty"] != "proven" for cause in causes), causes


def test_a_rule_that_the_kernel_traced_is_not_named_again() -> None:
    """The kernel tells handles, and iptables numbers: the rule that stops the SYN would stop the SYN-ACK, too."""
    chain = {"family": "ip", "table": "filter", "chain": "OURS"}
    rule = {**chain, "handle": None, "number": 2, "text": "-A OURS -j DROP"}
    step = {"chain": chain, "rule": rule, "matched": None, "parts": [], "effects": [{"kind": "drop", "target": None}]}
    verdicts = ({**verdict("undecided", hangs="unsupported"), "path": [step]}, {**verdict("drop", "syn_ack"), "rule": rule})
    server = tracing(trace(SYN, {**DROP, **chain, "handle": 12, "number": 2}))
    causes = flow_of(tracing(trace(SYN, hook="output")), server, verdicts)["causes"]
    assert [(cause["code"], cause["certainty"]) for cause in causes] == [("firewall_drop", "proven")], causes
    told = causes[0]["detail"]["rule"]
    assert (told["handle"], told["number"], told["text"]) == (None, 2, "-A OURS -j DROP")


@pytest.mark.parametrize(
    ("server", "probe"),
    [
        (tracing(trace(SYN, DROP), trace(SYN, PASSED)), {}),
        (tracing(trace(SYN, DROP)), {"outcome": "connected"}),
        (tracing(trace(SYN, DROP)), {"outcome": "error", "errno": "ECONNREFUSED"}),
        (tracing(trace({**SYN, "seq": 1}, DROP)), {}),
        (tracing(trace(SYN, {**DROP, "verdict": "accept"})), {}),
    ],
)
def test_what_depends_on_more_than_a_rule_or_ended_otherwise_is_not_proven(server: Any, probe: dict[str, Any]) -> None:
    flow = flow_of(tracing(trace(SYN, hook="output")), server, **probe)
    assert all(cause["certainty"] != "proven" for cause in flow["causes"]), flow["causes"]


def test_a_packet_that_the_kernel_saw_pass_ended_elsewhere() -> None:
    dropped = trace(SYN_ACK, {**DROP, "chain": "o"}, hook="output")
    flow = flow_of(tracing(trace(SYN, hook="output")), tracing(trace(SYN, PASSED), dropped), (verdict("accept", "syn_ack"),))
    cause = flow["causes"][0]
    assert (cause["code"], cause["certainty"], flow["leg"]) == ("firewall_drop", "proven", "syn_ack")


@pytest.mark.parametrize(("table", "suspected"), [("filter", ["inet filter prerouting"]), ("handshake_trace_20261121_0a", [])])
def test_a_table_of_another_run_is_no_suspect(table: str, suspected: list[str]) -> None:
    chain = {"family": "inet", "table": table, "chain": "prerouting", "hook": "prerouting", "policy": "accept", "rules": 2}
    host = read_host("h", {"open": {"snapshot": {"time": 1.0, "hooks": {"netfilter": [chain], "iptables_legacy": []}}}}, {})
    assert droppers(host, ("prerouting",), 4) == suspected
