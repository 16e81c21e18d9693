# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From two states to a judgement: what is endangered, how, and what mends it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.baseline import Baseline
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.conclude import Observed, baselines, conclude
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.doubts import doubts
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.parts import parts
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.state import State, read_state
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.prose import Prose
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Entry, Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.mending import mendings
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import drift_report, terminal

FLOW = "f-web1-db1-10.0.2.21-5432"
PLAN = Plan(
    "run",
    (Entry(flow="f", client="web1", server="db1", address="10.0.2.21", port=5432, dial=0, via=("r1",), timeout=3.0, source=None),),
    {"web1": {}, "r1": {}, "db1": {}},
)
STATES: dict[str, dict[str, Any]] = {
    "web1": {
        "names": {},
        "firewall": [],
        "routes": [{"to": "10.0.2.21", "type": "unicast", "interface": "eth0", "gateway": "10.0.1.1", "source": "10.0.1.11"}],
        "neighbours": [{"address": "10.0.1.1", "interface": "eth0"}],
        "sysctls": {"net.ipv4.tcp_syn_retries": "6", "net.ipv4.ip_forward": "0", "net.ipv4.conf.eth0.rp_filter": "0"},
        "services": {},
        "reboot": [],
    },
    "r1": {
        "sysctls": {"net.ipv4.ip_forward": "1"},
        "routes": [{"to": "10.0.1.11", "type": "unicast"}, {"to": "10.0.2.21", "type": "unicast"}],
    },
    "db1": {
        "listeners": [
            {"port": 5432, "family": "ipv6", "address": "::", "backlog": 128, "process": "postgres", "unit": "postgresql@15-main.service"}
        ],
        "firewall": [
            {
                "packet": "syn",
                "direction": "in",
                "source": "10.0.1.11",
                "destination": "10.0.2.21",
                "port": 5432,
                "verdict": "accept",
                "rules": ["inet filter input: tcp dport 5432 accept"],
            }
        ],
        "routes": [{"to": "10.0.1.11", "source_asked": "10.0.2.21", "type": "unicast", "interface": "eth0", "gateway": "10.0.2.1"}],
        "neighbours": [{"address": "10.0.2.1", "interface": "eth0"}],
        "sysctls": {
            "net.ipv4.tcp_syncookies": "1",
            "net.core.somaxconn": "4096",
            "net.ipv4.tcp_syn_retries": "6",
            "net.ipv4.tcp_mem": "88707 118278 177414",
        },
        "services": {"postgresql@15-main.service": {"active": "active", "enabled": "enabled", "ports": [5432]}},
        "reboot": [],
    },
}


def report_of(host: str | None = None, **changed: Any) -> dict[str, Any]:
    """The report where the parts of one host's state are others than its baseline's."""
    before = {name: Observed(read_state(told, "state")) for name, told in STATES.items()}
    kept: dict[str, Baseline | str] = {**baselines(PLAN, before, {})}
    told = {name: {**each, **(changed if name == host else {})} for name, each in STATES.items()}
    now = {name: Observed(read_state(each, "state")) for name, each in told.items()}
    return conclude(PLAN, now, kept, {}, "then", "now")


def only(report: dict[str, Any], host: str) -> dict[str, Any]:
    (drift,) = next(each for each in report["hosts"] if each["host"] == host)["drifts"]
    return dict(drift)


def test_nothing_has_changed() -> None:
    report = report_of()
    assert report["summary"]["drifts"] == report["summary"]["not_compared"] == 0
    assert all(not host["diff"] and host["problem"] is None for host in report["hosts"])
    assert [flow["causes"] for flow in report["flows"]] == [[]] and mendings({"drift": report}) == []


VERDICT = STATES["db1"]["firewall"][0]
SYSCTLS = STATES["db1"]["sysctls"]
GATEWAY = {"address": "10.0.2.1", "interface": "eth0", "permanent_mac": "02:00:00:00:00:99"}
SYSCTL_BOOT = {"kind": "sysctl", "name": "net.core.somaxconn", "now": "4096", "then": "16", "because": "/etc/sysctl.d/x.conf says so"}
RULES_BOOT = {"kind": "nftables", "name": "table inet filter", "now": "a", "then": "b", "because": "c", "diff": ["-a", "+b"]}
ANSWER = {
    "packet": "syn",
    "direction": "in",
    "source": "10.0.1.11",
    "destination": "10.0.2.21",
    "port": 5432,
    "now": "accept",
    "then": "drop",
}
UNIT = "postgresql@15-main.service"


