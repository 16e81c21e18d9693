# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Next hops that people reported to public trackers, rebuilt; each fault names its report."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.reported import shell
from tests.lab._machines import Machines

HANGS: dict[str, Any] = {"status": "broken", "leg": "syn", "segment": "client.neighbour", "host": "web1", "code": "neighbour_unresolved"}


@fault(
    "neighbour_unresolved/multipath",
    "connected EHOSTUNREACH timeout",
    says=("10.0.1.9", "one of 2 next hops of the route to 10.0.2.0/24", "take it out of the next hops"),
    flow=Flow(timeout=4.0),
    options={"diagnose_attempts": 8},
    **{**HANGS, "status": "degraded"},
)
def one_of_two_gateways_is_gone(fleet: Machines) -> None:
    """https://github.com/FRRouting/frr/issues/9720: connections fail by the next hop that they get."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "echo 1 > /proc/sys/net/ipv4/fib_multipath_hash_policy")
    shell(fleet, "web1", "ip route add 10.0.2.0/24 nexthop via 10.0.1.1 nexthop via 10.0.1.9")


GUEST = "10.0.1.50"


def guest(fleet: Machines, kind: str) -> None:
    """A container of web1's own on a link on top of eth0."""
    shell(
        fleet,
        "web1",
        f"""
        ip netns add guest; ip link add upper link eth0 type {kind} mode bridge; ip link set upper netns guest
        ip -n guest link set upper up; ip -n guest address add {GUEST}/24 dev upper
        """,
    )
    serve = ["ip", "netns", "exec", "guest", fleet.python, "-B", str(fleet.tools / "serve.py"), "0.0.0.0", "5432"]
    fleet.popen("web1", serve).await_answer()


@fault(
    "neighbour_unresolved/macvlan",
    "EHOSTUNREACH timeout",
    says=("on web1 has, in another network namespace: on a macvlan", "type macvlan mode bridge"),
    flow=Flow(GUEST, server=None, timeout=4.0),
    **HANGS,
)
def a_host_and_its_own_macvlan(fleet: Machines) -> None:
    """https://github.com/moby/libnetwork/issues/1915: the kernel hands nothing between a link and the macvlans on top of it."""
    guest(fleet, "macvlan")


@twin("neighbour_unresolved/macvlan", flow=Flow(GUEST, server=None))
def the_host_has_a_macvlan_as_well(fleet: Machines) -> None:
    """What is advised."""
    guest(fleet, "macvlan")
    shell(
        fleet,
        "web1",
        f"ip link add eth0-host link eth0 type macvlan mode bridge; ip link set eth0-host up; ip route add {GUEST}/32 dev eth0-host",
    )


@fault(
    "no_route/on-link",
    "ENETUNREACH",
    status="broken",
    leg="syn",
    segment="client.route",
    host="web1",
    code="no_route",
    says=("10.0.1.11/32 on eth0 has no network", "via GATEWAY dev eth0 onlink"),
)
def an_address_without_a_network(fleet: Machines) -> None:
    """https://github.com/OpenNebula/one-apps/issues/124: the gateway is no neighbour by any prefix, so that the route was refused."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip address flush dev eth0 scope global; ip address add 10.0.1.11/32 dev eth0")


@twin("no_route/on-link")
def a_gateway_that_is_said_to_be_next_door(fleet: Machines) -> None:
    """What is advised."""
    an_address_without_a_network(fleet)
    shell(fleet, "web1", "ip route add 10.0.2.21 via 10.0.1.1 dev eth0 onlink")
    shell(fleet, "r1", "ip route replace 10.0.1.11 dev eth0")
