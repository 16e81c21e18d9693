# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Broken handshakes in the embedded lab, mended: what is changed, what is kept, what is undone, and what is left alone.

Fixes are what the catalogue proposes; where a fix must go wrong, the host is made so that it does.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults._fault import Flow
from tests.faults._mending import CLOSED, QUICK, last_steps, state
from tests.faults.catalogue import stale
from tests.lab.fleet import Fleet

PATIENT = {"remediate_confirm_timeout": 180}  # a loaded machine is slow to diagnose
FLOW = {**Flow(timeout=1.2).declared(), "name": "orders"}
OTHER = {**Flow(timeout=1.2, port=8080).declared(), "name": "shop"}


@pytest.fixture
def fleet() -> Any:
    with Fleet() as running:
        yield running


def remediate(fleet: Fleet, *arguments: str, flows: tuple[Any, ...] = (FLOW,), check: bool = True, **options: Any) -> tuple[Any, str]:
    """Run the playbook; its report, and what it printed."""
    extra = {"handshake_flows": list(flows), "diagnose_report_dir": "report", "remediate_settle": 0, **QUICK, **PATIENT, **options}
    done = fleet.playbook("threeway.handshake.remediate", "--extra-vars", json.dumps(extra), *arguments, check=check)
    return json.loads((fleet.directory / "report" / "report.json").read_text()), done.stdout


def journal(fleet: Fleet) -> list[tuple[str, str | None]]:
    lines = [json.loads(line) for line in Path(fleet.directory, "report/remediate.jsonl").read_text().splitlines()]
    return [(line["step"], line.get("host")) for line in lines]


def outcomes(report: Any) -> list[tuple[str, str, str]]:
    return [(change["code"], change["host"], change["outcome"]) for change in report["changes"]]


def added(before: str, after: str) -> list[str]:
    """The lines that a state has more; it lacks none."""
    lines, kept = Counter(after.splitlines()), Counter(before.splitlines())
    assert not kept - lines
    return [line.strip() for line in (lines - kept).elements()]


def test_a_closed_firewall_is_opened_and_stays_so(fleet: Fleet) -> None:
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.nft("db1", CLOSED)
    before = state(fleet)

    report, said = remediate(fleet)
    assert outcomes(report) == [("firewall_drop", "db1", "planned")]
    assert "nothing is changed without remediate_apply=true" in said and "+ip saddr 10.0.1.11" in said
    assert "changed=0" in said and "changed=1" not in said
    report, said = remediate(fleet, "--check", remediate_apply=True)
    assert outcomes(report) == [("firewall_drop", "db1", "planned")] and "changed=1" not in said
    assert state(fleet) == before and last_steps(fleet) == []
    assert fleet.connect("web1", "10.0.2.21", 5432, 0.5) == "timeout"

    report, said = remediate(fleet, remediate_apply=True, diagnose_fail_on="broken")  # at the end, not before it is mended
    assert fleet.connect("web1", "10.0.2.21", 5432) == "connected"
    assert report["summary"]["ok"] == 1 and outcomes(report) == [("firewall_drop", "db1", "kept")]
    change = report["changes"][0]
    assert (change["before"][0]["connected"], change["after"][0]["connected"]) == (0, 2)
    assert change["flows"] == [report["flows"][0]["id"]] and change["kind"] == "firewall"
    assert "made and kept: firewall on db1" in said and "changed=1" in said
    assert last_steps(fleet) == ["confirmed"]
    assert [step for step, host in journal(fleet) if host][-6:] == ["arming", "armed", "step", "changed", "judged", "confirmed"]
    added = set(state(fleet).splitlines()) - set(before.splitlines())
    assert len(added) == 1 and "threeway.handshake" in added.pop()
    for name in ("report.html", "report.md"):
        assert "made and kept" in (fleet.directory / "report" / name).read_text()

    mended = state(fleet)
    report, said = remediate(fleet, remediate_apply=True)
    assert report["changes"] == [] and "nothing to fix" in said and "changed=1" not in said
    assert state(fleet) == mended


@pytest.mark.slow
def test_policy(fleet: Fleet) -> None:
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.nft("db1", CLOSED)
    before = state(fleet)
    for options, why in (
        ({"remediate_allow": ["sysctl"]}, "remediate_allow does not have firewall"),
        ({"remediate_confirm_timeout": 3}, "remediate_confirm_timeout is 3 s, and a change is confirmed only after a diagnosis"),
    ):
        report, said = remediate(fleet, remediate_apply=True, **options)
        assert why in report["changes"][0]["why"] and why.split()[0] in said
        assert report["changes"][0]["outcome"] in ("refused", "planned") and "changed=1" not in said
    _report, said = remediate(fleet, check=False, remediate_apply=True, remediate_allow=["firewal"])
    assert "remediate_allow has 'firewal', which is no kind of fix" in said
    assert state(fleet) == before and last_steps(fleet) == []


