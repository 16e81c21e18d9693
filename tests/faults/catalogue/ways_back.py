# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of ways back: answers that leave by another interface, sources to which no way leads, networks that two links have."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, Flow, fault, twin
from tests.faults.catalogue.neighbours import SHORT
from tests.faults.catalogue.path import BACK, sends_as_a_pod
from tests.faults.catalogue.reported import shell
from tests.lab._machines import Machines
from tests.lab.topologies import Topology, at, default, with_hosts

SECOND = "10.0.4.21"
ANTI_SPOOFING = "table ip spoof { chain p { type filter hook prerouting priority -300; iifname eth1 ip saddr != 10.0.2.0/24 drop; }\n}"


def second_interface() -> Topology:
    """db1 has eth1 on a segment of its own behind the same router."""
    made = default()
    interfaces = {name: dict(made["hosts"][name]["interfaces"]) for name in ("r1", "db1")}
    interfaces["r1"]["eth2"], interfaces["db1"]["eth1"] = at("second", 4, 1), at("second", 4, 21)
    return with_hosts(made, r1={"interfaces": interfaces["r1"]}, db1={"interfaces": interfaces["db1"]})


TWO: dict[str, Any] = {**SHORT, "topology": second_interface, "flow": Flow(SECOND, timeout=1.0)}


def two_interfaces(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.nft("r1", ANTI_SPOOFING)


@fault(
    "asymmetric_route",
    "timeout",
    code="asymmetric_route",
    host="db1",
    certainties=("likely",),
    says=("by eth1, but the SYN-ACK leaves by eth0 via 10.0.2.1", f"ip rule add from {SECOND}", "10.0.4.1", "by 0.0.0.0/0"),
    **BACK,
    **TWO,
)
def the_answer_leaves_by_the_first(fleet: Machines) -> None:
    two_interfaces(fleet)


@twin("asymmetric_route", **TWO)
def the_answer_leaves_by_the_second(fleet: Machines) -> None:
    two_interfaces(fleet)
    fleet.run("db1", ["sh", "-ec", f"ip rule add from {SECOND} table 4; ip route add default via 10.0.4.1 table 4"])


@twin("asymmetric_route/harmless", **TWO)
def the_answer_leaves_by_the_first_and_may(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)


def with_prefix(fleet: Machines, prefix: int) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.run("db1", ["ip", "address", "replace", f"{DB1}/{prefix}", "dev", "eth0"])
    if prefix != 24:
        fleet.run("db1", ["ip", "address", "delete", f"{DB1}/24", "dev", "eth0"])
        fleet.run("db1", ["ip", "route", "replace", "default", "via", "10.0.2.1"])


NETMASK: dict[str, Any] = {"code": "return_neighbour_unresolved", "host": "db1", "leg": "syn_ack", "segment": "server.egress", **SHORT}


@fault("return_neighbour_unresolved/netmask", "timeout", says=("10.0.0.0/16 dev eth0, by its address 10.0.2.21/16",), **NETMASK)
def the_clients_network_is_taken_for_its_own(fleet: Machines) -> None:
    with_prefix(fleet, 16)


@twin("return_neighbour_unresolved/netmask", **SHORT)
def a_wide_prefix_beside_a_route_to_the_client(fleet: Machines) -> None:
    with_prefix(fleet, 16)
    fleet.run("db1", ["ip", "route", "add", "10.0.1.0/24", "via", "10.0.2.1"])


@fault("return_neighbour_unresolved/bridge", "timeout", says=("10.0.1.0/24 dev docker0", "came in on eth0"), slow=True, **NETMASK)
def a_bridge_has_the_clients_network(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.run("db1", ["sh", "-ec", "ip link add docker0 type bridge; ip address add 10.0.1.1/24 dev docker0; ip link set docker0 up"])
    fleet.run("db1", ["sh", "-ec", "ip link add v0 type veth peer name v1; ip link set v0 master docker0 up; ip link set v1 up"])


@fault(
    "asymmetric_route/netmask",
    "timeout",
    code="asymmetric_route",
    host="db1",
    certainties=("likely",),
    says=("takes 10.0.1.11 for a neighbour on eth0 (10.0.0.0/16 dev eth0", "10.0.2.1"),
    **BACK,
    **SHORT,
)
def somebody_answers_for_the_client(fleet: Machines) -> None:
    """The entry is another machine's, as with a proxy for all addresses."""
    with_prefix(fleet, 16)
    fleet.run("r1", ["ip", "neigh", "flush", "dev", "eth1"])  # its request tells db1 whose its link address is
    fleet.run("db1", ["ip", "neigh", "replace", "10.0.1.11", "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent"])


def masqueraded(fleet: Machines, more: str = "") -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", f"iptables-nft -t nat -A POSTROUTING -o eth1 -p tcp -j MASQUERADE{more}")


@fault(
    "path_drop/masqueraded",
    "timeout",
    code="path_drop",
    host="path",
    certainties=("likely", "proven"),
    slow=True,
    **BACK,
    **SHORT,
)
def the_neighbour_that_forwards_drops_the_answers(fleet: Machines) -> None:
    """To db1, r1 is the client, next door: its SYNs have passed a router, which is r1 itself."""
    masqueraded(fleet, "; iptables-nft -t raw -A PREROUTING -i eth1 -p tcp -j DROP")


@twin("path_drop/masqueraded", slow=True, **SHORT)
def the_neighbour_forwards_the_answers(fleet: Machines) -> None:
    masqueraded(fleet)


@fault(
    "wrong_source_address",
    "timeout",
    code="wrong_source_address",
    host="web1",
    certainties=("likely",),
    says=("192.168.50.11", "the inventory has 10.0.1.11", "masquerading", "is on cni0"),
    flow=Flow(timeout=1.0),
    **BACK,
)
def no_router_says_that_there_is_no_way(fleet: Machines) -> None:
    """Linux asks the same allowance of a peer twice for each error, so that an application that tries again uses it up."""
    sends_as_a_pod(fleet)
    fleet.nft("r1", "table ip quiet { chain o { type filter hook output priority 0; icmp type destination-unreachable drop; }\n}")


@twin("wrong_source_address", flow=Flow(timeout=1.0))
def a_way_leads_back(fleet: Machines) -> None:
    sends_as_a_pod(fleet)
    fleet.run("r1", ["ip", "route", "add", "192.168.50.0/24", "via", "10.0.1.11"])