@pytest.mark.parametrize(
    ("host", "part", "told", "kind", "how", "steps"),
    [
        ("db1", "listeners", [], "listener", "nobody listens on port 5432 for it any more", 0),
        ("db1", "listeners", [{**STATES["db1"]["listeners"][0], "backlog": 1}], "listener", "accept queue takes 1 connections now", 0),
        ("db1", "listeners", [{**STATES["db1"]["listeners"][0], "md5": ["10.0.9.0/24"]}], "listener", "the listener has md5 now", 0),
        ("db1", "listeners", [{**STATES["db1"]["listeners"][0], "process": "nc"}], "listener", "another process answers: nc instead of", 0),
        ("db1", "listeners", [{**STATES["db1"]["listeners"][0], "unit": "a.service"}], "listener", "another unit answers: a.service", 0),
        ("db1", "listeners", [{**STATES["db1"]["listeners"][0], "backlog": 512}], "listener", None, 0),
        ("db1", "firewall", [{**VERDICT, "verdict": "drop", "decided_by": "here"}], "firewall", "its SYN is stopped: drop by here", 0),
        ("db1", "firewall", [{**VERDICT, "rewritten": "dnat to 10.0.0.9"}], "firewall", "its SYN is translated otherwise: dnat", 0),
        ("db1", "firewall", [{**VERDICT, "verdict": "undecided"}], "firewall", "is no longer sure", 0),
        ("db1", "sysctls", {**SYSCTLS, "net.ipv4.tcp_syncookies": "0"}, "sysctl", "net.ipv4.tcp_syncookies is 0 instead of 1", 1),
        ("db1", "sysctls", {**SYSCTLS, "net.ipv4.tcp_mem": "88000 90000 100000"}, "sysctl", "net.ipv4.tcp_mem is 88000", 1),
        ("db1", "sysctls", {**SYSCTLS, "net.core.somaxconn": "8192"}, "sysctl", None, 1),
        ("db1", "sysctls", {**SYSCTLS, "net.core.somaxconn": "8"}, "sysctl", "net.core.somaxconn is 8 instead of 4096", 1),
        ("db1", "sysctls", {**SYSCTLS, "net.ipv4.tcp_syn_retries": "1"}, "sysctl", None, 1),  # a client's, and db1 is none
        ("web1", "sysctls", {**STATES["web1"]["sysctls"], "net.ipv4.tcp_syn_retries": "1"}, "sysctl", "tcp_syn_retries is 1", 1),
        ("web1", "sysctls", {**STATES["web1"]["sysctls"], "net.ipv4.conf.eth0.rp_filter": "1"}, "sysctl", "rp_filter is 1", 1),
        ("r1", "sysctls", {"net.ipv4.ip_forward": "0"}, "sysctl", "net.ipv4.ip_forward is 0 instead of 1", 1),
        ("db1", "neighbours", [GATEWAY], "neighbour", "10.0.2.1 on its way is pinned", 1),
        (
            "db1",
            "routes",
            [{"to": "10.0.1.11", "source_asked": "10.0.2.21", "error": "ENETUNREACH"}],
            "route",
            "there is no way to 10.0.1.11",
            0,
        ),
        ("db1", "routes", [{**STATES["db1"]["routes"][0], "gateway": "10.0.2.9"}], "route", "leave by 10.0.2.9 through eth0", 0),
        ("db1", "routes", [{**STATES["db1"]["routes"][0], "source": "10.0.2.22"}], "route", "leave with the source 10.0.2.22", 0),
        ("db1", "routes", [{**STATES["db1"]["routes"][0], "prefix": "10.0.0.0/8"}], "route", None, 0),
        ("db1", "services", {UNIT: {"active": "failed", "enabled": "enabled", "ports": [5432]}}, "service", "is not running any more", 1),
        ("db1", "services", {UNIT: {"active": "active", "enabled": "disabled", "ports": [5432]}}, "service", "will not start", 1),
        ("db1", "services", {}, "service", "is not running any more", 0),  # not even there
        ("db1", "services", {UNIT: {"active": "active", "enabled": "masked", "ports": [5432]}}, "service", "will not start", 0),
        ("db1", "services", {**STATES["db1"]["services"], "ufw.service": {"active": "active", "enabled": "enabled"}}, "service", None, 0),
        ("web1", "names", {"db": ["10.0.0.1"]}, "name", None, 0),  # no flow dials it
        ("db1", "reboot", [SYSCTL_BOOT], "reboot", "net.core.somaxconn after a reboot is 16 instead of 4096", 1),
        ("db1", "reboot", [{**RULES_BOOT, "answers": [ANSWER]}], "reboot", "after a reboot its SYN meets another outcome: drop", 0),
        ("db1", "reboot", [{**RULES_BOOT, "answers": []}], "reboot", None, 0),
        ("db1", "reboot", [RULES_BOOT], "reboot", "what nftables makes of it after a reboot is not known", 0),
        (
            "db1",
            "reboot",
            [{**SYSCTL_BOOT, "kind": "service", "name": UNIT, "then": "not started"}],
            "reboot",
            "a reboot does not start it",
            1,
        ),
    ],
)
def test_a_change_is_found_named_and_classified(host: str, part: str, told: Any, kind: str, how: str | None, steps: int) -> None:
    report = report_of(host, **{part: told})
    drift = only(report, host)
    assert (drift["kind"], drift["severity"]) == (kind, "endangering" if how else "harmless")
    assert report["summary"]["endangering"] == bool(how)
    if how:
        (danger,) = drift["endangers"]
        assert danger["flow"] == FLOW and how in danger["how"]
        (flow,) = report["flows"]
        assert (flow["id"], flow["causes"][0]["fix"]) == (FLOW, drift["fix"])
        assert [len(each.steps) for each in mendings({"drift": report})] == ([steps] if drift["fix"] else [])
    assert len((drift["fix"] or {"steps": ()})["steps"]) == steps
    assert drift["fix"] is None or not drift["fix"]["steps"] or drift["fix"]["saves"]
    assert any(line.startswith("+") for each in report["hosts"] for line in each["diff"])
    json.loads(drift_report.as_json(report))


