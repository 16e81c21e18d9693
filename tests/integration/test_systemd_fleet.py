# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd fleet: hosts that boot, reached over SSH by users with and without root."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.systemd_fleet import SystemdFleet

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.skipif(SystemdFleet.missing() is not None, reason=str(SystemdFleet.missing())),
]
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
    - ansible.builtin.command: id -un
      become: true
      register: who
    - ansible.builtin.assert:
        that: who.stdout == "root"
"""


@pytest.fixture(scope="module")
def fleet() -> Iterator[SystemdFleet]:
    with SystemdFleet(topologies.three_hosts()) as running:
        (running.directory / "play.yml").write_text(PLAYBOOK)
        yield running


@pytest.mark.parametrize("address", ["10.0.2.21", "2001:db8:2::21"])
def test_handshakes_pass_the_router(fleet: SystemdFleet, address: str) -> None:
    with fleet.listen("db1", "::", 80):
        assert fleet.connect("web1", address, 80) == "connected"


def test_services_start_stop_and_fail(fleet: SystemdFleet) -> None:
    fleet.service("db1", "orders", 5432)
    assert fleet.connect("web1", "10.0.2.21", 5432) == "connected"
    fleet.run("db1", ["systemctl", "stop", "orders"])
    assert fleet.connect("web1", "10.0.2.21", 5432) == "ECONNREFUSED"
    fleet.service("db1", "orders", 5432)
    fleet.run("db1", ["systemctl", "kill", "--signal=SEGV", "orders"])
    fleet.run("db1", ["timeout", "10", "sh", "-c", "until systemctl is-failed orders; do sleep 0.1; done"])


@pytest.mark.parametrize("firewall", ["firewalld", "ufw"])
def test_firewalls_can_be_started(fleet: SystemdFleet, firewall: str) -> None:
    ready = "until firewall-cmd --state; do sleep 0.1; done"
    start = {"firewalld": ["sh", "-c", f"systemctl start firewalld; {ready}"], "ufw": ["ufw", "--force", "enable"]}[firewall]
    stop = {"firewalld": ["systemctl", "stop", "firewalld"], "ufw": ["ufw", "disable"]}[firewall]
    with fleet.listen("db1", "::", 80):
        fleet.run("db1", start)
        try:
            assert fleet.connect("web1", "10.0.2.21", 80, timeout=0.5) in ("timeout", "EHOSTUNREACH")
        finally:
            fleet.run("db1", stop)
        assert fleet.connect("web1", "10.0.2.21", 80) == "connected"


def test_ansible_comes_over_ssh_and_becomes_root(fleet: SystemdFleet) -> None:
    assert fleet.playbook("play.yml").stdout.count("ok=3") == 3


def test_ansible_gets_in_while_the_data_path_is_broken(fleet: SystemdFleet) -> None:
    with fleet.relay("db1", "eth0", inbound={"loss": 1.0}):
        assert fleet.connect("web1", "10.0.2.21", 22, timeout=0.5) == "timeout"
        assert fleet.playbook("play.yml", "--limit=db1").stdout.count("ok=3") == 1


def test_a_guest_is_no_root(fleet: SystemdFleet) -> None:
    done = fleet.playbook("play.yml", "-e", "ansible_user=guest", check=False)
    assert done.returncode != 0
    assert done.stdout.count("ok=1 ") == 3
    assert "Missing sudo password" in done.stdout + done.stderr


def test_what_sudo_wants_or_refuses_is_no_lack_of_python(fleet: SystemdFleet) -> None:
    """On r1 it wants a terminal, which Ansible's pipelining has not; on web1 it knows no such user."""
    fleet.write("r1", "/etc/sudoers.d/terminal", "Defaults:ops requiretty\n")
    variables = fleet.directory / "host_vars" / "web1.json"
    variables.parent.mkdir()
    variables.write_text('{"ansible_become_user": "ghost"}')
    flow = {"clients": "web1:r1", "servers": "db1", "address": "10.0.2.21", "port": 22}
    try:
        fleet.playbook("threeway.handshake.diagnose", "--become", f"--extra-vars={json.dumps({'handshake_flows': [flow]})}")
    finally:
        fleet.run("r1", ["rm", "/etc/sudoers.d/terminal"])
        variables.unlink()
    report = json.loads((fleet.directory / "handshake-report" / "report.json").read_text())
    assert [(each["host"], each["kind"], each["why"].startswith("sudo: unknown user ghost")) for each in report["unobserved"]] == [
        ("web1", "become", True)
    ]
    flows = {each["client"]: each for each in report["flows"]}
    assert (flows["web1"]["status"], flows["r1"]["status"]) == ("undetermined", "ok"), report
    (undecided,) = flows["web1"]["undecided"]
    assert "correct its become method, user and password" in undecided


def test_nothing_is_left() -> None:
    with SystemdFleet(topologies.one_segment("a", "b")) as other:
        pids, name = list(other._pids.values()), other.directory.name
        assert other.run("a", ["sh", "-c", "rm /usr/bin/python3* && hostname"]).stdout == "a\n"
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert list(Path("/sys/fs/cgroup").rglob(f"{name}*")) == []
