# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mending over SSH on hosts that run systemd: in each manager's own way, only what was planned, for the next boot too, and no lock-out."""

from __future__ import annotations

import json
import re
import time
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
HOST, ADDRESS = "db1", "10.0.2.21"
FLOW = {
    "name": "orders",
    "clients": "web1",
    "servers": HOST,
    "address": ADDRESS,
    "port": 5432,
    "timeout": 1.5,
    "service": "orders",
    "via": ["r1"],
}
OPTIONS = {"diagnose_attempts": 2, "diagnose_patience": 0.0, "diagnose_hops": False, "remediate_report_dir": "report"}
PATIENT = {"remediate_confirm_timeout": 180}  # a loaded machine is slow to diagnose
DUMP = r"""
nft list ruleset 2>&1 | sed -E 's/packets [0-9]+ bytes [0-9]+//'
find /etc -not -path '/etc/.pwd.lock' -not -path '/etc/systemd/system/threeway*' -printf '%p %y %m %U %G %l\n' | sort
find /etc -type f -exec sha256sum {} \; | sort
sysctl -a --pattern '^net[.](ipv[46]|core)[.]' 2> /dev/null | grep -vE 'neigh|inet_peer|route|random|conf[.](lo|eth|mgmt)'
ip route show table all | grep -v fe80:; ip rule; ip neighbour show nud permanent
for unit in ssh orders nftables firewalld ufw; do echo $unit $(systemctl is-active $unit) $(systemctl is-enabled $unit 2>&1); done; true
"""
UNIT = """[Unit]
Description=A service of the fleet
[Service]
ExecStart=/usr/bin/python3 -B /opt/handshake-lab/serve.py :: 5432
[Install]
WantedBy=multi-user.target
"""
NFTABLES = """#!/usr/sbin/nft -f
flush ruleset
table inet filter {
\tchain input {
\t\ttype filter hook input priority 0; policy accept;
\t\tiifname "mgmt0" accept
\t\ttcp dport 5432 counter drop
\t}
}
"""
# What breaks the flow; and patterns of which every line that is new or gone must match one.
BREAK = {
    "nftables": "systemctl enable --quiet nftables; systemctl restart nftables",
    "firewalld": "systemctl enable --quiet --now firewalld; until firewall-cmd --quiet --state; do sleep 0.1; done; "
    "firewall-cmd --quiet --permanent --zone=trusted --add-interface=mgmt0; firewall-cmd --quiet --reload",
    "ufw": "ufw allow in on mgmt0 > /dev/null; ufw --force enable > /dev/null",
    "service": "systemctl disable --quiet --now orders",
    "sysctl": "sysctl -qw net.ipv4.ip_forward=0",
}
PLANNED = {
    "nftables": r"/etc/nftables[.]conf|5432",
    "firewalld": r"/etc/firewalld(/zones)?|5432|10[.]0[.]1[.]11",
    "ufw": r"/etc/ufw|5432",
    "service": r"^orders |orders[.]service|/etc/systemd/system/multi-user.target.wants",
    "sysctl": r"forward|accept_redirects|/etc/sysctl[.]d",
}
ON = {"sysctl": "r1"}  # the culprit, where it is not the server
UNCOUNTED = {"firewalld", "ufw"}  # their rules that stop the packet have no counter: without a trace it is likely that it is they
SLOW = {"ufw", "service", "sysctl"}


@pytest.fixture(scope="module")
def running() -> Iterator[SystemdFleet]:
    with SystemdFleet(topologies.three_hosts(), reboots=[HOST, "r1"]) as started:
        started.write(HOST, "/etc/systemd/system/orders.service", UNIT)
        started.write(HOST, "/etc/nftables.conf", NFTABLES)
        started.run(HOST, ["sh", "-ec", "systemctl daemon-reload; systemctl enable --quiet --now orders"])
        yield started