@pytest.mark.parametrize(
    ("was", "now", "how"),
    [
        ({"net.ipv4.conf.eth0.rp_filter": "1"}, {"net.ipv4.conf.eth0.rp_filter": "0"}, None),
        ({"net.ipv4.conf.eth0.rp_filter": "0"}, {"net.ipv4.conf.eth0.rp_filter": "2"}, "rp_filter is 2 instead of 0"),
        ({"net.ipv4.tcp_syncookies": "0"}, {"net.ipv4.tcp_syncookies": "1"}, None),
        ({"net.ipv4.conf.eth0.arp_ignore": "1"}, {"net.ipv4.conf.eth0.arp_ignore": "0"}, "arp_ignore is 0 instead of 1"),
        ({"net.ipv4.tcp_mem": "88707 118278 177414"}, {"net.ipv4.tcp_mem": "88695 118262 177390"}, "nothing"),  # after a reboot
        ({"fs.file-max": "9223372036854775807"}, {"fs.file-max": "\u00b2"}, "fs.file-max is \u00b2"),  # a digit, but no number
    ],
)
def test_sysctls_that_let_more_through_are_no_danger(was: dict[str, str], now: dict[str, str], how: str | None) -> None:
    before = {"db1": Observed(read_state({**STATES["db1"], "sysctls": was}, "state"))}
    report = conclude(
        PLAN, {"db1": Observed(read_state({**STATES["db1"], "sysctls": now}, "state"))}, {**baselines(PLAN, before, {})}, {}, "then", "now"
    )
    drifts = next(host["drifts"] for host in report["hosts"] if host["host"] == "db1")
    said = drifts[0]["endangers"][0]["how"] if drifts and drifts[0]["endangers"] else None if drifts else "nothing"
    assert (how in said) if how and said else how == said


