# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reported faults at which the obvious setting is as it should be, and something beside it is not."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import BY_R1, FORWARD, shell
from tests.lab._machines import Machines

# -- ECN, for which a route has the client ask, and not its sysctl

REFUSED = "reject with tcp reset"


def asks_by_route(fleet: Machines, what: str) -> None:
    """Something at the server, which nobody manages, takes no SYN that asks for ECN."""
    flags = "tcp flags & (syn | ecn | cwr) == syn | ecn | cwr"
    fleet.listen("db1", "0.0.0.0", 5432)
    fleet.nft("db1", f"table ip a {{ chain p {{ type filter hook prerouting priority -150; tcp dport 5432 {flags} {what}; }}; }}")
    fleet.sysctl("web1", "net.ipv4.tcp_ecn", 2)
    shell(fleet, "web1", f"ip route add {DB1}/32 via 10.0.1.1 features ecn")


@fault(
    "no_listener/ecn",
    "ECONNREFUSED",
    code="no_listener",
    host="path",
    leg="syn",
    segment="server.socket",
    certainties=("possible",),
    says=("takes no SYN with ECN, for which all of these ask", "a route with features ecn"),
    flow=Flow(server=None, timeout=1.0),
    slow=True,
    **BRIEF,
)
def a_small_stack_refuses_ecn(fleet: Machines) -> None:
    """https://github.com/cesanta/mongoose/issues/3402"""
    asks_by_route(fleet, REFUSED)


@twin("no_listener/ecn", flow=Flow(server=None, timeout=1.0), slow=True, **BRIEF)
def a_small_stack_is_not_asked_for_ecn(fleet: Machines) -> None:
    """What is advised."""
    asks_by_route(fleet, REFUSED)
    shell(fleet, "web1", f"ip route change {DB1}/32 via 10.0.1.1")


@fault(
    "ecn_blackhole/by-route",
    "connected",
    status="degraded",
    code="ecn_blackhole",
    host="path",
    certainties=("likely",),
    says=("take features ecn from the route (10.0.2.21/32 via 10.0.1.1 dev eth0) of web1",),
    flow=Flow(timeout=2.0),
    slow=True,
    **FORWARD,
)
def a_route_asks_for_ecn(fleet: Machines) -> None:
    """net.ipv4.tcp_ecn is what the advice for the sysctl has it set to."""
    fleet.listen("db1", "0.0.0.0", 5432)
    fleet.nft("r1", "table ip a { chain p { type filter hook prerouting priority -150; tcp flags & (ecn | cwr) == ecn | cwr drop; }; }")
    fleet.sysctl("web1", "net.ipv4.tcp_ecn", 2)
    shell(fleet, "web1", f"ip route add {DB1}/32 via 10.0.1.1 features ecn")


# -- a route that puts packets into others, so that none is seen to leave

SEGMENT = "2001:db8:99::1"


def by_segment(fleet: Machines, known: bool) -> None:
    """web1 sends to db1 by a segment of SRv6, which r1 may know."""
    fleet.listen("db1", "::", 5432)
    if known:
        shell(fleet, "r1", "sysctl -qw net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.eth0.seg6_enabled=1")
        shell(fleet, "r1", f"ip -6 route add {SEGMENT}/128 encap seg6local action End.DT6 table 254 dev eth1")
    shell(fleet, "web1", "ip -6 route add 2001:db8:99::/64 via 2001:db8:1::1")
    shell(fleet, "web1", f"ip -6 route add {DB1_V6}/128 encap seg6 mode encap segs {SEGMENT} via 2001:db8:1::1 dev eth0")


