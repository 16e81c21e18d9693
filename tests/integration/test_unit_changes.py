# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start or restart of a unit also changes is told before, and a fix is disruptive for it; systemd shows that it does change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.integration.remediation import ADDRESS, HOST, PORT, dump, remediate
from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.systemd_fleet import SystemdFleet

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.slow,
    pytest.mark.skipif(SystemdFleet.missing() is not None, reason=str(SystemdFleet.missing())),
]
UNITS = "/etc/systemd/system"
SERVE = "/usr/bin/python3 -B /opt/handshake-lab/serve.py :: 5432"
ORDERS = f"[Unit]\n%s\n[Service]\nEnvironmentFile=/etc/orders.env\nExecStart={SERVE}\n[Install]\nWantedBy=multi-user.target\n"
WORKER = "[Unit]\nPartOf=orders.service\n[Service]\nExecStart=/bin/sleep 1000\n"
LISTENS = "until ss -Hltn 'sport = :5432' | grep -q .; do sleep 0.1; done"
ASK = """
- hosts: db1
  gather_facts: false
  become: true
  tasks:
    - threeway.handshake.unit_changes:
        units: [{name: orders.service, action: restarted}]
      register: told
    - ansible.builtin.copy: {content: "{{ told | to_json }}", dest: told.json, mode: '0600'}
      delegate_to: localhost
      become: false
"""


@pytest.fixture(scope="module")
def running() -> Iterator[SystemdFleet]:
    with SystemdFleet(topologies.three_hosts()) as fleet:
        (fleet.directory / "ask.yml").write_text(ASK)
        yield fleet


@pytest.fixture
def fleet(running: SystemdFleet) -> Iterator[SystemdFleet]:
    yield running
    undo = f"systemctl stop orders worker standby; rm -rf {UNITS}/orders.service* {UNITS}/worker.service {UNITS}/standby.service"
    running.run(HOST, ["sh", "-c", f"{undo}; systemctl daemon-reload; systemctl reset-failed"], check=False)


def serving(fleet: SystemdFleet, more: str = "") -> None:
    fleet.write(HOST, "/etc/orders.env", "LEVEL=1\n")
    fleet.write(HOST, f"{UNITS}/orders.service", ORDERS % more)
    fleet.write(HOST, f"{UNITS}/worker.service", WORKER)
    fleet.run(HOST, ["sh", "-ec", f"systemctl daemon-reload; sleep 0.1; systemctl start orders; {LISTENS}"])


def also(fleet: SystemdFleet) -> dict[str, list[str]]:
    fleet.playbook("ask.yml")
    (unit,) = json.loads((fleet.directory / "told.json").read_text())["units"]
    return {each["kind"]: each["names"] for each in unit["also"]}


def seen(fleet: SystemdFleet) -> dict[str, Any]:
    """What a restart has changed: what the service was started with, which run of the other unit it is, and who is connected."""
    script = "cat /proc/$(systemctl show --value --property=MainPID orders)/environ | tr '\\0' '\\n' | grep LEVEL"
    return {
        "file": fleet.run(HOST, ["sh", "-c", script]).stdout,
        "unit": fleet.run(HOST, ["systemctl", "show", "--property=InvocationID", "worker"]).stdout,
        "connections": fleet.run(HOST, ["ss", "-Htn", "state", "established", "sport = :5432"]).stdout.split(),
    }


def test_a_restart_that_changes_nothing_else_says_so(fleet: SystemdFleet) -> None:
    serving(fleet)
    assert also(fleet) == {}


@pytest.mark.parametrize("noticed", [False, True])
def test_what_a_restart_also_changes_is_told_and_does_change(fleet: SystemdFleet, noticed: bool) -> None:
    """`noticed`: systemd has looked for new directories since, as it does whenever it loads any other unit, such as that of a login."""
    serving(fleet)
    fleet.run(HOST, ["systemctl", "start", "worker"])
    fleet.write(HOST, "/etc/orders.env", "LEVEL=2\n")
    fleet.run(HOST, ["sh", "-c", f"mkdir {UNITS}/orders.service.d; printf '[Service]\\nNice=5\\n' > {UNITS}/orders.service.d/nice.conf"])
    if noticed:
        fleet.run(HOST, ["systemd-run", "--quiet", "--wait", "true"])
        assert "yes" in fleet.run(HOST, ["systemctl", "show", "--property=NeedDaemonReload", "orders"]).stdout
    with fleet.hold("web1", ADDRESS, PORT, 2):
        told, before = also(fleet), seen(fleet)
        assert set(told) == {"unread", "file", "unit", "connections"}, told
        assert (told["file"], told["unit"]) == (["/etc/orders.env"], ["worker.service"])
        assert told["unread"] == [f"{UNITS}/orders.service.d/nice.conf"] and len(told["connections"]) == 2
        fleet.run(HOST, ["sh", "-ec", f"systemctl restart orders; {LISTENS}"])
        after = seen(fleet)
    assert [name for name in before if before[name] == after[name]] == []


def test_a_file_that_came_with_the_time_it_was_made_is_told(fleet: SystemdFleet) -> None:
    """As from a package: it is older than the start of the service."""
    serving(fleet)
    fleet.write(HOST, "/etc/orders.env.new", "LEVEL=3\n")
    fleet.run(HOST, ["sh", "-ec", "touch -d 2020-01-01 /etc/orders.env.new; mv /etc/orders.env.new /etc/orders.env"])
    assert also(fleet) == {"file": ["/etc/orders.env"]}


def test_a_start_that_stops_another_unit_is_disruptive(fleet: SystemdFleet) -> None:
    serving(fleet, "Conflicts=standby.service")
    fleet.write(HOST, f"{UNITS}/standby.service", "[Service]\nExecStart=/bin/sleep 1000\n")
    fleet.run(HOST, ["sh", "-ec", "systemctl daemon-reload; systemctl enable --quiet orders; systemctl start standby"])
    before = dump(fleet)
    report, said = remediate(fleet)
    (change,) = report["changes"]
    assert (change["code"], change["outcome"], change["risk"]) == ("service_stopped", "refused", "disruptive"), change
    assert "orders.service also stops or restarts standby.service" in change["why"] + said, (change, said)
    assert dump(fleet) == before and fleet.run(HOST, ["systemctl", "is-active", "standby"]).stdout == "active\n"
    report, _said = remediate(fleet, remediate_max_risk="disruptive")
    assert [change["outcome"] for change in report["changes"]] == ["kept"], report["changes"]
    assert fleet.run(HOST, ["systemctl", "is-active", "standby"], check=False).stdout == "inactive\n"