@pytest.fixture
def fleet(running: SystemdFleet) -> Iterator[SystemdFleet]:
    """The fleet, whose host is as before when the test has ended."""
    yield running
    running.write(HOST, "/etc/nftables.conf", NFTABLES)
    undo = "ufw --force disable; ufw --force reset; rm -f /etc/ufw/*.rules.2*; systemctl disable --now firewalld nftables"
    running.run(HOST, ["sh", "-c", f"{undo}; rm -f /etc/firewalld/zones/*; nft flush ruleset; systemctl enable --now orders"], check=False)


def dump(fleet: SystemdFleet, host: str = HOST) -> list[str]:
    return fleet.run(host, ["sh", "-c", DUMP]).stdout.splitlines()


def remediate(fleet: SystemdFleet, *arguments: str, check: bool = True, **options: Any) -> tuple[Any, str]:
    extra = {"handshake_flows": [FLOW], **OPTIONS, **PATIENT, "remediate_apply": True, **options}
    done = fleet.playbook("threeway.handshake.remediate", "--become", "--extra-vars", json.dumps(extra), *arguments, check=check)
    return json.loads((fleet.directory / "report" / "report.json").read_text()), done.stdout


def last_step(fleet: SystemdFleet, report: Any) -> Any:
    transaction = report["changes"][0]["transaction"]
    return json.loads(fleet.run(HOST, ["tail", "-n1", f"/var/lib/threeway-handshake/{transaction}/journal"]).stdout)


@pytest.mark.parametrize("what", [pytest.param(each, marks=[pytest.mark.slow] if each in SLOW else []) for each in BREAK])
def test_what_is_mended_stays_mended(fleet: SystemdFleet, what: str) -> None:
    culprit = ON.get(what, HOST)
    fleet.run(culprit, ["sh", "-ec", BREAK[what]])
    assert fleet.connect("web1", ADDRESS, 5432, 1.0) != "connected"
    before = dump(fleet, culprit)
    policy = {"remediate_require": "likely" if what in UNCOUNTED else "proven"}
    report, said = remediate(fleet, "--check", **policy)
    assert [change["outcome"] for change in report["changes"]] == ["planned"], [change["why"] for change in report["changes"]]
    assert dump(fleet, culprit) == before

    report, said = remediate(fleet, **policy)
    assert fleet.connect("web1", ADDRESS, 5432) == "connected", said
    assert [change["outcome"] for change in report["changes"]] == ["kept"], said
    mended = dump(fleet, culprit)
    differing = set(before) ^ set(mended)
    assert differing and [line for line in differing if not re.search(PLANNED[what], line)] == []

    report, said = remediate(fleet, **policy)
    assert report["changes"] == [] and not re.search("changed=[1-9]", said), said
    assert dump(fleet, culprit) == mended

    if what == "sysctl":  # the network of this fleet outlives a reboot
        fleet.run(culprit, ["sh", "-ec", BREAK[what]])
    fleet.reboot(culprit)
    give_up = time.monotonic() + 30
    while fleet.connect("web1", ADDRESS, 5432, 1.0) != "connected":
        assert time.monotonic() < give_up, fleet.run(HOST, ["nft", "list", "ruleset"]).stdout


def test_a_fix_behind_which_ssh_no_longer_connects_is_undone_by_the_host(fleet: SystemdFleet) -> None:
    """As soon as the firewall is touched, new connections are dropped; the one that is there goes on, and must not be trusted."""
    fleet.run(HOST, ["sh", "-ec", BREAK["nftables"]])
    cut = "insert rule inet filter input tcp dport 22 tcp flags syn / fin,syn,rst,ack drop"
    fleet.popen(HOST, ["sh", "-c", f"nft monitor new rules | {{ read -r line; nft '{cut}'; }}"])
    before = dump(fleet)
    report, said = remediate(fleet, "--timeout=3", remediate_confirm_timeout=35)
    change = report["changes"][0]
    assert change["outcome"] == "rolled_back", (change, said)
    assert last_step(fleet, report)["step"] == "restored"
    assert dump(fleet) == before
    assert "unreachable=1" not in said  # the run goes on to the end
    assert report["flows"][0]["status"] == "broken"
