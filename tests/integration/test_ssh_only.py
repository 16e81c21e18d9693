# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that have no usable Python are observed by SSH alone: what their shell and their sshd tell, and no more, is said of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import ssh_host, topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif((Fleet.missing() or ssh_host.missing()) is not None, reason=str(Fleet.missing() or ssh_host.missing()))

OPEN, CLOSED, DROPPED, UNHEARD = 5432, 8080, 9090, 7070
OPTIONS = {"diagnose_attempts": 2, "diagnose_patience": 0.2, "diagnose_hops": False, "diagnose_timeout": 1.0, "diagnose_depth": "quick"}
DROP = f"table inet t {{ chain input {{ type filter hook input priority 0; tcp dport {DROPPED} counter drop; }}; }}"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.star(1, 1)) as fleet:
        fleet.nft("server1", DROP)
        fleet.listen("server1", "0.0.0.0", DROPPED)
        yield fleet


def diagnose(fleet: Fleet, ports: list[int], **options: Any) -> dict[str, Any]:
    flows = [{"name": "f", "clients": "client1", "servers": "server1", "port": ports}]
    extra = json.dumps({"handshake_flows": flows, **OPTIONS, "diagnose_report_dir": "report", **options})
    fleet.playbook("threeway.handshake.diagnose", f"--extra-vars={extra}")
    report: dict[str, Any] = json.loads((fleet.directory / "report" / "report.json").read_text())
    return report


def by_port(report: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {flow["port"]: flow for flow in report["flows"]}


def test_a_client_without_python(fleet: Fleet) -> None:
    ssh_host.without_python(fleet, "client1")
    report = diagnose(fleet, [OPEN, CLOSED, DROPPED])
    flows = by_port(report)
    assert {port: flow["status"] for port, flow in flows.items()} == {OPEN: "ok", CLOSED: "broken", DROPPED: "broken"}, json.dumps(
        report, indent=1
    )[:6000]
    assert flows[CLOSED]["probes"]["errors"] == {"ECONNREFUSED": 2}
    assert flows[DROPPED]["probes"]["errors"] == {"ETIMEDOUT": 2}
    assert flows[OPEN]["probes"]["connect_ms"] is None  # how long the way to sshd takes is not known
    assert [flows[port]["causes"][0]["code"] for port in (CLOSED, DROPPED)] == ["no_listener", "firewall_drop"]
    assert {cause["certainty"] for flow in flows.values() for cause in flow["causes"]}.isdisjoint({"proven"})
    (unobserved,) = report["unobserved"]
    assert (unobserved["host"], unobserved["kind"]) == ("client1", "python")
    assert unobserved["why"].endswith("observed by SSH alone: its shell and its sshd, without Python")
    answer = json.loads((fleet.directory / "report" / "evidence" / "client1.try.json").read_text())
    assert {probe["via"] for probe in answer["evidence"]["probes"]} == {"sshd"}
    assert "tcp_syn_retries" in " ".join(answer["evidence"]["after"]["sysctls"])


def test_never(fleet: Fleet) -> None:
    ssh_host.without_python(fleet, "client1")
    report = diagnose(fleet, [OPEN], diagnose_without_python="never", diagnose_fail_on="never")
    assert [flow["status"] for flow in report["flows"]] == ["undetermined"]
    assert "observed by SSH alone" not in report["unobserved"][0]["why"]
