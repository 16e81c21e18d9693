# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of firewalls in which the rule that stops the packet is not the reason: zones, the way back, draws by lot, proxies, users."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall import forget_soon
from tests.lab._machines import Machines

HOW: dict[str, Any] = {"flow": Flow(timeout=1.0), "options": {"diagnose_patience": 0.5}}
LIKELY = ("proven", "likely")


def rules(fleet: Machines, host: str, *several: str) -> None:
    for rule in several:
        fleet.run(host, ["iptables-nft", *fleet.with_port(rule).split()])


# -- a connection tracking zone for one direction

INPUT = ("-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT", "-P INPUT DROP")
OUT, IN = "-t raw -A OUTPUT -o eth0 -p tcp -j CT --zone 5", "-t raw -A PREROUTING -i eth0 -p tcp -j CT --zone 5"


def zoned(fleet: Machines, *several: str) -> None:
    forget_soon(fleet)
    fleet.listen("db1", "::", fleet.port)
    rules(fleet, "web1", *several, *INPUT)


@fault(
    "conntrack_invalid/zone",
    "timeout",
    code="conntrack_invalid",
    host="web1",
    leg="syn_ack",
    segment="client.firewall",
    certainties=LIKELY,
    says=("zone 5", "policy drop"),
    **HOW,
)
def only_what_leaves_is_in_the_zone(fleet: Machines) -> None:
    zoned(fleet, OUT)


@twin("conntrack_invalid/zone", **HOW)
def both_directions_are_in_the_zone(fleet: Machines) -> None:
    zoned(fleet, OUT, IN)


# -- the way back

RPFILTER = (
    "-t mangle -N nixos-fw-rpfilter",
    "-t mangle -A PREROUTING -j nixos-fw-rpfilter",
    "-t mangle -A nixos-fw-rpfilter -m rpfilter --validmark -j RETURN",
    "-t mangle -A nixos-fw-rpfilter -j DROP",
)
FIB = "table inet strict { chain in { type filter hook prerouting priority -150; fib saddr . iif oif missing counter drop; }\n}"
WAY_BACK: dict[str, Any] = {"host": "db1", "leg": "syn", "segment": "server.firewall", "code": "firewall_drop"}


def tunnel(fleet: Machines, network: str) -> None:
    fleet.listen("db1", "::", fleet.port)
    made = f"ip link add wg0 type veth peer name far; ip link set far up; ip link set wg0 up; ip route add {network} dev wg0"
    fleet.run("db1", ["sh", "-ec", made])


@fault("firewall_drop/rpfilter", "timeout", says=("nixos-fw-rpfilter", "wg0", "route back"), **WAY_BACK, **HOW)
def the_way_back_is_a_tunnel(fleet: Machines) -> None:
    tunnel(fleet, "10.0.1.0/24")
    rules(fleet, "db1", *RPFILTER)


@twin("firewall_drop/rpfilter", **HOW)
def the_way_back_is_the_way_in(fleet: Machines) -> None:
    tunnel(fleet, "10.0.9.0/24")
    rules(fleet, "db1", *RPFILTER)


@fault("firewall_drop/fib", "timeout", says=("fib saddr", "wg0", "route back"), **WAY_BACK, **HOW)
def the_way_back_is_a_tunnel_to_nft(fleet: Machines) -> None:
    tunnel(fleet, "10.0.1.0/24")
    fleet.nft("db1", FIB)