@fault(
    "tunnel_drop/segment",
    "timeout",
    code="tunnel_drop",
    host="path",
    leg="syn",
    segment="client.egress",
    certainties=("likely",),
    says=("a route of web1 puts the SYN into other packets (seg6: 2001:db8:2::21/128 via 2001:db8:1::1 dev eth0)",),
    flow=Flow(DB1_V6, timeout=1.0),
    slow=True,
    **BRIEF,
)
def nobody_knows_the_segment(fleet: Machines) -> None:
    """https://github.com/netgroup/srv6-mininet-extensions/issues/3"""
    by_segment(fleet, known=False)


@twin("tunnel_drop/segment", flow=Flow(DB1_V6, timeout=1.0), slow=True, **BRIEF)
def the_router_knows_the_segment(fleet: Machines) -> None:
    """That no SYN is seen to leave does not mean that a proxy of the client took it."""
    by_segment(fleet, known=True)


# -- the local table, which nobody looks at

TAKEN_AWAY = f"ip route delete local {DB1} dev eth0 table local"
NOT_LOCAL: dict[str, Any] = {"host": "db1", "leg": "syn", "flow": BY_R1, **BRIEF}


@fault(
    "no_local_route",
    "timeout",
    code="no_local_route",
    segment="server.route",
    says=("its local table has no route for it", "ip route add local 10.0.2.21 dev eth0 table local"),
    **NOT_LOCAL,
)
def the_local_table_lacks_the_address(fleet: Machines) -> None:
    """https://github.com/jwbensley/EtherateMT/issues/54, where it is deleted on purpose. The router knows the server from before."""
    fleet.listen("db1", "0.0.0.0", 5432)
    mac = fleet.link_address("db1")
    shell(fleet, "r1", f"ip neigh replace {DB1} lladdr {mac} dev eth1 nud permanent")
    shell(fleet, "db1", TAKEN_AWAY)


@fault(
    "neighbour_silent/no-local-route",
    "timeout EHOSTUNREACH",
    code="neighbour_silent",
    segment="server.ingress",
    says=("its local table has no route for that address", "ip route add local 10.0.2.21 dev eth0 table local"),
    slow=True,
    **NOT_LOCAL,
)
def arp_asks_the_local_table_as_well(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432)
    shell(fleet, "db1", TAKEN_AWAY)


@fault(
    "no_local_route/own",
    "timeout EHOSTUNREACH",
    code="no_local_route",
    host="web1",
    leg="syn",
    segment="client.route",
    says=("what it sends to its own address 10.0.1.11", "ip route add local 10.0.1.11 dev eth0 table local"),
    also=("neighbour_unresolved",),
    flow=Flow("10.0.1.11", server="web1", timeout=1.0),
    slow=True,
    **BRIEF,
)
def the_client_asks_others_for_its_own_address(fleet: Machines) -> None:
    fleet.listen("web1", "0.0.0.0", 5432)
    fleet.run("web1", ["ip", "route", "delete", "local", "10.0.1.11", "table", "local"])


@twin("no_local_route", flow=BY_R1, **BRIEF)
def the_local_table_lacks_another_address(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432)
    shell(fleet, "db1", "ip addr add 10.0.2.98/24 dev eth0; ip route delete local 10.0.2.98 dev eth0 table local")


# -- a server that forwards, and has no default route since


def forwards(fleet: Machines, accept_ra: int, and_then: str = ":") -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "db1", f"sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.eth0.accept_ra={accept_ra}; {and_then}")


@fault(
    "no_return_route/deaf",
    "timeout",
    code="no_return_route",
    host="db1",
    leg="syn_ack",
    segment="server.route",
    says=("a host that forwards ignores router advertisements", "net.ipv6.conf.eth0.accept_ra=2"),
    flow=Flow(DB1_V6, timeout=1.0),
    slow=True,
    **BRIEF,
)
def docker_has_the_server_forward(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/43466"""
    forwards(fleet, 1, "ip -6 route delete default")


@twin("no_return_route/deaf", flow=Flow(DB1_V6, timeout=1.0), slow=True, **BRIEF)
def docker_has_the_server_forward_and_listen(fleet: Machines) -> None:
    forwards(fleet, 2)
