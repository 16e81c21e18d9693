# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of rules that set the TTL of packets, as people reported them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.faults.catalogue.reported import BY_R1, FORWARD, SHORT, shell
from tests.lab._machines import Machines
from tests.lab.topologies import two_routers

LEAVES: dict[str, Any] = {"code": "ttl_too_low", "host": "web1", "leg": "syn", "segment": "client.egress", "slow": True}
ON_THE_WAY: dict[str, Any] = {"code": "ttl_too_low", "certainties": ("likely",), "topology": two_routers, "slow": True, **FORWARD}


def sets(fleet: Machines, host: str, ttl: int) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, host, f"iptables-nft -t mangle -A POSTROUTING -d {DB1} -p tcp -j TTL --ttl-set {ttl}")


@fault(
    "ttl_too_low/rule",
    "EHOSTUNREACH",
    says=("with a TTL of 1, as rule", "--ttl-set 1", "take it away"),
    flow=SHORT,
    **LEAVES,
)
def a_rule_sets_the_ttl(fleet: Machines) -> None:
    """https://github.com/ovh/overthebox-feeds/issues/632: the SYNs with rising TTLs have the same one, so that one router answers all."""
    sets(fleet, "web1", 1)


@twin("ttl_too_low/rule", flow=SHORT, slow=True)
def a_rule_sets_a_ttl_that_suffices(fleet: Machines) -> None:
    sets(fleet, "web1", 65)


@fault("ttl_too_low/rule-ipv6", "EHOSTUNREACH timeout", says=("ip6 hoplimit set 1",), flow=Flow(DB1_V6, timeout=1.0), **LEAVES)
def a_rule_sets_the_hop_limit(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.nft("web1", "table inet t { chain p { type filter hook postrouting priority 0; meta l4proto tcp ip6 hoplimit set 1; }\n}")


@fault(
    "ttl_too_low/router",
    "EHOSTUNREACH",
    host="r1",
    says=("comes to 10.0.3.2 with a TTL that is used up there", "r1 sets it, as rule", "take it away"),
    flow=BY_R1,
    **{**ON_THE_WAY, "certainties": ("proven",)},
)
def a_rule_of_the_router_sets_the_ttl(fleet: Machines) -> None:
    sets(fleet, "r1", 1)


@fault(
    "ttl_too_low/router/silent",
    "EHOSTUNREACH",
    host="r1",
    says=("comes to 10.0.3.2 with a TTL that is used up there", "r1 sets it, as rule", "SYN out with TTL 1"),
    flow=BY_R1,
    **{**ON_THE_WAY, "certainties": ("proven",)},
)
def a_rule_of_the_router_sets_the_ttl_and_errors_are_few(fleet: Machines) -> None:
    """Where a router sends few errors, no SYN with a rising TTL is answered."""
    sets(fleet, "r1", 1)
    fleet.sysctl("r2", "net.ipv4.icmp_ratelimit", 20000)


@fault(
    "routing_loop/past-a-rule",
    "EHOSTUNREACH",
    code="routing_loop",
    host="path",
    certainties=("proven", "likely"),
    flow=Flow("10.0.9.9", server=None, via=("r1",), timeout=1.0),
    topology=two_routers,
    slow=True,
    **FORWARD,
)
def a_rule_sets_the_ttl_of_others(fleet: Machines) -> None:
    """The healthy part of it: what goes round has a normal TTL."""
    shell(fleet, "r1", f"iptables-nft -t mangle -A POSTROUTING -d {DB1} -p tcp -j TTL --ttl-set 1")
    fleet.run("r1", ["ip", "route", "add", "10.0.9.0/24", "via", "10.0.3.2"])
    fleet.run("r2", ["ip", "route", "add", "10.0.9.0/24", "via", "10.0.3.1"])


@fault(
    "ttl_too_low/unseen",
    "EHOSTUNREACH",
    host="path",
    says=("something between web1 and it sets it",),
    flow=SHORT,
    **ON_THE_WAY,
)
def something_on_the_way_sets_the_ttl(fleet: Machines) -> None:
    sets(fleet, "r1", 1)


@fault(
    "ttl_too_low/hides-a-loop",
    "EHOSTUNREACH",
    certainties=("likely",),
    also=("routing_loop",),
    flow=Flow("10.0.9.9", server=None, timeout=1.0),
    topology=two_routers,
    **LEAVES,
)
def a_rule_hides_a_loop(fleet: Machines) -> None:
    """All SYNs go round as often, so that one router answers all: which TTL they would need is not to be known."""
    shell(fleet, "web1", "iptables-nft -t mangle -A POSTROUTING -d 10.0.9.9 -p tcp -j TTL --ttl-set 20")
    fleet.run("r1", ["ip", "route", "add", "10.0.9.0/24", "via", "10.0.3.2"])
    fleet.run("r2", ["ip", "route", "add", "10.0.9.0/24", "via", "10.0.3.1"])
