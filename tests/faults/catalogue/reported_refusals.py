# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of policy rules that refuse packets by themselves, and of next hops of the other family, as people reported them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.faults.catalogue.reported import BY_R1, FORWARD, SHORT, shell
from tests.lab._machines import Machines

BACK: dict[str, Any] = {"code": "no_return_route", "host": "db1", "leg": "syn_ack", "segment": "server.route", "slow": True}
AT_CLIENT: dict[str, Any] = {"host": "web1", "leg": "syn", "segment": "client.route", "slow": True}


def kill_switch(fleet: Machines, host: str, kind: str = "unreachable", family: str = "") -> None:
    """Nothing but what is next door leaves beside the tunnel of table 75, which is down."""
    fleet.listen("db1", "::", 5432)
    rule = f"ip {family} rule add"
    shell(fleet, host, f"{rule} pref 74 lookup main suppress_prefixlength 0; {rule} pref 75 lookup 75; {rule} pref 76 {kind}")


@fault(
    "no_return_route/rule",
    "timeout",
    says=("policy rule 76 ('from all unreachable') refuses it", "ip rule add to 10.0.1.11/32 lookup main priority 75"),
    flow=SHORT,
    **BACK,
)
def a_kill_switch_refuses_the_answers(fleet: Machines) -> None:
    """https://github.com/Start9Labs/start-technologies/pull/4006: who connects from elsewhere gets no answer while the tunnel is down."""
    kill_switch(fleet, "db1")


@fault("no_return_route/rule-ipv6", "timeout", says=("policy rule 76", "ip -6 rule add"), flow=Flow(DB1_V6, timeout=1.0), **BACK)
def a_kill_switch_refuses_the_answers_by_ipv6(fleet: Machines) -> None:
    kill_switch(fleet, "db1", family="-6")


@twin("no_return_route/rule", flow=SHORT, slow=True)
def a_kill_switch_with_a_way_ahead_of_it(fleet: Machines) -> None:
    kill_switch(fleet, "db1")
    shell(fleet, "db1", "ip route add default via 10.0.2.1 table 75")


@fault(
    "no_route/rule", "ENETUNREACH", code="no_route", says=("policy rule 76 ('from all unreachable') refuses it",), flow=SHORT, **AT_CLIENT
)
def a_kill_switch_of_the_client(fleet: Machines) -> None:
    kill_switch(fleet, "web1")


@fault("route_prohibit/rule", "EACCES", code="route_prohibit", says=("policy rule 76", "of type prohibit"), flow=SHORT, **AT_CLIENT)
def a_rule_of_the_client_prohibits(fleet: Machines) -> None:
    kill_switch(fleet, "web1", "prohibit")


@fault("route_blackhole/rule", "EINVAL", code="route_blackhole", says=("policy rule 76", "of type blackhole"), flow=SHORT, **AT_CLIENT)
def a_rule_of_the_client_swallows(fleet: Machines) -> None:
    kill_switch(fleet, "web1", "blackhole")


@fault(
    "router_route/rule",
    "timeout",
    code="router_route",
    host="r1",
    certainties=("likely",),
    says=("policy rule 76 ('from all to 10.0.2.0/24 blackhole') on r1 refuses 10.0.2.21",),
    flow=BY_R1,
    slow=True,
    **FORWARD,
)
def a_rule_of_the_router_swallows(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", "ip rule add pref 76 to 10.0.2.0/24 blackhole")


# -- next hops of the other family


@fault(
    "neighbour_unresolved/other-family",
    "EHOSTUNREACH timeout",
    code="neighbour_unresolved",
    host="web1",
    leg="syn",
    segment="client.neighbour",
    says=("web1's neighbour solicitations for fe80::99 on eth0",),
    flow=Flow(timeout=4.0),
    slow=True,
)
def a_next_hop_of_ipv6_does_not_answer(fleet: Machines) -> None:
    """https://github.com/Netflix/titus-executor/pull/630"""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip route add 10.0.2.0/24 via inet6 fe80::99 dev eth0")


@twin("neighbour_unresolved/other-family", flow=SHORT, slow=True)
def a_next_hop_of_ipv6_answers(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    own = fleet.run("r1", ["sh", "-c", "ip -6 -o address show dev eth0 scope link | sed 's/.*inet6 //; s,/.*,,'"]).stdout.strip()
    shell(fleet, "web1", f"ip route add 10.0.2.0/24 via inet6 {own} dev eth0")
