# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts take otherwise than they send, for marks, next hop objects and links on top of links, as people reported it."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import BY_R1, FORWARD, SHORT, shell
from tests.faults.catalogue.reported_policies import SWALLOWS
from tests.lab._machines import Machines

# -- the way back of what has a mark

TUNNEL = "ip link set tun0 up; ip {family} route add default dev tun0 src {own} table 52; ip {family} rule add pref 5270 lookup 52"
PAST_IT = "ip {family} rule add pref 5210 fwmark 0x80000/0xff0000 lookup main"
MARKED = (
    "iptables-nft -t mangle -A OUTPUT -d 10.0.2.0/24 -p tcp -j MARK --set-mark 0x80000;"
    "iptables-nft -t mangle -A OUTPUT -m mark --mark 0x80000 -j CONNMARK --save-mark;"
    "iptables-nft -t mangle -A PREROUTING -j CONNMARK --restore-mark"
)


def past_a_tunnel(fleet: Machines, family: str, own: str) -> None:
    """web1 has a tunnel for everything, and sends what has a mark past it."""
    fleet.listen("db1", "::", 5432)
    fleet.popen("web1", [fleet.python, "-c", SWALLOWS]).await_answer()
    shell(fleet, "web1", f"{TUNNEL}; {PAST_IT}".format(family=family, own=own))


def strict(fleet: Machines, by_mark: int) -> None:
    """r1 knows web1, which would not answer it: its ARP requests have no mark."""
    mac = fleet.link_address("web1")
    shell(fleet, "r1", f"ip neigh replace 10.0.1.11 lladdr {mac} dev eth0 nud permanent")
    answers_with_a_mark_alone(fleet, by_mark)


def answers_with_a_mark_alone(fleet: Machines, by_mark: int) -> None:
    past_a_tunnel(fleet, "-4", "10.0.1.11")
    shell(fleet, "web1", MARKED)
    fleet.sysctl("web1", "net.ipv4.conf.all.rp_filter", 1)
    fleet.sysctl("web1", "net.ipv4.conf.all.src_valid_mark", by_mark)


@fault(
    "rp_filter_drop/marked",
    "timeout",
    code="rp_filter_drop",
    host="web1",
    leg="syn_ack",
    segment="client.ingress",
    certainties=("likely",),
    says=("for the mark 0x80000 of rule", "src_valid_mark is 0", "net.ipv4.conf.all.src_valid_mark=1"),
    flow=SHORT,
    slow=True,
    **BRIEF,
)
def the_filter_looks_without_the_mark(fleet: Machines) -> None:
    """https://github.com/tailscale/tailscale/pull/19537"""
    strict(fleet, 0)


@twin("rp_filter_drop/marked", flow=SHORT, slow=True, **BRIEF)
def the_filter_looks_with_the_mark(fleet: Machines) -> None:
    """What is advised."""
    strict(fleet, 1)


@fault(
    "neighbour_silent/marked",
    "timeout",
    code="neighbour_silent",
    host="web1",
    leg="syn_ack",
    segment="client.ingress",
    certainties=("proven", "likely"),
    says=("rp_filter is 1 on eth0, and its way to 10.0.1.1 is tun0",),
    flow=SHORT,
    slow=True,
    **BRIEF,
)
def the_filter_looks_at_requests_as_well(fleet: Machines) -> None:
    """web1 never asks for r1, which would learn its link address from that."""
    mac = fleet.link_address("r1")
    shell(fleet, "web1", f"ip neigh replace 10.0.1.1 lladdr {mac} dev eth0 nud permanent")
    answers_with_a_mark_alone(fleet, 0)


SENDS_MARKED = "chain out { type route hook output priority mangle; ip6 daddr 2001:db8:2::/64 meta mark set 0x80000 ct mark set mark; }"
TAKES_MARKED = "chain in { type filter hook prerouting priority mangle; meta mark set ct mark; }"
RPFILTER = """table inet firewalld {
 chain filter_PREROUTING {
  type filter hook prerouting priority filter + 10
  icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
  meta nfproto ipv6 fib saddr . mark . iif oif missing counter drop
 }
}"""


def asked_for_the_way_back(fleet: Machines, *chains: str) -> None:
    past_a_tunnel(fleet, "-6", "2001:db8:1::11")
    fleet.nft("web1", "table inet wg {{ {}\n}}".format("\n".join(chains)))
    fleet.nft("web1", RPFILTER)


@fault(
    "firewall_drop/fib-marked",
    "timeout",
    code="firewall_drop",
    host="web1",
    leg="syn_ack",
    segment="client.firewall",
    certainties=("likely",),
    says=("leaves by tun0, and it came in by eth0", "give the mark 0x80000", "dev eth0 table 52"),
    flow=Flow(DB1_V6, timeout=1.0),
    slow=True,
    **BRIEF,
)
def a_rule_looks_without_the_mark(fleet: Machines) -> None:
    """https://github.com/firewalld/firewalld/issues/1203: web1 is asked about answers by the tunnel first, and these would pass."""
    asked_for_the_way_back(fleet, SENDS_MARKED)


