# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""firewalld and ufw on hosts that run them: firewall_info says whose rule stops a handshake, and what it advises lets it through."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.systemd_fleet import SystemdFleet

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.skipif(SystemdFleet.missing() is not None, reason=str(SystemdFleet.missing())),
]
PLAYBOOK = """
- hosts: "{{ asked }}"
  gather_facts: false
  become: true
  tasks:
    - threeway.handshake.firewall_info:
        packets: "{{ [packet] }}"
      register: firewall
    - ansible.builtin.copy:
        content: "{{ firewall | to_json }}"
        dest: answer.json
        mode: '0600'
      delegate_to: localhost
      become: false
"""
SYN = {"source": "10.0.1.11", "destination": "10.0.2.21", "port": 5432}
FIREWALLD = """
set -e
systemctl start firewalld
until firewall-cmd --state; do sleep 0.1; done
for interface in mgmt0 eth0; do firewall-cmd --zone=public --change-interface=$interface; done
"""
UFW = "ufw allow in on mgmt0 && ufw allow 22/tcp && ufw {} && ufw --force enable"
FILTER = "table inet filter {\n  chain input {\n    type filter hook input priority 0;\n    tcp dport { 5432 } drop\n  }\n}\n"


@pytest.fixture(scope="module")
def running() -> Iterator[SystemdFleet]:
    with SystemdFleet(topologies.three_hosts()) as fleet:
        (fleet.directory / "play.yml").write_text(PLAYBOOK)
        yield fleet


@pytest.fixture
def fleet(running: SystemdFleet) -> Iterator[SystemdFleet]:
    """Each test loads a firewall, which is gone after it."""
    yield running
    stop = "systemctl stop firewalld; rm -rf /etc/firewalld/zones/* /etc/firewalld/policies/*; ufw --force reset; nft flush ruleset"
    for host in ("db1", "r1"):
        running.run(host, ["sh", "-c", stop], check=False)


def ask(fleet: SystemdFleet, host: str, **packet: Any) -> dict[str, Any]:
    fleet.playbook("play.yml", f"--extra-vars={json.dumps({'asked': host, 'packet': packet})}")
    answer = json.loads((fleet.directory / "answer.json").read_text())
    assert answer["absent"] == []
    verdict: dict[str, Any] = answer["verdicts"][0]
    return verdict


def follow(fleet: SystemdFleet, host: str, verdict: dict[str, Any]) -> None:
    """Do what is advised."""
    for command in verdict["change"]["commands"]:
        fleet.run(host, ["sh", "-ec", command])


def connects(fleet: SystemdFleet, address: str = "10.0.2.21") -> str:
    with fleet.listen("db1", "::", 5432):
        return fleet.connect("web1", address, 5432, timeout=1.0)


@pytest.mark.parametrize(
    ("command", "part", "item"),
    [
        pytest.param("true", "target", "target default", marks=pytest.mark.slow),
        (
            "firewall-cmd --permanent --zone=public --add-rich-rule='rule family=ipv4 port port=5432 protocol=tcp drop'",
            "deny",
            'rich rule family="ipv4" port port="5432" protocol="tcp" drop',
        ),
    ],
)
def test_firewalld(fleet: SystemdFleet, command: str, part: str, item: str) -> None:
    fleet.run("db1", ["sh", "-c", f"{FIREWALLD}\nfirewall-cmd --runtime-to-permanent\n{command}\nfirewall-cmd --reload"])
    assert connects(fleet) != "connected"
    verdict = ask(fleet, "db1", **SYN)
    rule = verdict["rule"]
    assert (verdict["verdict"], rule["manager"]) == ("drop" if part == "deny" else "reject", "firewalld")
    kept = {"zone": "public", "policy": None, "part": part, "item": item, "permanent": True, "file": "/etc/firewalld/zones/public.xml"}
    assert rule["origin"] == kept
    follow(fleet, "db1", verdict)
    assert connects(fleet) == "connected"
    fleet.run("db1", ["firewall-cmd", "--reload"])
    assert connects(fleet) == "connected"


@pytest.mark.slow
def test_firewalld_knows_what_is_not_permanent(fleet: SystemdFleet) -> None:
    fleet.run("db1", ["sh", "-c", f"{FIREWALLD}\nfirewall-cmd --zone=public --add-port=5432/tcp"])
    rule = ask(fleet, "db1", **SYN)["rule"]
    assert (rule["manager"], rule["origin"]["part"], rule["origin"]["permanent"]) == ("firewalld", "allow", False)
    rule = ask(fleet, "db1", **{**SYN, "port": 22})["rule"]
    assert (rule["origin"]["item"], rule["origin"]["permanent"]) == ("service ssh", True)