def test_a_next_hop_that_is_pinned_no_more_has_to_answer_for_itself() -> None:
    pinned = {"db1": Observed(read_state({**STATES["db1"], "neighbours": [GATEWAY]}, "state"))}
    now = {"db1": Observed(read_state(STATES["db1"], "state"))}
    drift = only(conclude(PLAN, now, {**baselines(PLAN, pinned, {})}, {}, "then", "now"), "db1")
    assert (
        drift["endangers"][0]["how"]
        == "10.0.2.1 on its way was pinned to the link address 02:00:00:00:00:99, and has to answer for itself now"
    )
    assert not drift["fix"]["steps"] and "have what pinned it do so again" in drift["fix"]["summary"]


def test_what_a_reboot_changes_is_known_where_the_baseline_has_it() -> None:
    before = {"db1": Observed(read_state({**STATES["db1"], "reboot": [SYSCTL_BOOT]}, "state"))}
    report = conclude(PLAN, before, {**baselines(PLAN, before, {})}, {}, "then", "now")
    drift = only(report, "db1")
    assert drift["known"] and report["summary"]["known"] == 1 and report["summary"]["drifts"] == 0
    assert [host["problem"] for host in report["hosts"] if host["host"] != "db1"] == [
        "it is not among the hosts of this play (--limit?)"
    ] * 2


def test_a_reboot_that_brings_back_the_baseline_endangers_nothing() -> None:
    healed = {**SYSCTL_BOOT, "now": "16", "then": "4096"}
    report = report_of("db1", reboot=[healed], sysctls={**SYSCTLS, "net.core.somaxconn": "16"})
    drifts = {drift["kind"]: drift for host in report["hosts"] for drift in host["drifts"]}
    assert (drifts["sysctl"]["severity"], drifts["reboot"]["severity"]) == ("endangering", "harmless")
    assert [drift["fix"]["steps"][0]["arguments"]["value"] for drift in drifts.values()] == ["4096", "4096"]


def test_what_speaks_against_a_baseline() -> None:
    state = read_state(
        {
            "listeners": [],
            "firewall": [
                {**VERDICT, "verdict": "drop", "decided_by": "inet filter input: policy drop"},
                {**VERDICT, "verdict": "drop", "source": "192.0.2.1"},  # which stands in for a client whose address is not known
            ],
            "routes": [{"to": "10.0.1.11", "source_asked": "10.0.2.21", "error": "ENETUNREACH"}],
            "reboot": [SYSCTL_BOOT],
        },
        "state",
    )
    assert list(doubts(state, parts(PLAN, {"db1": state})["db1"])) == [
        "nobody listens on port 5432",
        "the SYN from 10.0.1.11 to 10.0.2.21 is stopped: drop by inet filter input: policy drop",
        "there is no way to 10.0.1.11 (ENETUNREACH)",
        "a reboot would change sysctl net.core.somaxconn from 4096 to 16",
    ]
    healthy = read_state(STATES["db1"], "state")
    assert list(doubts(healthy, parts(PLAN, {"db1": healthy})["db1"])) == []


def test_a_host_that_tells_nothing_is_neither_compared_nor_written() -> None:
    seen = {"db1": Observed(failure=Prose("it could not be observed: unreachable")), "web1": Observed(read_state(STATES["web1"], "state"))}
    assert baselines(PLAN, seen, {}).keys() == {"web1"}
    report = conclude(PLAN, seen, {}, {}, "then", "now")
    problems = {host["host"]: host["problem"] for host in report["hosts"]}
    assert problems["db1"] == "it could not be observed: unreachable"
    assert problems["web1"] == "there is no baseline"
    assert report["summary"]["not_compared"] == 3


def test_a_part_that_was_not_observed_is_not_gone() -> None:
    seen = {"db1": Observed(State(), (("firewall", Prose("no root")),))}
    kept = baselines(PLAN, {"db1": Observed(read_state(STATES["db1"], "state"))}, {})
    report = conclude(PLAN, seen, {**kept}, {}, "then", "now")
    (host,) = [each for each in report["hosts"] if each["host"] == "db1"]
    assert host["drifts"] == [] and "firewall" in host["not_compared"]
    assert [line for line in host["diff"] if line[0] in "+-"] == ["-not_observed: []", "+not_observed:", "+  - firewall"]
    assert report["summary"]["not_compared"] == 3


