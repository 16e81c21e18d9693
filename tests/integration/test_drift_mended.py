# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift that is handed to remediation, on the rootless lab: back to the baseline, unless a handshake fares worse for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

ORDERS = {"name": "orders", "clients": "web1", "servers": "db1", "address": "10.0.2.21", "port": 5432, "via": ["r1"], "timeout": 1.2}
SHOP = {"name": "shop", "clients": "web1", "servers": "db1", "address": "2001:db8:2::21", "port": 8080, "via": ["r1"], "timeout": 1.2}
OPTIONS = {
    "diagnose_attempts": 2,
    "diagnose_interval": 0.1,
    "diagnose_patience": 0.0,
    "diagnose_hops": False,
    "remediate_settle": 0,
    "remediate_confirm_timeout": 180,  # a loaded machine is slow to diagnose
    "drift_report_dir": "drift",
    "diagnose_report_dir": "elsewhere",
    "remediate_report_dir": "elsewhere",  # neither counts
}
STATE = "sysctl net.ipv4.tcp_syncookies net.ipv4.ip_default_ttl; ip neigh show nud permanent; nft list ruleset; cat /etc/sysctl.d/*; true"


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.three_hosts()) as running:
        running.listen("db1", "::", 5432)
        running.listen("db1", "::", 8080)
        play(running, "baseline")
        yield running


def play(fleet: Fleet, book: str, *arguments: str, check: bool = True, **options: Any) -> str:
    extra = {"handshake_flows": [ORDERS, SHOP], **OPTIONS, **options}
    return fleet.playbook(f"threeway.handshake.{book}", "--extra-vars", json.dumps(extra), *arguments, check=check).stdout


def drift(fleet: Fleet, *arguments: str, check: bool = True, **options: Any) -> tuple[Any, str]:
    """What is left of the drift, with what was changed; and what the play printed."""
    said = play(fleet, "drift", *arguments, check=check, drift_remediate=True, **options)
    return json.loads((fleet.directory / "drift/drift.json").read_text()), said


def outcomes(report: Any) -> list[tuple[str, str, str]]:
    return sorted((change["host"], change["code"], change["outcome"]) for change in report["changes"])


def left(report: Any) -> list[tuple[str, str, str]]:
    return [(host["host"], each["kind"], each["severity"]) for host in report["hosts"] for each in host["drifts"]]


def states(fleet: Fleet) -> list[str]:
    return [fleet.run(host, ["sh", "-c", STATE]).stdout for host in fleet.hosts]


def test_back_to_the_baseline(fleet: Fleet) -> None:
    """A flow that works all the time, one that the drift breaks, and what only people can mend."""
    baseline = states(fleet)
    fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 0)
    fleet.run("web1", ["ip", "neigh", "replace", "10.0.1.1", "lladdr", "02:00:00:00:00:99", "dev", "eth0"])
    fleet.run("r1", ["ip", "-6", "route", "replace", "2001:db8:2::21/128", "via", "2001:db8:2::99"])
    assert fleet.connect("web1", "10.0.2.21", 5432, 0.5) == "timeout"
    drifted = states(fleet)
    cookies, pinned = "drift_sysctl:net.ipv4.tcp_syncookies", "drift_neighbour:10.0.1.1 dev eth0"

    report, said = drift(fleet, "--check", remediate_apply=True)
    wanted = [change for change in outcomes(report) if change[2] == "planned"]
    assert wanted == [("db1", cookies, "planned"), ("web1", pinned, "planned")], report["changes"]
    assert "nothing is changed in check mode" in said and "changed=1" not in said and "2 fixes on 2 hosts" in said
    assert states(fleet) == drifted

    report, said = drift(fleet, remediate_apply=True)
    made = {change["host"]: change for change in report["changes"] if change["outcome"] == "kept"}
    assert made["db1"]["code"] == cookies and made["web1"]["code"] == pinned, said
    assert "the drift is gone; orders (web1 -> db1:5432) connects" in made["web1"]["why"]
    before, after = made["web1"]["before"], made["web1"]["after"]
    assert [each["status"] for each in before] == ["broken"] and [each["status"] for each in after] == ["ok"]
    assert left(report) == [("r1", "route", "endangering")] and report["summary"]["endangering"] == 1
    assert "advice: bring back the way" in said and [each[2] for each in outcomes(report)].count("refused") == 1
    assert fleet.connect("web1", "10.0.2.21", 5432, 0.5) == "connected"
    assert [line for now, then in zip(states(fleet), baseline, strict=True) for line in set(now.splitlines()) ^ set(then.splitlines())] == [
        "net.ipv4.tcp_syncookies=1"  # kept for the next boot
    ]

    report, said = drift(fleet, remediate_apply=True, drift_fail_on="endangering", check=False)
    assert report["changes"] == [] and "changed=1" not in said
    assert "Start recording" not in said  # only people can do something about what is left
    assert "Of 3 hosts: 1 endangering" in " ".join(said.split())


@pytest.mark.slow
def test_what_would_break_a_handshake_is_undone(fleet: Fleet) -> None:
    """The baseline is wrong, and what is there now works."""
    path = fleet.directory / "handshake-baseline/web1.yml"
    path.write_text(path.read_text().replace("net.ipv4.ip_default_ttl: '64'", "net.ipv4.ip_default_ttl: '1'"))
    before = states(fleet)
    report, said = drift(fleet, remediate_apply=True)
    assert outcomes(report) == [("web1", "drift_sysctl:net.ipv4.ip_default_ttl", "rolled_back")], said
    assert "orders (web1 -> db1:5432) worked before and is broken" in report["changes"][0]["why"]
    assert left(report) == [("web1", "sysctl", "endangering")]
    assert states(fleet) == before
    found = json.loads((fleet.directory / "drift/report.json").read_text())
    assert {flow["status"] for flow in found["flows"]} == {"ok"} and found["changes"] == report["changes"]


@pytest.mark.slow
def test_what_comes_back_twice_is_left_to_people(fleet: Fleet) -> None:
    history = str(fleet.directory / "history.db")
    for outcome in ("kept", "kept", "escalated"):
        fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 0)
        report, said = drift(fleet, remediate_apply=True, diagnose_history=history)
        assert [change["outcome"] for change in report["changes"]] == [outcome], said
    assert "it was made 2 times before" in report["changes"][0]["why"]
