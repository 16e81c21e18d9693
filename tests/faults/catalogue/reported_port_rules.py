# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy rules that ask for a port, as people asked for them: https://github.com/systemd/systemd/issues/10622."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import BY_R1, FORWARD, SHORT, shell
from tests.faults.catalogue.reported_policies import SWALLOWS
from tests.lab._machines import Machines

TO_PORT = "ip rule add ipproto tcp dport 5432 priority 100"
NOWHERE = "ip route add unreachable default table 77"
AT_CLIENT: dict[str, Any] = {"host": "web1", "leg": "syn", "segment": "client.route", "flow": SHORT, **BRIEF}


def ruled(fleet: Machines, host: str, script: str) -> None:
    fleet.listen("db1", "0.0.0.0", 5432)
    shell(fleet, host, script)


def tunnelled(fleet: Machines, host: str, rule: str) -> None:
    """What has that port leaves by a VPN that leads nowhere."""
    fleet.listen("db1", "0.0.0.0", 5432)
    fleet.popen(host, [fleet.interpreter(host), "-c", SWALLOWS]).await_answer()
    shell(fleet, host, f"ip addr add 10.8.0.2/24 dev tun0; ip link set tun0 up; ip route add default dev tun0 table 77; {rule}")


@fault(
    "route_prohibit/of-port",
    "EACCES",
    code="route_prohibit",
    says=("policy rule 100 ('from all ipproto tcp dport 5432 prohibit')",),
    slow=True,
    **AT_CLIENT,
)
def a_rule_prohibits_a_port(fleet: Machines) -> None:
    """That it is no security module the kernel says only where it is asked about that very port."""
    ruled(fleet, "web1", f"{TO_PORT} prohibit")


@fault(
    "route_unreachable/of-port",
    "EHOSTUNREACH",
    code="route_unreachable",
    says=("a route of type unreachable (table 77, by policy rule 100)", "rule 100: from all ipproto tcp dport 5432 lookup 77"),
    slow=True,
    **AT_CLIENT,
)
def a_table_for_a_port_leads_nowhere(fleet: Machines) -> None:
    ruled(fleet, "web1", f"{TO_PORT} lookup 77; {NOWHERE}")


@twin("route_unreachable/of-port", flow=SHORT, slow=True, **BRIEF)
def a_table_for_other_ports_leads_nowhere(fleet: Machines) -> None:
    ruled(fleet, "web1", f"ip rule add ipproto tcp dport 5433 lookup 77; ip rule add ipproto udp dport 5432 lookup 77; {NOWHERE}")


@fault(
    "router_route/of-port",
    "EHOSTUNREACH",
    code="router_route",
    host="r1",
    certainties=("likely",),
    says=("(table 77, by policy rule 100), for 10.0.2.21",),
    flow=BY_R1,
    slow=True,
    **FORWARD,
)
def a_table_of_the_router_for_a_port_leads_nowhere(fleet: Machines) -> None:
    ruled(fleet, "r1", f"{TO_PORT} lookup 77; {NOWHERE}")


@fault(
    "tunnel_drop/of-port",
    "timeout",
    code="tunnel_drop",
    host="path",
    certainties=("likely",),
    says=("0.0.0.0/0 dev tun0 (table 77, by policy rule 100)",),
    flow=SHORT,
    slow=True,
    **FORWARD,
)
def what_goes_to_a_port_leaves_by_a_vpn(fleet: Machines) -> None:
    """https://github.com/RMerl/asuswrt-merlin/issues/1229"""
    tunnelled(fleet, "web1", f"{TO_PORT} lookup 77")


@fault(
    "asymmetric_route/of-port",
    "timeout",
    code="asymmetric_route",
    host="db1",
    leg="syn_ack",
    segment="path.return",
    certainties=("likely",),
    says=("leaves by tun0 (table 77, by policy rule 100)", "rule 100: from all ipproto tcp sport 5432 lookup 77"),
    flow=SHORT,
    slow=True,
    **BRIEF,
)
def what_comes_from_a_port_leaves_by_a_vpn(fleet: Machines) -> None:
    """The server of that port answers nobody beside the VPN."""
    tunnelled(fleet, "db1", "ip rule add ipproto tcp sport 5432 lookup 77 priority 100; sysctl -qw net.ipv4.conf.eth0.rp_filter=0")


@twin("asymmetric_route/of-port", flow=Flow(timeout=1.0), slow=True, **BRIEF)
def what_comes_from_another_port_leaves_by_a_vpn(fleet: Machines) -> None:
    tunnelled(fleet, "db1", "ip rule add ipproto tcp sport 5433 lookup 77 priority 100")