def test_flows_that_are_declared_since_and_no_more() -> None:
    seen = {"web1": Observed(read_state(STATES["web1"], "state"))}
    kept = {host: replace(each, flows=("web1 -> db9 10.0.2.29:5432 (g)",)) for host, each in baselines(PLAN, seen, {}).items()}
    report = conclude(PLAN, seen, {**kept}, {}, "then", "now")
    (host,) = [each for each in report["hosts"] if each["host"] == "web1"]
    assert [(each["kind"], each["name"], each["change"], each["severity"]) for each in host["drifts"]] == [
        ("flow", "web1 -> db1 10.0.2.21:5432 (f)", "added", "harmless"),
        ("flow", "web1 -> db9 10.0.2.29:5432 (g)", "removed", "harmless"),
    ]


def test_expectations_of_the_baseline_and_of_today() -> None:
    seen = {name: Observed(read_state(told, "state")) for name, told in STATES.items()}
    kept = {host: replace(each, expectations={"old": "nothing", "both": "nothing"}) for host, each in baselines(PLAN, seen, {}).items()}
    report = conclude(PLAN, seen, {**kept}, {"db1": {"both": "listeners", "new": "reboot"}}, "then", "now")
    (host,) = [each for each in report["hosts"] if each["host"] == "db1"]
    assert {each["name"]: each["holds"] for each in host["expectations"]} == {"both": True, "new": False, "old": False}


def test_whatever_a_host_says_is_shown_in_plain_text() -> None:
    evil = "\x1b[31m<script>`rm`|\u202e\n# x"
    report = report_of(
        "db1",
        firewall=[{**VERDICT, "verdict": "drop", "decided_by": evil, "rules": [evil]}],
        sysctls={**SYSCTLS, "net.ipv4.tcp_syncookies": evil},
        services={evil: {"active": evil, "enabled": evil}},
        listeners=[{**STATES["db1"]["listeners"][0], "process": evil, "unit": evil}],
    )
    text = drift_report.terminal(report, width=100, style=terminal.plain, diff=True)
    assert text.replace("\n", "").isprintable()
    assert "\n# x" not in text and all(len(line) <= 410 for line in text.splitlines())
    ticket = drift_report.as_markdown(report)
    assert "<script" not in ticket.replace("\\<", "") and "\n# x" not in ticket and ticket.replace("\n", "").isprintable()
    drifts = [drift for host in report["hosts"] for drift in host["drifts"]]
    assert {drift["fix"]["risk"] for drift in drifts if drift["kind"] == "sysctl"} == {"low"}  # the baseline's value is a number
    assert all(evil not in json.dumps(drift["fix"]["steps"]) for drift in drifts if drift["fix"])


def blocked(host: str, **changed: Any) -> list[str]:
    """How a change of a host's state endangers the handshake where it must not be possible."""
    entry = replace(PLAN.entries[0], expect="blocked")
    plan = replace(PLAN, entries=(entry,))
    before = {name: Observed(read_state(told, "state")) for name, told in STATES.items()}
    stopped = {**STATES["db1"], "firewall": [{**VERDICT, "verdict": "drop"}], "listeners": []}
    before["db1"] = Observed(read_state(stopped, "state"))
    kept: dict[str, Baseline | str] = {**baselines(plan, before, {})}
    now = {**before, host: Observed(read_state({**(stopped if host == "db1" else STATES[host]), **changed}, "state"))}
    report = conclude(plan, now, kept, {}, "then", "now")
    return [each["how"] for told in report["hosts"] for drift in told["drifts"] for each in drift["endangers"]]


def test_what_must_be_closed_is_endangered_by_what_opens_it() -> None:
    assert blocked("db1", firewall=[VERDICT]) == ["its SYN is stopped no longer, and this handshake must not be possible"]
    assert blocked("db1", firewall=[]) == ["its SYN is stopped no longer, and this handshake must not be possible"]
    assert blocked("db1", listeners=STATES["db1"]["listeners"]) == [
        "something listens on port 5432 now, and this handshake must not be possible"
    ]
    assert blocked("db1", reboot=[{**RULES_BOOT, "answers": [{**ANSWER, "now": "drop", "then": "accept"}]}]) == [
        "after a reboot it meets another outcome: accept (now drop)"
    ]


def test_what_closes_it_further_endangers_nothing() -> None:
    assert blocked("web1", routes=[{**STATES["web1"]["routes"][0], "type": "unreachable"}]) == []
    assert blocked("db1", sysctls={**SYSCTLS, "net.core.somaxconn": "16"}) == []
