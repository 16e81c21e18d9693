# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Diagnoses over SSH of hosts that run systemd: what only such hosts can tell, how much of it without root, and hosts that fail."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.faults import catalogue  # noqa: F401  # pylint: disable=unused-import  # fills CATALOGUE
from tests.faults._fault import CATALOGUE, Fault, Flow, clocks, diagnose
from tests.faults.test_faults import judge, kernel_agrees
from tests.lab import topologies
from tests.lab.systemd_fleet import SystemdFleet

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.skipif(SystemdFleet.missing() is not None, reason=str(SystemdFleet.missing())),
]
FAULTS = {fault.name: fault for fault in CATALOGUE if fault.systemd}
OF_THEIR_OWN = ("systemd/service_stopped/failed", "systemd/accept_queue_full")  # tests that look at more of the answer
OPS = "--become"  # the fleet's inventory has Ansible come as `ops`


@pytest.fixture
def fleet() -> Iterator[SystemdFleet]:
    with SystemdFleet(topologies.three_hosts()) as running:
        yield running


@pytest.fixture
def larger_fleet() -> Iterator[SystemdFleet]:
    with SystemdFleet(topologies.default()) as running:
        yield running


def guest_on(fleet: SystemdFleet, *hosts: str, **variables: Any) -> str:
    """The argument that has Ansible come to these hosts as a user without root."""
    path = fleet.directory / "guests.json"
    guest = {"ansible_user": "guest", "ansible_become": False, **variables}
    path.write_text(json.dumps({"all": {"hosts": dict.fromkeys(hosts, guest)}}))
    return f"--inventory={path}"


# -- what the report says


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(each, id=name, marks=[*clocks(each), *[pytest.mark.slow] * each.slow])
        for name, each in FAULTS.items()
        if name not in OF_THEIR_OWN
    ],
)
def test_fault(fleet: SystemdFleet, fault: Fault) -> None:
    judged(fault, fleet)


def judged(fault: Fault, fleet: SystemdFleet) -> dict[str, Any]:
    """Bring a fault about; its flow, if the report is right."""
    fault.make(fleet)
    kernel_agrees(fleet, fault)
    flow: dict[str, Any] = diagnose(fleet, fault, OPS)["flows"][0]
    judge(fault, flow)
    return flow


def cause_of(name: str, fleet: SystemdFleet) -> dict[str, Any]:
    cause: dict[str, Any] = judged(FAULTS[name], fleet)["causes"][0]
    return cause


def test_a_failed_unit_has_the_last_word(fleet: SystemdFleet) -> None:
    cause = cause_of("systemd/service_stopped/failed", fleet)
    assert "orders.service is failed, result exit-code" in cause["summary"]
    assert cause["detail"]["unit"] == "orders.service"
    assert "sh, which runs ahead of it, exits with status 3" in cause["summary"]
    assert cause["fix"]["risk"] == "advice"  # a start would end as the last one did
    assert "cannot open /srv/orders: no such volume" in [seen["observation"] for seen in cause["evidence"] if seen["source"] == "journal"]


@pytest.mark.slow
def test_a_frozen_process_is_named(fleet: SystemdFleet) -> None:
    cause = cause_of("systemd/accept_queue_full", fleet)
    pid = fleet.run("db1", ["systemctl", "show", "--property=MainPID", "--value", "orders"]).stdout.strip()
    assert f"python3 (pid {pid}) does not accept; it is stopped" in cause["summary"]


@pytest.mark.slow
def test_the_advice_for_a_socket_unit_helps_when_typed(fleet: SystemdFleet) -> None:
    fault = FAULTS["systemd/no_listener/socket-activated"]
    commands = cause_of(fault.name, fleet)["fix"]["commands"]
    fleet.run("db1", ["sh", "-ec", "systemctl start ssh.service; " + "; ".join(commands)])
    assert [fleet.connect("web1", fault.flow.address, port) for port in (22, fault.flow.port)] == ["connected", "connected"]


@pytest.mark.slow
def test_the_advice_for_a_port_that_is_taken_helps_when_typed(fleet: SystemdFleet) -> None:
    fault = FAULTS["systemd/service_stopped/port-taken"]
    commands = cause_of(fault.name, fleet)["fix"]["commands"]
    for command in commands:
        fleet.run("db1", ["sh", "-ec", f"{command}; sleep 1"], timeout=100)  # TIME_WAIT takes a minute of them
    assert fleet.connect("web1", fault.flow.address, fault.flow.port) == "connected"


