# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reported faults of policy rules, for the user of a service, with a table that leaves it to others, or without the usual one; and of links
that are off, or have no carrier."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import SHORT, shell
from tests.faults.catalogue.reported_policies import SWALLOWS
from tests.lab._machines import Machines

# -- a service that runs as a user whose packets leave by a VPN

UID, OTHER = 1, 2  # of daemon, and of bin
OWNED: dict[str, Any] = {"host": "db1", "leg": "syn_ack", "flow": SHORT, "slow": True, "root": True, **BRIEF}


def owned(fleet: Machines, uid: int, table: str) -> None:
    """A service runs as a user; what one user sends is led by a table of its own."""
    server = [fleet.interpreter("db1"), "-B", str(fleet.tools / "serve.py"), "0.0.0.0", "5432"]
    fleet.popen("db1", ["setpriv", f"--reuid={UID}", "--clear-groups", "--", *server]).await_answer()
    fleet.popen("db1", [fleet.interpreter("db1"), "-c", SWALLOWS]).await_answer()
    shell(fleet, "db1", "ip addr add 10.8.0.2/24 dev tun0; ip link set tun0 up; sysctl -qw net.ipv4.conf.eth0.rp_filter=0")
    shell(fleet, "db1", f"ip route add {table} table 100; ip rule add uidrange {uid}-{uid} lookup 100 priority 1000")


@fault(
    "asymmetric_route/of-owner",
    "timeout",
    code="asymmetric_route",
    segment="path.return",
    certainties=("likely",),
    says=("leaves by tun0 (table 100, by policy rule 1000)", "rule 1000: from all uidrange 1-1 lookup 100"),
    **OWNED,
)
def what_the_service_sends_leaves_by_a_vpn(fleet: Machines) -> None:
    """https://github.com/hardkernel/linux/issues/409 has such rules: meant for downloads, they catch a service's answers, too."""
    owned(fleet, UID, "default dev tun0")


@fault(
    "no_return_route/of-owner",
    "timeout",
    code="no_return_route",
    segment="server.route",
    says=("table 100",),
    **OWNED,
)
def the_vpn_of_the_services_user_is_down(fleet: Machines) -> None:
    """What the kernel answers for packets of root says nothing of those of the service."""
    owned(fleet, UID, "unreachable default")


@twin("asymmetric_route/of-owner", flow=SHORT, slow=True, root=True, **BRIEF)
def what_another_user_sends_leaves_by_a_vpn(fleet: Machines) -> None:
    owned(fleet, OTHER, "default dev tun0")


# -- tables

AT_CLIENT: dict[str, Any] = {"code": "no_route", "host": "web1", "leg": "syn", "segment": "client.route", "flow": SHORT, **BRIEF}
BESIDE_VPN = "ip route add default via 10.0.1.1 table 100; ip route add throw 10.0.2.0/24 table 100; ip rule add lookup 100 priority 100"


def led(fleet: Machines, script: str) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", script)


@fault(
    "no_route/throw",
    "ENETUNREACH",
    says=("route throw 10.0.2.0/24 (table 100, by policy rule 100) leaves it to the rules that follow",),
    slow=True,
    **AT_CLIENT,
)
def what_passes_by_the_vpn_has_no_way(fleet: Machines) -> None:
    """https://github.com/strongswan/strongswan/pull/165 has such routes for what is to pass by a VPN."""
    led(fleet, f"{BESIDE_VPN}; ip route delete default")


@twin("no_route/throw", flow=SHORT, slow=True, **BRIEF)
def what_passes_by_the_vpn_has_its_way(fleet: Machines) -> None:
    led(fleet, BESIDE_VPN)


@fault(
    "no_route/without-main",
    "ENETUNREACH",
    says=("no policy rule leads to table main", "ip rule add lookup main priority 32766"),
    slow=True,
    **AT_CLIENT,
)
def the_rule_for_table_main_is_deleted(fleet: Machines) -> None:
    """https://github.com/svinota/pyroute2/issues/158: who flushes policy rules takes this one away. Another route would change nothing."""
    led(fleet, "ip rule delete priority 32766")


@fault(
    "no_return_route/without-main",
    "timeout",
    code="no_return_route",
    host="db1",
    leg="syn_ack",
    segment="server.route",
    says=("no policy rule leads to table main", "ip rule add lookup main priority 32766"),
    flow=SHORT,
    slow=True,
    **BRIEF,
)
def the_servers_rule_for_table_main_is_deleted(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "db1", "ip rule delete priority 32766")


@twin("no_route/without-main", flow=SHORT, slow=True, **BRIEF)
def the_rule_for_table_main_has_another_number(fleet: Machines) -> None:
    led(fleet, "ip rule add lookup main priority 50; ip rule delete priority 32766")


# -- links

OFF: dict[str, Any] = {"code": "link_down", "host": "web1", "leg": "syn", "segment": "client.egress", "slow": True, **BRIEF}
OWN = Flow("10.0.1.11", server="web1", timeout=1.0)


@fault("link_down/loopback", "timeout", says=("switch lo of web1 on", "ip link set lo up"), flow=OWN, **OFF)
def the_loopback_is_off(fleet: Machines) -> None:
    """https://github.com/ioi/isolate/issues/106: a host reaches its own addresses by it."""
    fleet.listen("web1", "0.0.0.0", 5432)
    shell(fleet, "web1", "ip link set lo down")


UPLINK = "ip link add up1 type veth peer name peer1; ip addr add 192.168.9.2/24 dev up1; ip link set up1 up"
FIRST = "ip route add 10.0.2.0/24 via 192.168.9.1 dev up1 metric 10"
PASSED_OVER = "net.ipv4.conf.up1.ignore_routes_with_linkdown"


@fault("link_down/first-uplink", "timeout EHOSTUNREACH", says=("without carrier", f"{PASSED_OVER}=1"), flow=SHORT, **OFF)
def the_first_uplink_has_no_carrier(fleet: Machines) -> None:
    """https://github.com/sonic-net/sonic-buildimage/issues/24462: the kernel goes on to use the route of a link without carrier."""
    led(fleet, f"{UPLINK}; {FIRST}")


@twin("link_down/first-uplink", flow=SHORT, slow=True, **BRIEF)
def the_kernel_passes_over_the_first_uplink(fleet: Machines) -> None:
    """What is advised."""
    led(fleet, f"{UPLINK}; sysctl -qw {PASSED_OVER}=1; {FIRST}")
