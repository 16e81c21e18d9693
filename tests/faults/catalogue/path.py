# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults between the hosts: at routers that are not managed, and at ones that are."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall import PURE_ACK, SYN_ACK, chain
from tests.lab._machines import Machines
from tests.lab.topologies import two_routers

VIA = Flow(via=("r1",))


def at_router(rule: str, fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.nft("r1", chain("forward", rule))


def on_the_way(name: str, rule: str, kernel: str, code: str, leg: str, segment: str, flow: Flow | None = None, says: str = "") -> None:
    more: dict[str, Any] = {"flow": flow or Flow(), "says": (says,), "packed": "path"}

    @fault(name, kernel, code=code, host="path", leg=leg, segment=segment, **more)
    def make(fleet: Machines) -> None:
        at_router(rule, fleet)


on_the_way("path_drop/syn", "tcp dport $port drop", "timeout", "path_drop", "syn", "path.forward")
on_the_way("path_drop/syn-ipv6", "tcp dport $port drop", "timeout", "path_drop", "syn", "path.forward", flow=Flow(DB1_V6))
on_the_way(
    "path_drop/syn-ack",
    f"tcp sport $port {SYN_ACK} drop",
    "timeout",
    "path_drop",
    "syn_ack",
    "path.return",
    says="the last hop that answers is 10.0.2.1 (hop 1), and from hop 2 on",
)
on_the_way("path_drop/ack", f"tcp dport $port {PURE_ACK} drop", "connected", "path_drop", "ack", "path.forward")
on_the_way("path_reset", "tcp dport $port reject with tcp reset", "ECONNREFUSED", "path_reset", "syn", "path.forward")
on_the_way(
    "path_icmp_rejected", "tcp dport $port reject with icmpx admin-prohibited", "EHOSTUNREACH", "path_icmp_rejected", "syn", "path.forward"
)
on_the_way("path_icmp_rejected/port", "tcp dport $port reject", "ECONNREFUSED", "path_icmp_rejected", "syn", "path.forward")
on_the_way(
    "path_icmp_rejected/ipv6",
    "tcp dport $port reject with icmpx admin-prohibited",
    "EACCES",
    "path_icmp_rejected",
    "syn",
    "path.forward",
    flow=Flow(DB1_V6),
)


@twin("path_drop", slow=True)
def router_drops_others(fleet: Machines) -> None:
    at_router("tcp dport 5433 drop; ip saddr 10.0.1.12 drop", fleet)


@twin("path_drop/managed", flow=VIA, packed="path")
def managed_router(fleet: Machines) -> None:
    at_router("tcp dport 5433 drop", fleet)


@fault("path_no_route", "ENETUNREACH", code="path_no_route", host="path", leg="syn", segment="path.forward")
def router_without_route(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.run("r1", ["ip", "route", "delete", "10.0.2.0/24"])


@fault(
    "path_no_route/ipv6", "ENETUNREACH", code="path_no_route", host="path", leg="syn", segment="path.forward", flow=Flow(DB1_V6), slow=True
)
def router_without_route_ipv6(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.run("r1", ["ip", "-6", "route", "delete", "2001:db8:2::/64"])


@fault(
    "path_icmp_unreachable",
    "timeout EHOSTUNREACH",
    code="path_icmp_unreachable",
    host="path",
    leg="syn",
    segment="path.forward",
    flow=Flow("10.0.2.99", server=None),
)
def nobody_there(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)


@fault(
    "routing_loop",
    "EHOSTUNREACH",
    code="routing_loop",
    host="path",
    leg="syn",
    segment="path.forward",
    topology=two_routers,
    flow=Flow("10.0.9.9", server=None),
)
def routers_point_at_each_other(fleet: Machines) -> None:
    fleet.run("r1", ["ip", "route", "add", "10.0.9.0/24", "via", "10.0.3.2"])
    fleet.run("r2", ["ip", "route", "add", "10.0.9.0/24", "via", "10.0.3.1"])


@fault(
    "router_not_forwarding",
    "timeout",
    code="router_not_forwarding",
    host="r1",
    leg="syn",
    segment="path.forward",
    flow=VIA,
)
def forwarding_off(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.sysctl("r1", "net.ipv4.ip_forward", 0)


@fault(
    "path_loss",
    "",
    status="degraded",
    code="path_loss",
    host="path",
    leg="syn",
    segment="path.forward",
    options={"diagnose_attempts": 20, "diagnose_interval": 0.05},
)
def lossy_way(fleet: Machines) -> None:
    at_router("tcp dport $port tcp flags syn numgen random mod 100 < 50 drop", fleet)


@fault(
    "answered_by_middlebox",
    "connected",
    status="degraded",
    code="answered_by_middlebox",
    host="path",
    leg="syn",
    segment="path.forward",
)
def transparent_proxy(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.listen("r1", "0.0.0.0", 3128)
    fleet.nft("r1", "table ip nat { chain prerouting { type nat hook prerouting priority -100; tcp dport $port redirect to :3128; }\n}")


@fault("nat_not_undone", "timeout", code="nat_not_undone", host="path", leg="syn_ack", segment="path.return")
def source_translated_on_the_way_back(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    rules = f"tcp sport $port {SYN_ACK} ip saddr set 10.0.2.200"
    fleet.nft("r1", f"table ip raw {{ chain prerouting {{ type filter hook prerouting priority -300; {rules}; }}\n}}")


@twin("nat", flow=Flow("10.0.2.200", dial="10.0.2.200"))
def translated_both_ways(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.nft(
        "r1", f"table ip nat {{ chain prerouting {{ type nat hook prerouting priority -100; ip daddr 10.0.2.200 dnat to {DB1}; }}\n}}"
    )


@fault(
    "option_altered",
    "connected",
    status="degraded",
    code="option_altered",
    host="path",
    segment="path.forward",
)
def clamped_mss(fleet: Machines) -> None:
    at_router("tcp flags syn tcp option maxseg size set 1200", fleet)


@fault(
    "ecn_blackhole",
    "connected",
    status="degraded",
    code="ecn_blackhole",
    host="path",
    leg="syn",
    segment="path.forward",
    certainties=("likely",),
)
def ecn_dropped(fleet: Machines) -> None:
    fleet.sysctl("web1", "net.ipv4.tcp_ecn", 1)
    at_router("tcp flags & (syn|ecn|cwr) == syn|ecn|cwr drop", fleet)


@fault(
    "path_slow",
    "connected",
    status="degraded",
    code="path_slow",
    host="path",
    segment="path.forward",
    flow=Flow(timeout=6.0),
)
def slower_than_the_first_retransmission(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.relay("web1", "eth0", outbound={"delay": 1.2})


@twin("duplicates", slow=True)
def everything_twice(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.relay("web1", "eth0", outbound={"duplicate": 1.0}, inbound={"duplicate": 1.0})


@fault("nat_wrong_target", "timeout", code="nat_wrong_target", host="r1", leg="syn", segment="path.forward", flow=VIA)
def translated_to_another_host(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.nft("db2", chain("input", "tcp dport $port drop"))
    rule = f"ip daddr {DB1} tcp dport $port dnat to 10.0.2.22"
    fleet.nft("r1", f"table ip nat {{ chain prerouting {{ type nat hook prerouting priority -100; {rule}; }}\n}}")


@fault(
    "router_not_forwarding/interface",
    "timeout",
    code="router_not_forwarding",
    host="r1",
    leg="syn",
    segment="path.forward",
    flow=VIA,
    slow=True,
)
def forwarding_off_on_one_interface(fleet: Machines) -> None:
    fleet.listen("db1", "::", fleet.port)
    fleet.sysctl("r1", "net.ipv4.conf.eth0.forwarding", 0)


def sends_as_a_pod(fleet: Machines) -> None:
    """The SYN has the source of a network of web1's own, to which no router has a way."""
    fleet.listen("db1", "::", fleet.port)
    fleet.run("web1", ["sh", "-ec", "ip link add cni0 type bridge; ip address add 192.168.50.11/24 dev cni0; ip link set cni0 up"])
    fleet.run("web1", ["ip", "route", "replace", "10.0.2.0/24", "via", "10.0.1.1", "dev", "eth0", "src", "192.168.50.11"])


BACK = {"leg": "syn_ack", "segment": "path.return"}


@fault("path_no_route/back", "timeout", code="path_no_route", host="path", says=("192.168.50.11", "masquerading"), slow=True, **BACK)
def source_not_masqueraded(fleet: Machines) -> None:
    sends_as_a_pod(fleet)


@fault("path_no_route/back-via", "timeout", code="path_no_route", host="r1", says=("192.168.50.11",), flow=VIA, slow=True, **BACK)
def source_not_masqueraded_at_a_managed_router(fleet: Machines) -> None:
    sends_as_a_pod(fleet)


@fault("path_icmp_rejected/back", "timeout", code="path_icmp_rejected", host="path", says=("SYN-ACK",), slow=True, **BACK)
def answers_rejected(fleet: Machines) -> None:
    at_router(f"tcp sport $port {SYN_ACK} reject with icmpx admin-prohibited", fleet)


@fault(
    "path_icmp_unreachable/answered-for",
    "EHOSTUNREACH timeout",
    code="path_icmp_unreachable",
    host="r1",
    leg="syn",
    segment="path.forward",
    flow=Flow("10.0.1.50", server=None, via=("r1",), timeout=4.0),
    slow=True,
)
def a_router_answers_for_an_address_that_nobody_has(fleet: Machines) -> None:
    """web1 takes it for a neighbour, and the router for one of its other network."""
    fleet.sysctl("r1", "net.ipv4.conf.eth0.proxy_arp", 1)
    fleet.run("r1", ["ip", "route", "add", "10.0.1.50/32", "dev", "eth1"])