# -- without root

# How sure of the cause the answer may be when Ansible comes as a guest to both ends, to the client alone, to the server alone;
# None: it must be `undetermined`.
GUESTS = {"both": ("web1", "db1"), "client": ("web1",), "server": ("db1",)}
WITHOUT_ROOT: dict[str, tuple[str | None, str | None, str | None]] = {
    "systemd/service_stopped": ("likely", "proven", "likely"),
    "systemd/no_listener": ("likely", "proven", "likely"),
    "systemd/listener_other_address": ("likely", "proven", "likely"),
    "systemd/accept_queue_full": ("likely", "proven", "likely"),
    "systemd/firewall_reject/firewalld": ("likely", "proven", "likely"),
    "systemd/firewall_drop": (None, "proven", None),
    "systemd/path_drop": (None, None, None),
    "systemd/healthy": ("", "", ""),
}


QUICK = ("systemd/firewall_drop",)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in WITHOUT_ROOT])
def test_without_root(fleet: SystemdFleet, name: str) -> None:
    fault = replace(FAULTS[name], options={**FAULTS[name].options, "diagnose_keep": "all"})
    fault.make(fleet)
    for (who, guests), certainty in zip(GUESTS.items(), WITHOUT_ROOT[name], strict=True):
        flow = diagnose(fleet, fault, OPS, guest_on(fleet, *guests))["flows"][0]
        wanted = (
            replace(fault, certainties=(certainty,), says=()) if certainty is not None else replace(fault, status="undetermined", code=None)
        )
        judge(replace(wanted, name=f"{name}, guest on {who}"), flow)
        assert {vantage["host"] for vantage in flow["vantages"] if not vantage["recorded"]} == set(guests)
        for host in guests:
            assert any(re.match(f"{host}: recording: .*run with become", line) for line in flow["not_observed"]), flow["not_observed"]


def test_a_refused_become_is_reported(fleet: SystemdFleet) -> None:
    FAULTS["systemd/healthy"].make(fleet)
    flow = diagnose(fleet, FAULTS["systemd/healthy"], OPS, guest_on(fleet, "db1", ansible_become=True))["flows"][0]
    assert flow["status"] == "ok"
    assert any(re.match("db1: phase open: .*sudo password", line) for line in flow["not_observed"]), flow["not_observed"]


# -- hosts that do not take part


def test_hosts_that_cannot_answer_do_not_stop_the_others(larger_fleet: SystemdFleet) -> None:
    fleet = larger_fleet
    for host in ("db1", "db2", "app1"):
        fleet.service(host, "orders", 5432)
    fleet.run("db2", ["sh", "-c", "for file in /usr/bin/python3*; do mv $file $file.away; done"])
    fleet.run("app1", ["systemctl", "stop", "ssh.service", "ssh.socket"])
    fleet.run("web2", ["ip", "link", "set", "mgmt0", "down"])
    addresses = {"db1": "10.0.2.21", "db2": "10.0.2.22", "app1": "10.0.2.31"}
    flows = [Flow(address, "web1:web2", server).declared() for server, address in addresses.items()]
    told = diagnosed(fleet, flows, OPS, "--timeout=3")
    assert [told["web1", server]["status"] for server in addresses] == ["ok", "ok", "ok"]
    assert told["web1", "db1"]["not_observed"] == []
    assert any(re.match("db2: phase open: .*python3", line) for line in told["web1", "db2"]["not_observed"])
    assert any(re.match("app1: phase open: .*Connection refused", line) for line in told["web1", "app1"]["not_observed"])
    for server in addresses:
        assert told["web2", server]["status"] == "undetermined"
        assert any(re.match("web2: phase try: .*timed out", line) for line in told["web2", server]["not_observed"])


@pytest.mark.slow
def test_limit_leaves_hosts_alone(fleet: SystemdFleet) -> None:
    fleet.service("db1", "orders", 5432)
    told = diagnosed(fleet, [Flow().declared()], OPS, "--limit=web1")
    assert told["web1", "db1"]["status"] == "ok"
    assert told["web1", "db1"]["not_observed"] == ["db1: this host: it is not among the hosts of this play"]
    fleet.run("db1", ["systemctl", "stop", "orders"])
    flow = diagnosed(fleet, [Flow().declared()], OPS, "--limit=web1")["web1", "db1"]
    assert (flow["status"], flow["causes"]) == ("undetermined", [])


