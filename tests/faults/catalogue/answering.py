# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers that answer for an address which they lead elsewhere."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import shell
from tests.lab._machines import Machines

NEXT_DOOR: dict[str, Any] = {"flow": Flow("10.0.1.12", server="web2", via=("r1",), timeout=1.0), **BRIEF}


def answers(fleet: Machines, host: str, route: str, sender: str) -> None:
    """`host` answers for everybody whom its routes lead elsewhere, faster than whoever has the address."""
    for key, value in (("conf.eth0.proxy_arp", 1), ("neigh.eth0.proxy_delay", 0)):
        fleet.sysctl(host, f"net.ipv4.{key}", value)
    shell(fleet, host, route)
    shell(fleet, sender, "ip neighbour flush dev eth0")


@fault(
    "proxy_answers",
    "timeout EHOSTUNREACH",
    code="proxy_answers",
    host="r1",
    leg="syn",
    segment="client.neighbour",
    says=("net.ipv4.conf.eth0.proxy_arp is 1", "leads it by 10.0.1.12/32 dev eth1", "ip route delete 10.0.1.12/32 dev eth1"),
    **NEXT_DOOR,
)
def a_host_route_of_before(fleet: Machines) -> None:
    """web2 was behind another router once."""
    fleet.listen("web2", "::", 5432)
    fleet.relay("web2", "eth0", outbound={"delay": 0.05})
    answers(fleet, "r1", "ip route add 10.0.1.12/32 dev eth1", "web1")


@twin("proxy_answers", **NEXT_DOOR)
def answers_for_others_only(fleet: Machines) -> None:
    fleet.listen("web2", "::", 5432)
    fleet.relay("web2", "eth0", outbound={"delay": 0.05})
    answers(fleet, "r1", "ip route add 10.0.1.13/32 dev eth1", "web1")


@twin("proxy_answers/behind", flow=Flow(via=("r1",)), slow=True)
def answers_for_what_is_behind_it(fleet: Machines) -> None:
    """What it is for: web1 takes db1 for a neighbour."""
    fleet.listen("db1", "::", 5432)
    answers(fleet, "r1", "true", "web1")
    shell(fleet, "web1", "ip route add 10.0.2.0/24 dev eth0")


@fault(
    "proxy_answers/no-network",
    "timeout EHOSTUNREACH",
    code="proxy_answers",
    host="r1",
    leg="syn",
    segment="client.neighbour",
    says=("leads it by 0.0.0.0/0 via 10.0.2.22 dev eth1", "not answer for 10.0.1.12 on eth0", "ip neigh flush to 10.0.1.12 dev eth0"),
    slow=True,
    **NEXT_DOOR,
)
def it_has_no_address_there(fleet: Machines) -> None:
    """https://github.com/threefoldtech/zos/pull/544"""
    fleet.listen("web2", "::", 5432)
    fleet.relay("web2", "eth0", outbound={"delay": 0.05})
    answers(fleet, "r1", "ip -4 address flush dev eth0; ip route add default via 10.0.2.22", "web1")


@fault(
    "proxy_answers/back",
    "timeout",
    code="proxy_answers",
    host="r1",
    leg="syn_ack",
    segment="server.egress",
    says=("answers on eth0 for 10.0.1.11, which is web1's",),
    slow=True,
    **NEXT_DOOR,
)
def the_way_back(fleet: Machines) -> None:
    """web1 does not ask for web2, from which web2 would learn its link address."""
    fleet.listen("web2", "::", 5432)
    fleet.relay("web1", "eth0", outbound={"delay": 0.05})
    mac = fleet.link_address("web2")
    shell(fleet, "web1", f"ip neigh replace 10.0.1.12 lladdr {mac} dev eth0 nud permanent")
    answers(fleet, "r1", "ip route add 10.0.1.11/32 dev eth1", "web2")


def in_two_parts(fleet: Machines) -> None:
    """What it is for, too: r1 joins two networks with one prefix, and leads to db1 where db1 is."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "db1", "ip address add 10.0.1.21/24 dev eth0")
    fleet.sysctl("r1", "net.ipv4.conf.eth1.proxy_arp", 1)
    answers(fleet, "r1", "ip route add 10.0.1.21/32 dev eth1", "web1")


JOINED: dict[str, Any] = {"leg": "syn", "flow": Flow("10.0.1.21", server="db1", via=("r1",), timeout=1.0), **BRIEF}


@fault("firewall_drop/joined", "timeout", code="firewall_drop", host="r1", segment="path.forward", slow=True, **JOINED)
def dropped_by_who_joins_two_networks(fleet: Machines) -> None:
    in_two_parts(fleet)
    fleet.nft(
        "r1",
        """table inet f {
        chain f { type filter hook forward priority 0; tcp dport 5432 counter drop; }
    }""",
    )


@fault(
    "path_drop/joined",
    "timeout",
    code="path_drop",
    host="r1",
    segment="path.forward",
    certainties=("likely",),
    says=("does not know the link address of 10.0.1.21 on eth1",),
    slow=True,
    **JOINED,
)
def cut_off_behind_who_joins_two_networks(fleet: Machines) -> None:
    """r1 asks for it where it is, in vain, and its own rules keep it from saying so."""
    cut_off(fleet)
    fleet.nft("r1", "table inet f {\n chain f {\n type filter hook output priority 0; ip protocol icmp drop\n }\n}\n")


@fault(
    "path_icmp_unreachable/joined",
    "timeout EHOSTUNREACH",
    code="path_icmp_unreachable",
    host="r1",
    segment="path.forward",
    says=("which does not answer its requests",),
    slow=True,
    **JOINED,
)
def given_up_by_who_joins_two_networks(fleet: Machines) -> None:
    cut_off(fleet)


def cut_off(fleet: Machines) -> None:
    in_two_parts(fleet)
    fleet.sysctl("r1", "net.ipv4.neigh.eth1.retrans_time_ms", 100)  # soon enough for all attempts
    fleet.relay("db1", "eth0", inbound={"loss": 1.0})