def test_what_breaks_another_flow_is_undone(fleet: Fleet) -> None:
    """Something on the host closes another port for as long as our rule is there."""
    for port in (5432, 8080):
        fleet.listen("db1", "10.0.2.21", port)
    fleet.nft("db1", CLOSED)
    before = state(fleet)
    drop = "table inet other { chain input { type filter hook input priority 0; tcp dport 8080 drop; }; }"
    gone, there = "*'delete rule inet filter'*) nft delete table inet other; exit", f"*'rule inet filter input'*) nft '{drop}'"
    fleet.popen("db1", ["sh", "-c", f"nft monitor | while read -r event; do case $event in {gone};; {there};; esac; done"])
    report, said = remediate(fleet, flows=(FLOW, OTHER), remediate_apply=True)
    assert outcomes(report)[0] == ("firewall_drop", "db1", "rolled_back"), report["changes"]
    assert "shop (web1 -> db1:8080) worked before and is broken" in report["changes"][0]["why"]
    fleet.run("db1", ["timeout", "10", "sh", "-c", "while nft list table inet other; do sleep 0.1; done"])
    assert state(fleet) == before and last_steps(fleet) == ["restored"]
    assert {flow["name"]: flow["status"] for flow in report["flows"]} == {"orders": "broken", "shop": "ok"}
    assert "made and undone" in said


def test_what_does_not_help_is_undone(fleet: Fleet) -> None:
    """The rule comes back at once, in front of ours: somebody else manages this firewall, and keeps what they added."""
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.nft("db1", CLOSED)
    before = state(fleet)
    watcher = "nft monitor new rules | { read -r line; nft insert rule inet filter input tcp dport 5432 counter drop; }"
    fleet.popen("db1", ["sh", "-c", watcher])
    report, _said = remediate(fleet, remediate_apply=True)
    assert outcomes(report)[0] == ("firewall_drop", "db1", "rolled_back")
    assert "is broken as before" in report["changes"][0]["why"]
    assert added(before, state(fleet)) == ["tcp dport 5432 counter  drop"] and last_steps(fleet) == ["restored"]


def test_a_client_does_not_choose_for_whom_a_server_opens(fleet: Fleet) -> None:
    """It sends from an address that the inventory does not have. Declared, the same address is opened for."""
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.nft("db1", CLOSED)
    fleet.run("web1", ["ip", "address", "add", "203.0.113.66/32", "dev", "lo"])
    fleet.run("web1", ["ip", "route", "replace", "10.0.2.0/24", "via", "10.0.1.1", "src", "203.0.113.66"])
    fleet.run("r1", ["ip", "route", "add", "203.0.113.66", "via", "10.0.1.11"])
    before = state(fleet)
    report, said = remediate(fleet, remediate_apply=True, remediate_max_risk="disruptive", remediate_require="possible")
    assert outcomes(report) == [("firewall_drop", "db1", "refused")] and "changed=1" not in said
    assert state(fleet) == before and fleet.connect("web1", "10.0.2.21", 5432, 0.5) == "timeout"
    fix = report["flows"][0]["causes"][0]["fix"]
    assert "the inventory does not say that 203.0.113.66 is an address of web1 (it has: 10.0.1.11, 2001:db8:1::11)" in fix["summary"]
    assert fix["commands"] and "handshake_address: 203.0.113.66" in fix["summary"]
    declared = fleet.directory / "declared.json"
    declared.write_text(json.dumps({"all": {"hosts": {"web1": {"handshake_addresses": ["203.0.113.0/24"]}}}}))
    report, _said = remediate(fleet, f"--inventory={declared}", remediate_apply=True)
    assert outcomes(report) == [("firewall_drop", "db1", "kept")]
    assert fleet.connect("web1", "10.0.2.21", 5432) == "connected"


AT_THE_FIRST_CONNECTION = """
nft monitor new rules | { read -r line
while [ -z "$(ss -Htn state established sport = :5432)" ]; do sleep 0.02; done
nft insert rule inet filter input tcp dport 5432 counter drop; }
"""


@pytest.mark.slow
def test_a_cause_that_comes_back_is_not_mended(fleet: Fleet) -> None:
    """The first handshake works, and then the same rule stands there again: the flow is degraded by what broke it."""
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.nft("db1", CLOSED)
    before = state(fleet)
    fleet.popen("db1", ["sh", "-c", AT_THE_FIRST_CONNECTION])
    report, said = remediate(fleet, remediate_apply=True, diagnose_attempts=3, diagnose_interval=1.0)
    assert outcomes(report)[0] == ("firewall_drop", "db1", "rolled_back"), report["changes"]
    assert "connects, but firewall_drop at db1 is back" in report["changes"][0]["why"] and "made and undone" in said
    assert added(before, state(fleet)) == ["tcp dport 5432 counter  drop"] and last_steps(fleet) == ["restored"]


def test_two_runs_exclude_each_other(fleet: Fleet) -> None:
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.nft("db1", CLOSED)
    arm = "- hosts: db1\n  gather_facts: false\n  tasks:\n    - threeway.handshake.guard:\n        state: armed\n"
    arm += "        transaction: of-another-run\n        timeout: 600\n        saves: {routes: true}\n"
    (fleet.directory / "arm.yml").write_text(arm)
    fleet.playbook("arm.yml")
    before = state(fleet)
    report, said = remediate(fleet, remediate_apply=True)
    assert outcomes(report)[0] == ("firewall_drop", "db1", "refused") and "changed=1" not in said
    why = report["changes"][0]["why"]
    assert "transaction of-another-run of this host is armed" in why and "it was armed at 20" in why and "restored by itself at 20" in why
    assert "another transaction is open on db1: transaction of-another-run is armed" in " ".join(said.split())
    assert state(fleet) == before


