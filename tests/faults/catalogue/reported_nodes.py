# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of nodes of a cluster, as people reported them: they have addresses of services themselves."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import BY_R1, SHORT, shell
from tests.lab._machines import Machines

TWICE: dict[str, Any] = {
    **{"code": "taken_for_own", "host": "web1", "leg": "syn", "segment": "client.route", "flow": SHORT, "slow": True},
    "says": ("web1 has 10.0.2.21 itself, on kube-ipvs0", "db1 has it on eth0", "ip address delete 10.0.2.21/32 dev kube-ipvs0"),
}


def on_both(fleet: Machines) -> None:
    """kube-proxy has put the address of a service on web1, too."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip link add kube-ipvs0 type bridge; ip address add 10.0.2.21/32 dev kube-ipvs0")


@fault("taken_for_own/on-both", "ECONNREFUSED", **TWICE)
def a_node_has_the_address_itself(fleet: Machines) -> None:
    """https://github.com/kubernetes/kubernetes/issues/66966, https://github.com/openelb/openelb/issues/188"""
    on_both(fleet)


@fault("taken_for_own/on-both/silent", "timeout", **TWICE)
def a_node_has_the_address_and_drops(fleet: Machines) -> None:
    on_both(fleet)
    fleet.nft("web1", "table inet f { chain p { type filter hook input priority 0; iif lo tcp dport 5432 drop; }\n}")


@fault("taken_for_own/on-both/served", "connected", **{**TWICE, "status": "degraded"})
def a_node_has_the_address_and_serves(fleet: Machines) -> None:
    """Another service than the one that is meant answers."""
    on_both(fleet)
    fleet.listen("web1", "::", 5432)


@twin("taken_for_own/on-both", flow=SHORT, slow=True)
def a_node_has_the_address_of_another_service(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip link add kube-ipvs0 type bridge; ip address add 10.0.2.99/32 dev kube-ipvs0")


UNMANAGED = Flow(server=None, timeout=1.0)
LOCAL: dict[str, Any] = {
    **{"code": "taken_for_own", "host": "web1", "leg": "syn", "segment": "client.route", "flow": SHORT, "slow": True},
    "says": ("a route of type local leads 10.0.2.21/32 there", "db1 has it on eth0", "SYN out by lo"),
}


def routed_to_itself(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip route add local 10.0.2.21/32 dev lo")


@fault("taken_for_own/local", "ECONNREFUSED", **LOCAL)
def a_route_of_type_local(fleet: Machines) -> None:
    """As nodes have that hand connections to a transparent proxy."""
    routed_to_itself(fleet)


@fault("taken_for_own/local/dropped", "timeout", **LOCAL)
def a_route_of_type_local_and_a_drop(fleet: Machines) -> None:
    routed_to_itself(fleet)
    fleet.nft("web1", "table inet f { chain p { type filter hook input priority 0; iif lo tcp dport 5432 drop; }\n}")


@fault("taken_for_own/local/reset", "ECONNREFUSED", **LOCAL)
def a_route_of_type_local_and_a_rejection(fleet: Machines) -> None:
    routed_to_itself(fleet)
    fleet.nft("web1", "table inet f { chain p { type filter hook input priority 0; iif lo tcp dport 5432 reject with tcp reset; }\n}")


@fault("taken_for_own/local/rejected", "ECONNREFUSED", **LOCAL)
def a_route_of_type_local_and_an_icmp_error(fleet: Machines) -> None:
    routed_to_itself(fleet)
    fleet.nft("web1", "table inet f { chain p { type filter hook input priority 0; iif lo tcp dport 5432 reject; }\n}")


@fault("taken_for_own/local/served", "connected", **{**LOCAL, "status": "degraded"})
def a_route_of_type_local_and_a_listener(fleet: Machines) -> None:
    """Another service than the one that is meant answers."""
    routed_to_itself(fleet)
    fleet.listen("web1", "0.0.0.0", 5432)


@fault("taken_for_own/local/unmanaged", "timeout", **{**LOCAL, "flow": UNMANAGED, "says": LOCAL["says"][:1] + LOCAL["says"][2:]})
def a_route_of_type_local_to_a_server_that_is_not_managed(fleet: Machines) -> None:
    a_route_of_type_local_and_a_drop(fleet)


@fault(
    "taken_for_own/local/answers",
    "timeout",
    code="taken_for_own",
    host="db1",
    leg="syn_ack",
    segment="server.route",
    says=("db1 takes 2001:db8:1::11 for its own, and keeps the SYN-ACK", "web1 has it on eth0", "SYN-ACK out by lo"),
    flow=Flow(DB1_V6, timeout=1.0),
    slow=True,
    **BRIEF,
)
def the_server_has_a_route_of_type_local(fleet: Machines) -> None:
    """Of IPv4 the kernel takes no SYN from such an address (martian_source)."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "db1", "ip route add local 2001:db8:1::11/128 dev lo")


AT_ROUTER: dict[str, Any] = {
    **{"code": "taken_for_own", "host": "r1", "leg": "syn", "segment": "path.forward", "flow": BY_R1, "slow": True},
    "says": ("r1 takes 10.0.2.21 for its own", "a route of type local leads 10.0.2.21/32 there", "db1 has it on eth0"),
}


def routed_to_the_router(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", "ip route add local 10.0.2.21/32 dev lo")


@fault("taken_for_own/local/router", "ECONNREFUSED", **AT_ROUTER)
def a_route_of_type_local_of_the_router(fleet: Machines) -> None:
    routed_to_the_router(fleet)


@fault("taken_for_own/local/router/dropped", "timeout", **AT_ROUTER)
def a_route_of_type_local_of_the_router_and_a_drop(fleet: Machines) -> None:
    routed_to_the_router(fleet)
    fleet.nft("r1", "table inet f { chain p { type filter hook input priority 10; ip daddr 10.0.2.21 drop; }\n}")


@fault("taken_for_own/local/router/served", "connected", **{**AT_ROUTER, "status": "degraded"})
def a_route_of_type_local_of_the_router_and_a_listener(fleet: Machines) -> None:
    routed_to_the_router(fleet)
    fleet.listen("r1", "0.0.0.0", 5432)


@twin("taken_for_own/local", flow=SHORT, slow=True)
def a_route_of_type_local_to_another_address(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip route add local 10.0.2.99/32 dev lo")