@twin("firewall_drop/fib-marked", flow=Flow(DB1_V6, timeout=1.0), slow=True, **BRIEF)
def a_rule_looks_with_the_mark(fleet: Machines) -> None:
    asked_for_the_way_back(fleet, SENDS_MARKED, TAKES_MARKED)


# -- next hop objects


def of_an_object(fleet: Machines, host: str, prefix: str) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, host, f"ip nexthop add id 3 blackhole; ip route add {prefix} nhid 3 proto zebra")


BY_OBJECT = "next hop object 3"


@fault(
    "route_blackhole/object",
    "EINVAL",
    code="route_blackhole",
    host="web1",
    leg="syn",
    segment="client.route",
    says=(BY_OBJECT, "ip route delete 10.0.2.21/32 nhid 3 table 254"),
    flow=SHORT,
    slow=True,
)
def a_next_hop_object_is_a_blackhole(fleet: Machines) -> None:
    """https://github.com/FRRouting/frr/pull/11492: the route itself is of the usual type, and is not found as a blackhole."""
    of_an_object(fleet, "web1", "10.0.2.21/32")


@fault(
    "no_return_route/object",
    "timeout",
    code="no_return_route",
    host="db1",
    leg="syn_ack",
    segment="server.route",
    says=(BY_OBJECT, "ip route delete 10.0.1.0/24 nhid 3 table 254"),
    flow=SHORT,
    slow=True,
    **BRIEF,
)
def the_next_hop_object_of_the_way_back_is_one(fleet: Machines) -> None:
    of_an_object(fleet, "db1", "10.0.1.0/24")


@twin("route_blackhole/object", flow=SHORT, slow=True)
def a_next_hop_object_has_a_gateway(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip nexthop add id 3 via 10.0.1.1 dev eth0; ip route add 10.0.2.21/32 nhid 3")


# -- marks for a proxy that is not there


@fault(
    "taken_for_own/marked",
    "timeout",
    code="taken_for_own",
    host="r1",
    certainties=("likely",),
    says=("policy rule 9 ('from all fwmark 0x200 lookup 2004')", "no rule hands it to a transparent proxy"),
    flow=BY_R1,
    slow=True,
    **FORWARD,
)
def the_rule_for_the_proxy_is_lost(fleet: Machines) -> None:
    """https://github.com/cilium/cilium/pull/48256"""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", "iptables-nft -t mangle -A PREROUTING -i eth0 -p tcp --dport 5432 -j MARK --set-mark 0x200")
    shell(fleet, "r1", "ip rule add fwmark 0x200 lookup 2004 pref 9; ip route add local default dev lo table 2004")


@twin("taken_for_own/marked", flow=BY_R1, slow=True, **BRIEF)
def what_is_marked_is_routed_as_the_rest(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", "iptables-nft -t mangle -A PREROUTING -i eth0 -p tcp --dport 5432 -j MARK --set-mark 0x200")
    shell(fleet, "r1", "ip rule add fwmark 0x100/0xf00 lookup 2004 pref 9; ip route add local default dev lo table 2004")


# -- links on top of links

VIRTUAL: dict[str, Any] = {"flow": Flow("10.0.2.100", timeout=1.0), "slow": True, **BRIEF}


def of_vrrp(fleet: Machines, rp_filter: int) -> None:
    """As keepalived does with use_vmac."""
    fleet.listen("db1", "0.0.0.0", 5432)
    link = "ip link add vrrp.51 link eth0 address 00:00:5e:00:01:33 type macvlan mode private; ip link set vrrp.51 up"
    shell(fleet, "db1", f"{link}; ip address add 10.0.2.100/32 dev vrrp.51")
    for name, value in (("all/arp_ignore", 1), ("all/rp_filter", rp_filter), ("vrrp.51/rp_filter", 0)):
        fleet.write("db1", f"/proc/sys/net/ipv4/conf/{name}", f"{value}")


@fault(
    "neighbour_silent/virtual-interface",
    "timeout EHOSTUNREACH",
    code="neighbour_silent",
    host="db1",
    leg="syn",
    segment="server.ingress",
    says=(
        "on vrrp.51, so that 10.0.2.1",
        "rp_filter is 1 on vrrp.51",
        "net/ipv4/conf/vrrp.51/rp_filter=2",
        "net.ipv4.conf.all.rp_filter=0",
    ),
    **VIRTUAL,
)
def the_filter_of_all_stands_above_that_of_a_virtual_interface(fleet: Machines) -> None:
    """https://github.com/acassen/keepalived/pull/620: the interface below is meant to be silent (arp_ignore)."""
    of_vrrp(fleet, 1)


@twin("neighbour_silent/virtual-interface", **VIRTUAL)
def the_filter_is_off(fleet: Machines) -> None:
    """What is advised."""
    of_vrrp(fleet, 0)
