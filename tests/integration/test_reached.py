# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories that say how Ansible reaches hosts, and not where clients do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

QUICK = {"diagnose_attempts": 1, "diagnose_patience": 0.0, "diagnose_hops": False, "diagnose_timeout": 1.2, "diagnose_depth": "quick"}
PORT = 8080


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.three_hosts()) as running:
        yield running


def diagnosed(fleet: Fleet, server: dict[str, Any], client: str = "web1", **variables: Any) -> tuple[int, str, dict[str, Any] | None]:
    """The exit code, the output in one line and the flow, where the inventory has this for the server, and this name for the client."""
    laid_out = fleet.directory / "laid_out.yml"
    if not laid_out.exists():
        fleet.inventory.rename(laid_out)
    hosts = yaml.safe_load(laid_out.read_text())["all"]["hosts"]
    del hosts["db1"]["handshake_address"], hosts["db1"]["handshake_addresses"]
    hosts["db1"].update(server)
    hosts[client] = hosts.pop("web1")
    directory = fleet.directory / "report"
    fleet.inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    flow = {"clients": client, "servers": "db1", "port": PORT, **variables}
    asked = json.dumps({**QUICK, "handshake_flows": [flow], "diagnose_report_dir": str(directory)})
    report = directory / "report.json"
    report.unlink(missing_ok=True)
    done = fleet.playbook("threeway.handshake.diagnose", "-e", asked, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    return done.returncode, said, json.loads(report.read_text())["flows"][0] if report.exists() else None


def test_a_client_that_would_reach_itself_is_not_asked(fleet: Fleet) -> None:
    with fleet.listen("web1", "127.0.0.1", PORT):
        code, said, flow = diagnosed(fleet, {"ansible_host": "127.0.0.1", "ansible_port": 2200})
    assert code != 0 and flow is None
    assert "by 127.0.0.1, web1 would reach itself: give db1 the handshake_address at which clients reach it" in said


def test_handshakes_that_a_gateway_takes_are_not_passed_off_as_the_servers(fleet: Fleet) -> None:
    """It forwards a port to the server's sshd, and listens on others itself."""
    with fleet.listen("r1", "10.0.1.1", PORT), fleet.listen("db1", "10.0.2.21", PORT):
        gateway = {"ansible_host": "10.0.1.1", "ansible_port": 2200}
        _code, said, flow = diagnosed(fleet, gateway)
        assert flow is not None and flow["status"] == "ok", said
        (remark,) = flow["remarks"]
        assert "none of the handshakes came to it" in remark and "make it the handshake_address of db1" in remark
        _code, said, flow = diagnosed(fleet, gateway, address="10.0.1.1")
        assert flow is not None and (flow["status"], flow["remarks"]) == ("ok", []), said  # that is what the flow asks for
        _code, said, flow = diagnosed(fleet, {"ansible_host": "10.0.2.21"})
        assert flow is not None and (flow["status"], flow["remarks"]) == ("ok", []), said


def test_a_name_with_a_blank_is_one_name(fleet: Fleet) -> None:
    with fleet.listen("db1", "10.0.2.21", PORT):
        _code, said, flow = diagnosed(fleet, {"handshake_address": "10.0.2.21"}, client="web 1")
    assert flow is not None and flow["status"] == "ok", said
    assert "Could not match supplied host pattern" not in said
