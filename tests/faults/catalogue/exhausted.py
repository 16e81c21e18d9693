# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of what a host has run out of."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.lab._machines import Machines
from tests.lab.fleet import Fleet

VIA = Flow(via=("r1",), timeout=1.0)
NAT: dict[str, Any] = {"code": "nat_ports_exhausted", "leg": "syn", "says": ("insert_failed", "masquerade")}


def masqueraded(fleet: Machines, host: str, interface: str, ports: str) -> None:
    rule = f'oifname "{interface}" meta l4proto tcp counter masquerade to :{ports}'
    fleet.listen("db1", "::", 5432)
    fleet.nft(host, f"table ip masquerading {{ chain post {{ type nat hook postrouting priority 100; {rule}; }}\n}}")


@fault("nat_ports_exhausted", "timeout", host="r1", segment="path.forward", flow=VIA, **NAT, **BRIEF)
def one_port_for_all(fleet: Machines) -> None:
    masqueraded(fleet, "r1", "eth1", "40000-40000")
    fleet.hold("web2", DB1, 5432, 1)


@fault("nat_ports_exhausted/client", "timeout", host="web1", segment="client.firewall", **NAT, **BRIEF)
def one_port_for_the_client(fleet: Machines) -> None:
    masqueraded(fleet, "web1", "eth0", "40000-40000")
    fleet.hold("web1", DB1, 5432, 1)


@twin("nat_ports_exhausted", flow=VIA, slow=True)
def ports_for_all(fleet: Machines) -> None:
    masqueraded(fleet, "r1", "eth1", "40000-40099")
    fleet.hold("web2", DB1, 5432, 1)


FULL: dict[str, Any] = {"kernel": "timeout", "code": "conntrack_full", "leg": "syn", "alone": True, "says": ("drop +",), **BRIEF}


def tracked(fleet: Machines, host: str, room: int) -> None:
    """A host that tracks 150 connections, and may track no more than some others."""
    assert isinstance(fleet, Fleet)
    fleet.nft(host, "table ip tracking { chain i { type filter hook input priority 0; ct state established accept; }; }")
    fleet.listen("db1", "::", fleet.port)
    fleet.listen("db1", "::", fleet.port + 1, backlog=200)
    fleet.hold("web1", DB1, fleet.port + 1, 150)
    count = int(fleet.run(host, ["cat", "/proc/sys/net/netfilter/nf_conntrack_count"]).stdout)
    assert count >= 150
    fleet.limit_machine("net.netfilter.nf_conntrack_max", count + room)


@fault("conntrack_full", host="db1", segment="server.firewall", flow=Flow(timeout=1.0), **FULL)
def no_room_at_the_server(fleet: Machines) -> None:
    tracked(fleet, "db1", room=0)


@fault("conntrack_full/client", host="web1", segment="client.firewall", flow=Flow(timeout=1.0), **FULL)
def no_room_at_the_client(fleet: Machines) -> None:
    tracked(fleet, "web1", room=0)


@twin("conntrack_full", alone=True)
def some_room_left(fleet: Machines) -> None:
    tracked(fleet, "db1", room=20)


BUSY = """
while :; do
  seq $1 $2 | sed "s/.*/neigh replace 2001:db8:2::1:& lladdr 02:00:5e:00:53:01 dev eth0 nud reachable/" | ip -6 -force -batch -
  echo 1; sleep 1
done
"""


KNOWN = (  # who knows whom, for good: entries that do not count
    ("web1", "eth0", "2001:db8:1::1", "r1", "eth0"),
    ("r1", "eth0", "2001:db8:1::11", "web1", "eth0"),
    ("r1", "eth1", DB1_V6, "db1", "eth0"),
)


@fault(
    "neighbour_table_full",
    "timeout",
    code="neighbour_table_full",
    host="db1",
    leg="syn_ack",
    segment="server.egress",
    certainties=("likely",),
    flow=Flow(DB1_V6, timeout=1.0),
    alone=True,
    **BRIEF,
)
def no_room_for_the_gateway(fleet: Machines) -> None:
    """One table for all: entries of db2, always confirmed again, leave no room to db1. IPv6's, on which fewer others depend."""
    assert isinstance(fleet, Fleet)
    fleet.listen("db1", "::", fleet.port)
    for host, interface, address, other, its in KNOWN:
        mac = fleet.link_address(other, its)
        fleet.run(host, ["ip", "neigh", "replace", address, "lladdr", mac, "dev", interface, "nud", "permanent"])
    for first in 1000, 2000:  # the second lot takes whatever the kernel gives up for it
        fleet.popen("db2", ["sh", "-c", BUSY, "sh", str(first), str(first + 200)]).await_answer()
        if first == 1000:
            fleet.limit_machine("net.ipv6.neigh.default.gc_thresh3", 100)
    fleet.run("db1", ["ip", "-6", "neigh", "flush", "dev", "eth0"])
