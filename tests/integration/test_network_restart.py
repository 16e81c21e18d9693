# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last resort, on a host that runs systemd-networkd: its restart brings a lost route back, and is made only when its kind is named."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.systemd_fleet import SystemdFleet

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.slow,
    pytest.mark.skipif(SystemdFleet.missing() is not None, reason=str(SystemdFleet.missing())),
]
ADDRESS = "10.0.2.21"
OPTIONS = {
    "handshake_flows": [{"name": "orders", "clients": "web1", "servers": "db1", "address": ADDRESS, "port": 5432, "timeout": 1.0}],
    "diagnose_attempts": 2,
    "diagnose_patience": 0.0,
    "diagnose_hops": False,
    "remediate_report_dir": "report",
    "remediate_confirm_timeout": 180,
    "remediate_apply": True,
}
# The fleet has given the host its addresses already.
NETWORK = "[Match]\nName=eth0\n[Network]\nKeepConfiguration=yes\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n[Route]\nGateway=10.0.1.1\n"
STARTED = "systemctl show --property=InactiveExitTimestampMonotonic --value systemd-networkd"


@pytest.fixture(scope="module")
def fleet() -> Iterator[SystemdFleet]:
    with SystemdFleet(topologies.three_hosts()) as started:
        started.service("db1", "orders", 5432)
        started.write("web1", "/etc/systemd/network/10-eth0.network", NETWORK)
        started.run("web1", ["systemctl", "start", "systemd-networkd"])
        give_up = time.monotonic() + 20
        while "configured" not in started.run("web1", ["networkctl", "--no-pager", "list", "eth0"], check=False).stdout:
            assert time.monotonic() < give_up, started.run("web1", ["networkctl", "status", "eth0"], check=False).stdout
            time.sleep(0.2)
        assert started.connect("web1", ADDRESS, 5432) == "connected"
        yield started


def remediate(fleet: SystemdFleet, **options: Any) -> Any:
    fleet.playbook("threeway.handshake.remediate", "--become", "--extra-vars", json.dumps({**OPTIONS, **options}))
    return json.loads((fleet.directory / "report" / "report.json").read_text())


def test_only_when_it_is_named(fleet: SystemdFleet) -> None:
    fleet.run("web1", ["ip", "route", "flush", "exact", "default"])
    assert fleet.connect("web1", ADDRESS, 5432) == "ENETUNREACH"
    before = fleet.run("web1", STARTED.split()).stdout

    change = remediate(fleet, remediate_max_risk="disruptive")["changes"][0]
    assert (change["code"], change["kind"], change["outcome"]) == ("no_route", "network", "refused")
    assert "remediate_allow does not have network" in change["why"]
    assert fleet.run("web1", STARTED.split()).stdout == before

    change = remediate(fleet, remediate_allow=["network"])["changes"][0]
    assert change["outcome"] == "refused" and "disruptive" in change["why"]
    assert fleet.run("web1", STARTED.split()).stdout == before

    report = remediate(fleet, remediate_allow=["network"], remediate_max_risk="disruptive")
    assert report["changes"][0]["outcome"] == "kept", report["changes"]
    assert fleet.run("web1", STARTED.split()).stdout != before
    assert report["flows"][0]["status"] == "ok"
    assert fleet.connect("web1", ADDRESS, 5432) == "connected"

    assert remediate(fleet, remediate_allow=["network"], remediate_max_risk="disruptive")["changes"] == []
