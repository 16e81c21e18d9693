# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes that no flow asks for, tried to find out what failures have in common: two clients, two servers, one flow each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

QUICK = {"diagnose_attempts": 1, "diagnose_patience": 0.0, "diagnose_hops": False, "diagnose_depth": "quick"}
FLOWS = [
    {"name": "one", "clients": "client1", "servers": "server1", "port": 5432, "timeout": 1.2},
    {"name": "two", "clients": "client2", "servers": "server2", "port": 5432, "timeout": 1.2},
]
DROP = "table inet shop {{ chain {hook} {{ type filter hook {hook} priority 0; tcp dport 5432 counter drop; }}; }}"


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.star(2, 2)) as running:
        yield running


def diagnose(fleet: Fleet, name: str, **more: Any) -> tuple[dict[str, Any], Path]:
    directory = fleet.directory / name
    told = {"handshake_flows": FLOWS, "diagnose_report_dir": str(directory), **QUICK, **more}
    fleet.playbook("threeway.handshake.diagnose", f"--extra-vars={json.dumps(told)}")
    return json.loads((directory / "report.json").read_text()), directory


def tried(report: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(each["client"], each["server"], each["status"]) for each in report["probed"]}


def test_a_server_is_told_from_a_client(fleet: Fleet) -> None:
    fleet.nft("server1", DROP.format(hook="input"))
    without, directory = diagnose(fleet, "report")
    (ambiguous,) = without["isolated"]
    assert ambiguous["rivals"] and ambiguous["next_probe"] and without["probed"] == []
    assert not (directory / "isolate").exists()

    report, directory = diagnose(fleet, "report", diagnose_isolate=True)
    assert tried(report) == {("client1", "server2", "ok"), ("client2", "server1", "broken")}
    (found,) = report["isolated"]
    assert (found["clients"], found["servers"], found["rivals"], found["next_probe"]) == ("all", ["server1"], [], None)
    assert found["causes"] == [["firewall_drop", "server1"]]
    assert found["entries"] == [flow["id"] for flow in report["flows"] if flow["name"] == "one"]
    assert report["summary"] == without["summary"] == {"flows": 2, "ok": 1, "degraded": 0, "broken": 1, "undetermined": 0}
    assert [flow["id"] for flow in report["flows"]] == [flow["id"] for flow in without["flows"]]
    assert sorted(path.name for path in (directory / "captures").iterdir()) == [f"{found['entries'][0]}.pcapng"]
    assert (directory / "isolate" / "evidence" / "client2.try.json").is_file()

    again, _directory = diagnose(fleet, "report")
    assert (again["probed"], len(again["isolated"][0]["rivals"])) == ([], len(ambiguous["rivals"]))


def test_a_client_is_told_from_a_server_with_one_probe(fleet: Fleet) -> None:
    fleet.nft("client1", DROP.format(hook="output"))
    report, _directory = diagnose(fleet, "report", diagnose_isolate=True, diagnose_isolate_probes=1, diagnose_fail_on="never")
    assert len(report["probed"]) == 1
    (found,) = report["isolated"]
    assert found["clients"] == ["client1"]


def test_where_nothing_fails_nothing_is_tried(fleet: Fleet) -> None:
    report, directory = diagnose(fleet, "report", diagnose_isolate=True)
    assert (report["summary"]["ok"], report["probed"], report["isolated"]) == (2, [], [])
    assert not (directory / "isolate").exists()