@pytest.mark.slow
def test_fail_on_broken_is_told_by_the_exit_code(fleet: SystemdFleet) -> None:
    extra = {"handshake_flows": [Flow().declared()], "diagnose_report_dir": "report", "diagnose_fail_on": "broken"}
    arguments = ["threeway.handshake.diagnose", OPS, f"--extra-vars={json.dumps(extra)}"]
    done = fleet.playbook(*arguments, check=False)
    assert done.returncode != 0
    assert "Of 1 handshakes, 1 broken" in done.stdout
    fleet.service("db1", "orders", 5432)
    assert fleet.playbook(*arguments, check=False).returncode == 0


def diagnosed(fleet: SystemdFleet, flows: list[dict[str, Any]], *arguments: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The report's flows by client and server; FleetError when the playbook's exit code is not 0."""
    extra = {"handshake_flows": flows, "diagnose_report_dir": "report"}
    fleet.playbook("threeway.handshake.diagnose", f"--extra-vars={json.dumps(extra)}", *arguments)
    report = json.loads((fleet.directory / "report" / "report.json").read_text())
    return {(flow["client"], flow["server"]): flow for flow in report["flows"]}


# -- the recorder

KILLED = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: threeway.handshake.diagnose, tasks_from: plan}
    - ansible.builtin.replace: {path: report/evidence/db1.order.json, regexp: '("recorder_seconds"): \\d+', replace: '\\1: 15'}
      delegate_to: localhost
      become: false
      run_once: true
    - ansible.builtin.import_role: {name: threeway.handshake.diagnose, tasks_from: observe}
"""
LEFT = r"""
grep -lE '^(handshake-rec|python3)$' /proc/[0-9]*/comm 2>/dev/null
find /run /tmp /var/tmp /root /home -xdev | grep -E 'handshake|ansible' | grep -vxE '/home/ops/.ansible(/tmp)?'
"""  # Ansible itself leaves these two


def left_on(fleet: SystemdFleet, host: str) -> list[str]:
    """Processes and files of ours."""
    return fleet.run(host, ["sh", "-c", LEFT], check=False).stdout.splitlines()


def recorders(fleet: SystemdFleet, host: str) -> int:
    return len(fleet.run(host, ["sh", "-c", "grep -lx handshake-rec /proc/[0-9]*/comm 2>/dev/null"], check=False).stdout.splitlines())


@pytest.mark.parametrize("transport", [pytest.param("pipelining", marks=pytest.mark.slow), "files"])
def test_the_recorder_outlives_its_connection_and_leaves_nothing(fleet: SystemdFleet, transport: str) -> None:
    variables = {"ansible_ssh_args": "-o ControlMaster=no -o ControlPersist=no", "ansible_pipelining": transport == "pipelining"}
    flow = diagnosed(fleet, [Flow(via=("r1",)).declared()], OPS, f"--extra-vars={json.dumps(variables)}")["web1", "db1"]
    assert [(vantage["host"], vantage["recorded"]) for vantage in flow["vantages"]] == [("web1", True), ("r1", True), ("db1", True)]
    assert flow["causes"][0]["certainty"] == "proven"
    assert [left_on(fleet, host) for host in ("web1", "r1", "db1")] == [[], [], []]


def test_a_killed_controller_leaves_nothing_on_hosts(fleet: SystemdFleet) -> None:
    FAULTS["systemd/path_drop"].make(fleet)
    before = left_on(fleet, "db1")
    (fleet.directory / "killed.yml").write_text(KILLED)
    extra = {"handshake_flows": [Flow().declared()], "diagnose_report_dir": "report"}
    playbook = [*fleet.controller(), sys.executable, "-m", "ansible", "playbook", f"--inventory={fleet.inventory}"]
    with subprocess.Popen([*playbook, "killed.yml", OPS, f"--extra-vars={json.dumps(extra)}"], env=fleet.environment()) as controller:
        until((fleet.directory / "report/evidence/web1.try.json").exists, 30)
        controller.send_signal(signal.SIGKILL)
    assert recorders(fleet, "db1") == 1
    until(lambda: left_on(fleet, "db1") == before and left_on(fleet, "web1") == [], 30)


def until(is_so: Any, patience: float) -> None:
    give_up = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < give_up, f"not so within {patience:.0f} s"
        time.sleep(0.1)