@pytest.mark.slow
def test_firewalld_forwards_between_zones_by_a_policy(fleet: SystemdFleet) -> None:
    zones = (
        "firewall-cmd --permanent --zone=internal --change-interface=eth1; firewall-cmd --permanent --zone=public --change-interface=eth0"
    )
    fleet.run(
        "r1", ["sh", "-c", f"{FIREWALLD}\nfirewall-cmd --permanent --zone=public --change-interface=mgmt0; {zones}; firewall-cmd --reload"]
    )
    assert connects(fleet) != "connected"
    verdict = ask(fleet, "r1", **SYN)
    assert (verdict["verdict"], verdict["direction"], verdict["rule"]["manager"]) == ("reject", "forward", "firewalld")
    assert "firewall-cmd --permanent --policy=public-intern --add-egress-zone=internal" in verdict["change"]["commands"]
    follow(fleet, "r1", verdict)
    assert connects(fleet) == "connected"


@pytest.mark.parametrize(
    ("command", "line", "advice"),
    [
        pytest.param(
            "default deny",
            None,
            "ufw allow in from 10.0.1.11 to 10.0.2.21 port 5432 proto tcp comment threeway.handshake",
            marks=pytest.mark.slow,
        ),
        (
            "deny 5432/tcp",
            "ufw deny proto tcp from any to any port 5432",
            "ufw insert 3 allow in from 10.0.1.11 to 10.0.2.21 port 5432 proto tcp comment threeway.handshake",
        ),
    ],
)
def test_ufw(fleet: SystemdFleet, command: str, line: str | None, advice: str) -> None:
    fleet.run("db1", ["sh", "-c", UFW.format(command)])
    assert connects(fleet) == "timeout"
    verdict = ask(fleet, "db1", **SYN)
    assert (verdict["verdict"], verdict["rule"]["manager"]) == ("drop", "ufw")
    assert verdict["rule"]["origin"]["command"] == line
    assert verdict["change"]["commands"] == [advice]
    numbered = fleet.run("db1", ["ufw", "status", "numbered"]).stdout
    assert line is None or f"[{verdict['rule']['origin']['number']:2}] 5432/tcp                   DENY IN" in numbered
    follow(fleet, "db1", verdict)
    assert connects(fleet) == "connected"


@pytest.mark.slow
def test_ufw_ipv6(fleet: SystemdFleet) -> None:
    fleet.run("db1", ["sh", "-c", UFW.format("deny 5432/tcp")])
    assert connects(fleet, "2001:db8:2::21") == "timeout"
    verdict = ask(fleet, "db1", source="2001:db8:1::11", destination="2001:db8:2::21", port=5432)
    number = verdict["rule"]["origin"]["number"]
    assert f"[{number:2}] 5432/tcp (v6)" in fleet.run("db1", ["ufw", "status", "numbered"]).stdout
    follow(fleet, "db1", verdict)
    assert connects(fleet, "2001:db8:2::21") == "connected"


@pytest.mark.slow
def test_ufw_routes(fleet: SystemdFleet) -> None:
    fleet.run("r1", ["sh", "-c", UFW.format("default deny routed")])
    assert connects(fleet) == "timeout"
    verdict = ask(fleet, "r1", **SYN)
    assert verdict["change"]["commands"] == ["ufw route allow from 10.0.1.11 to 10.0.2.21 port 5432 proto tcp comment threeway.handshake"]
    follow(fleet, "r1", verdict)
    assert connects(fleet) == "connected"


@pytest.mark.slow
def test_nftables_conf_has_the_line(fleet: SystemdFleet) -> None:
    fleet.write("db1", "/etc/nftables.conf", f"#!/usr/sbin/nft -f\nflush ruleset\n{FILTER}")
    fleet.run("db1", ["nft", "-f", "/etc/nftables.conf"])
    verdict = ask(fleet, "db1", **SYN)
    assert verdict["rule"]["origin"] == {"file": "/etc/nftables.conf", "line": 6, "because": None}
    follow(fleet, "db1", verdict)
    assert connects(fleet) == "connected"
    assert shlex.split(verdict["change"]["commands"][0])[:2] == ["nft", "insert"]
