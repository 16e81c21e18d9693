# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that hangs costs its own part alone: what is said of all others is what is said without it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

FLOWS = [
    {"name": "open", "clients": "clients", "servers": "servers", "port": 5432, "timeout": 1.2},
    {"name": "closed", "clients": "clients", "servers": "servers", "port": 8080, "timeout": 1.2},
]
OPTIONS = {"handshake_flows": FLOWS, "diagnose_attempts": 2, "diagnose_patience": 0.0, "diagnose_hops": False, "diagnose_host_timeout": 25}
CLOSED = "table inet closed { chain input { type filter hook input priority 0; tcp dport 8080 counter drop; }; }"
HANGS = """#!/bin/sh
echo >> {calls}
[ $(wc -l < {calls}) != {call} ] || exec sleep 300
exec {python} "$@"
"""


HANGS_ALWAYS = """#!/bin/sh
exec sleep 300
"""


def diagnose(fleet: Fleet, directory: str, forks: int) -> list[dict[str, Any]]:
    extra = json.dumps({**OPTIONS, "diagnose_report_dir": directory})
    fleet.playbook("threeway.handshake.diagnose", f"--extra-vars={extra}", forks=forks)
    flows: list[dict[str, Any]] = json.loads((fleet.directory / directory / "report.json").read_text())["flows"]
    return flows


def told(flows: list[dict[str, Any]], without: str) -> list[Any]:
    return [
        (
            flow["id"],
            *(flow[key] for key in ("status", "leg", "segment", "last_seen", "undecided", "not_observed")),
            [(cause["code"], cause["host"], cause["certainty"], cause["summary"]) for cause in flow["causes"]],
            [(row["packet"], row["transmission"], row["lost"]) for row in flow["timeline"] if row["packet"] in ("syn", "syn_ack")],
            [(vantage["host"], vantage["recorded"]) for vantage in flow["vantages"]],
        )
        for flow in flows
        if without not in (flow["client"], flow["server"])
    ]


@pytest.fixture(scope="module", params=[pytest.param((2, 2, 4)), pytest.param((10, 10, 5), marks=pytest.mark.slow)], ids=["4", "20"])
def known(request: pytest.FixtureRequest) -> Iterator[tuple[Fleet, list[dict[str, Any]], int]]:
    """A fleet, what is said of it when nobody hangs, and Ansible's forks."""
    clients, servers, forks = request.param
    with Fleet(topologies.star(clients, servers)) as fleet:
        for number in range(1, servers + 1):
            fleet.nft(f"server{number}", CLOSED)
        yield fleet, diagnose(fleet, "without", forks), forks


@pytest.mark.parametrize(
    ("phase", "host", "call"),
    [
        ("open", "server2", 1),
        pytest.param("try", "client1", 1, marks=pytest.mark.slow),
        pytest.param("close", "server1", 2, marks=pytest.mark.slow),
    ],
)
def test_a_host_that_hangs(known: tuple[Fleet, list[dict[str, Any]], int], phase: str, host: str, call: int) -> None:
    fleet, without, forks = known
    program, calls = fleet.directory / f"python-{phase}", fleet.directory / f"calls-{phase}"
    program.write_text(HANGS.format(calls=calls, call=call, python=fleet.python))
    program.chmod(0o755)
    variables = fleet.inventory.parent / "host_vars" / f"{host}.yml"
    variables.parent.mkdir(exist_ok=True)
    variables.write_text(json.dumps({"ansible_python_interpreter": str(program)}))
    began = time.monotonic()
    try:
        flows = diagnose(fleet, f"with-{phase}", forks)
    finally:
        variables.unlink()
    assert time.monotonic() - began < 200
    assert told(flows, host) == told(without, host)
    concerned = [flow for flow in flows if host in (flow["client"], flow["server"])]
    assert all(any(f"{host}: phase {phase}: it did not answer within" in each for each in flow["not_observed"]) for flow in concerned)
    if phase != "try":
        assert {flow["status"] for flow in concerned if flow["port"] == 5432} == {"ok"}
        assert all(cause["certainty"] != "proven" for flow in concerned for cause in flow["causes"])


@pytest.mark.slow
def test_a_host_that_hangs_keeps_nobody_from_being_mended(known: tuple[Fleet, list[dict[str, Any]], int]) -> None:
    """A diagnosis must fit into the time to confirm a change; what it waits for a host that hangs is no reason to change nothing."""
    fleet, _without, forks = known
    program, variables = fleet.directory / "python-always", fleet.inventory.parent / "host_vars" / "server2.yml"
    program.write_text(HANGS_ALWAYS)
    program.chmod(0o755)
    variables.parent.mkdir(exist_ok=True)
    variables.write_text(json.dumps({"ansible_python_interpreter": str(program)}))
    flows = [{"name": "mended", "clients": "client1", "servers": "server1:server2", "port": 8080, "timeout": 1.2}]
    options = {**OPTIONS, "handshake_flows": flows, "diagnose_host_timeout": 45, "remediate_report_dir": "mended", "remediate_settle": 0}
    try:
        fleet.playbook("threeway.handshake.remediate", f"--extra-vars={json.dumps({**options, 'remediate_apply': True})}", forks=forks)
    finally:
        variables.unlink()
    changes = json.loads((fleet.directory / "mended/report.json").read_text())["changes"]
    assert {change["where"]: change["outcome"] for change in changes if change["kind"] == "firewall"}["server1"] == "kept", changes
