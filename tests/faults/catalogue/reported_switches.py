# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switches and bridges on the way, as people reported them to public trackers, rebuilt; each fault names its report."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, DB1_V6, Flow, fault
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import FORWARD, shell
from tests.faults.catalogue.reported_links import NEIGHBOUR, between, two
from tests.lab._machines import FABRIC, Machines

LOST: dict[str, Any] = {"code": "requests_lost"}


@fault(
    "requests_lost",
    "EHOSTUNREACH",
    host="path",
    says=("r1's neighbour solicitations (multicast) for 2001:db8:2::21 do not come to db1", "mcast_querier"),
    flow=Flow(DB1_V6, timeout=4.0, via=("r1",)),
    **LOST,
    **FORWARD,
)
def a_switch_snoops_multicast(fleet: Machines) -> None:
    """https://github.com/lxc/incus/issues/3294, https://github.com/freifunk-berlin/firmware/issues/297"""
    fleet.listen("db1", "::", 5432)
    fleet.connect("r1", DB1, 5432)  # from then on they know each other on the link
    fleet.nft(FABRIC, between('oifname "db1.eth0" ether daddr & ff:ff:00:00:00:00 == 33:33:00:00:00:00 drop'))
    shell(fleet, "r1", "ip -6 neigh flush dev eth1")
    shell(fleet, "db1", "ip -6 neigh flush dev eth0")


@fault(
    "requests_lost/isolated",
    "EHOSTUNREACH",
    host="web1",
    leg="syn",
    segment="client.neighbour",
    certainties=("likely",),  # nothing else is there that both would know
    says=("web1's ARP requests (broadcast) for 10.0.1.12 do not come to db1", "isolated ports"),
    flow=NEIGHBOUR,
    topology=two,
    **LOST,
    **BRIEF,
)
def two_guests_that_may_not_meet(fleet: Machines) -> None:
    """As with isolated ports of a bridge: both reach everybody else."""
    fleet.listen("db1", "0.0.0.0", 5432)
    for each in ("web1", "db1"):
        fleet.run(FABRIC, ["bridge", "link", "set", "dev", f"{each}.eth0", "isolated", "on"])


@fault(
    "requests_lost/elsewhere",
    "EHOSTUNREACH",
    host="web1",
    leg="syn",
    segment="client.neighbour",
    certainties=("likely",),
    flow=Flow("10.0.2.21", timeout=4.0),
    slow=True,
    **LOST,
    **BRIEF,
)
def another_network_with_the_same_prefix(fleet: Machines) -> None:
    """As at home, where 192.168.1.0/24 is what it is at work: nothing shows that both are on one link."""
    fleet.listen("db1", "0.0.0.0", 5432)
    shell(fleet, "web1", "ip address add 10.0.2.11/24 dev eth0")


@fault(
    "path_drop/on-link",
    "timeout",
    code="path_drop",
    host="path",
    says=("which are on one link: db1 answers ARP there", "no router is there"),
    flow=Flow("10.0.1.12", timeout=1.0),
    topology=two,
    **FORWARD,
)
def a_bridge_passes_arp_alone(fleet: Machines) -> None:
    """https://github.com/opnsense/core/issues/10468"""
    fleet.listen("db1", "0.0.0.0", 5432)
    fleet.nft(FABRIC, between("ether type ip drop"))


@fault(
    "path_drop/mute-gateway",
    "timeout",
    code="path_drop",
    host="path",
    says=("10.0.1.12 first", "ip_forward"),
    flow=Flow(timeout=1.0),
    slow=True,
    **FORWARD,
)
def the_gateway_forwards_no_more(fleet: Machines) -> None:
    """https://github.com/evilsocket/bettercap/issues/32"""
    fleet.listen("db1", "0.0.0.0", 5432)
    shell(fleet, "web2", "echo 0 > /proc/sys/net/ipv4/ip_forward")
    shell(fleet, "web1", "ip route replace default via 10.0.1.12")
