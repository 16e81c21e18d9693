# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of remediation over SSH share: a fleet with a service, all of a host's state, and a firewall that is closed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.systemd_fleet import SystemdFleet

HOST, ADDRESS, PORT = "db1", "10.0.2.21", 5432
FLOW: dict[str, Any] = {
    "name": "orders",
    "clients": "web1",
    "servers": HOST,
    "address": ADDRESS,
    "port": PORT,
    "timeout": 1.5,
    "service": "orders",
    "via": ["r1"],
}
OPTIONS = {"diagnose_attempts": 2, "diagnose_patience": 0.0, "diagnose_hops": False, "remediate_apply": True}
PATIENT = {"remediate_confirm_timeout": 180}  # a loaded machine is slow to diagnose
DUMP = r"""
nft list ruleset 2>&1 | sed -E 's/packets [0-9]+ bytes [0-9]+//'
for tool in ip ip6; do
    for table in $(cat /proc/net/${tool}_tables_names 2> /dev/null); do ${tool}tables-legacy-save -t $table; done
done | sed -E '/^#/d; s/\[[0-9:]+\]//'
find /etc -not -path '/etc/.pwd.lock' -not -path '/etc/systemd/system/*threeway*' -printf '%p %y %m %U %G %l\n' | sort
find /etc -type f -not -path '/etc/systemd/system/*threeway*' -exec sha256sum {} \; | sort
sysctl -a --pattern '^net[.](ipv[46]|core|netfilter)[.]' 2> /dev/null | grep -vE 'inet_peer|route|random|_count|secret'
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
START = "systemctl daemon-reload; systemctl enable --quiet orders; systemctl restart orders; "
START += "until ss -Hltn 'sport = :5432' | grep -q .; do sleep 0.1; done"
CLOSE = "systemctl enable --quiet nftables; systemctl restart nftables"


def two_ways() -> topologies.Topology:
    """web1 -- r1 -- db1, with a second wire between web1 and r1."""
    topology = topologies.three_hosts()
    topology["hosts"]["web1"]["interfaces"]["eth1"] = topologies.at("side", 4, 11)
    topology["hosts"]["r1"]["interfaces"]["eth2"] = topologies.at("side", 4, 1)
    return topology


@contextmanager
def serving() -> Iterator[SystemdFleet]:
    """Hosts that may all be rebooted; orders.service listens on HOST, and nftables.conf would close its port."""
    with SystemdFleet(two_ways(), reboots=["web1", "r1", HOST]) as fleet:
        fleet.write(HOST, "/etc/systemd/system/orders.service", UNIT)
        fleet.write(HOST, "/etc/nftables.conf", NFTABLES)
        fleet.run(HOST, ["sh", "-ec", START])
        yield fleet


def reopen(fleet: SystemdFleet) -> None:
    """HOST as `serving` made it."""
    fleet.write(HOST, "/etc/nftables.conf", NFTABLES)
    fleet.write(HOST, "/etc/systemd/system/orders.service", UNIT)
    undo = "ufw --force disable; ufw --force reset; rm -f /etc/ufw/*.rules.2*; systemctl disable --now firewalld nftables"
    fleet.run(HOST, ["sh", "-c", f"{undo}; rm -f /etc/firewalld/zones/*; nft flush ruleset; {START}"], check=False)


def dump(fleet: SystemdFleet, host: str = HOST) -> list[str]:
    return fleet.run(host, ["sh", "-c", DUMP]).stdout.splitlines()


def extra(report_dir: str = "report", flow: Mapping[str, Any] | None = None, **options: Any) -> str:
    """The argument of the playbook with its variables."""
    told = {"handshake_flows": [flow or FLOW], "remediate_report_dir": report_dir, **OPTIONS, **PATIENT, **options}
    return f"--extra-vars={json.dumps(told)}"


def remediate(fleet: SystemdFleet, *arguments: str, flow: Mapping[str, Any] | None = None, **options: Any) -> tuple[Any, str]:
    """Run the playbook; its report, and what it printed."""
    done = fleet.playbook("threeway.handshake.remediate", "--become", extra(flow=flow, **options), *arguments, timeout=600)
    return json.loads((fleet.directory / "report" / "report.json").read_text()), done.stdout


def last_step(fleet: SystemdFleet, transaction: str) -> str:
    """What the journal of a transaction on HOST ends with."""
    line = fleet.run(HOST, ["tail", "-n1", f"/var/lib/threeway-handshake/{transaction}/journal"]).stdout
    return str(json.loads(line)["step"])