@pytest.mark.slow
def test_one_host_first_and_then_the_others(fleet: Fleet) -> None:
    """Three servers; the canary is the one with the fewest flows, and the others follow in one batch. A stacked cause comes next."""
    servers = {"db1": "10.0.2.21", "db2": "10.0.2.22", "app1": "10.0.2.31"}
    for host, address in servers.items():
        fleet.listen(host, address, 5432)
        fleet.nft(host, CLOSED)
    fleet.nft(
        "web1", "table inet late { chain in { type filter hook input priority 10; tcp sport 5432 ip saddr 10.0.2.21 counter drop; }; }"
    )
    flows = [{**FLOW, "name": host, "servers": host, "address": address} for host, address in servers.items()]
    flows += [{**FLOW, "name": "again", "clients": "web2", "servers": "app1", "address": servers["app1"]}]
    report, _said = remediate(fleet, flows=tuple(flows), remediate_apply=True, remediate_max_hosts=4)
    assert [flow["status"] for flow in report["flows"]] == ["ok"] * 4, report["changes"]
    turns = {change["where"]: int(change["transaction"].rsplit("-", 2)[1]) for change in report["changes"]}
    assert turns["db1"] == 1 and turns["db2"] == turns["app1"] == 2 and turns["web1"] >= 2, turns
    assert {change["outcome"] for change in report["changes"]} == {"kept"}


def test_connections_that_nothing_brings_back_are_ended_under_the_guard(fleet: Fleet) -> None:
    stale.resets_are_dropped_on_the_way(fleet)
    before = state(fleet)
    report, said = remediate(fleet, remediate_apply=True, remediate_max_risk="disruptive", diagnose_attempts=3)
    assert outcomes(report) == [("stale_connection", "db1", "kept")], report["changes"]
    assert last_steps(fleet) == ["confirmed"] and state(fleet) == before and "changed=1" in said
    assert fleet.connect("web1", "10.0.2.21", 5432) == "connected"


def test_a_second_closed_firewall_of_the_same_host_is_opened_next(fleet: Fleet) -> None:
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.nft("db1", CLOSED + "\ntable inet late { chain in { type filter hook input priority 10; tcp dport 5000-6000 counter drop; }; }")
    before = state(fleet)
    report, said = remediate(fleet, remediate_apply=True)
    assert outcomes(report) == [("firewall_drop", "db1", "kept")], report["changes"]  # one fix, with a rule in each table
    assert report["summary"]["ok"] == 1 and "changed=1" in said
    assert len(set(state(fleet).splitlines()) - set(before.splitlines())) == 1  # the same words in both tables


@pytest.mark.slow
def test_a_fix_that_did_not_hold_twice_is_left_to_people(fleet: Fleet) -> None:
    fleet.listen("db1", "10.0.2.21", 5432)
    history = {"diagnose_history": str(fleet.directory / "history.db"), "remediate_apply": True}
    for wanted in ("kept", "kept", "escalated"):
        fleet.nft("db1", f"table inet filter\nflush table inet filter\ntable inet filter\ndelete table inet filter\n{CLOSED}")
        report, said = remediate(fleet, **history)
        assert [outcome for _code, _host, outcome in outcomes(report)] == [wanted], report["changes"]
    assert "it was made 2 times before" in said
    assert fleet.connect("web1", "10.0.2.21", 5432, 0.5) == "timeout"


FIXES = """
- hosts: web1:db1
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: threeway.handshake.remediate, tasks_from: fixes}
"""


def test_a_step_that_fails_undoes_those_before(fleet: Fleet) -> None:
    """A report that is there already is mended; its fix ends half way."""
    fleet.listen("db1", "10.0.2.21", 5432)
    fleet.nft("db1", CLOSED)
    report, _said = remediate(fleet)
    fix = report["flows"][0]["causes"][0]["fix"]
    fix["steps"] += [{"module": "ansible.builtin.command", "arguments": {"argv": ["false"]}, "command": "false"}]
    (fleet.directory / "report/report.json").write_text(json.dumps(report))
    (fleet.directory / "fixes.yml").write_text(FIXES)
    before = state(fleet)
    extra = {"handshake_flows": [FLOW], "remediate_report_dir": "report", "remediate_apply": True, **QUICK, **PATIENT}
    fleet.playbook("fixes.yml", "--extra-vars", json.dumps(extra))
    mended = json.loads((fleet.directory / "report/report.json").read_text())
    assert outcomes(mended)[0] == ("firewall_drop", "db1", "rolled_back")
    assert "false failed: non-zero return code" in mended["changes"][0]["why"]
    assert state(fleet) == before and last_steps(fleet) == ["restored"]
