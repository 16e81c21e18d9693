# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of neighbours: requests that a host leaves unanswered, and entries that are wrong."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1_V6, Flow, fault, twin
from tests.faults.catalogue.misdelivered import CONFLICT, VIP, VIP6, has, sends_to
from tests.lab._machines import Machines

SHORT: dict[str, Any] = {"flow": Flow(timeout=1.0), "options": {"diagnose_patience": 0.5}}
SILENT: dict[str, Any] = {"code": "neighbour_silent", "host": "db1", "leg": "syn", "segment": "server.ingress"}
V6: dict[str, Any] = {"flow": Flow(DB1_V6)}


def forgets(fleet: Machines) -> None:
    """The router asks again."""
    fleet.listen("db1", "::", 5432)
    fleet.run("r1", ["sh", "-c", "ip neigh flush dev eth1; ip -6 neigh flush dev eth1"])


def filtered(fleet: Machines, *more: str) -> None:
    """A policy of drop, as somebody writes it who knows IPv4."""
    rules = (
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        "-A INPUT -p tcp --dport 5432 -j ACCEPT",
    )
    for rule in (*rules, *more, "-P INPUT DROP"):
        fleet.run("db1", ["ip6tables-nft", *rule.split()])
    forgets(fleet)


@fault(
    "neighbour_silent/solicitations-dropped",
    "timeout EHOSTUNREACH",
    says=("neighbour solicitation", "policy drop", "chain INPUT of table ip6 filter"),
    **SILENT,
    **V6,
)
def solicitations_are_dropped(fleet: Machines) -> None:
    filtered(fleet)


@twin("neighbour_silent/solicitations-dropped", **V6)
def solicitations_pass(fleet: Machines) -> None:
    filtered(fleet, "-A INPUT -p icmpv6 -j ACCEPT")


@fault(
    "neighbour_silent/advertisements-dropped",
    "timeout EHOSTUNREACH",
    says=("stops neighbour advertisements", "chain out of table ip6 f"),
    **SILENT,
    **V6,
)
def advertisements_are_dropped(fleet: Machines) -> None:
    fleet.nft("db1", "table ip6 f { chain out { type filter hook output priority 0; icmpv6 type nd-neighbor-advert drop; }\n}")
    forgets(fleet)


ARP: dict[str, Any] = {"kernel": "timeout EHOSTUNREACH", **SILENT}


@fault("neighbour_silent/arp-ignore", says=("arp_ignore is 1 on eth0", "10.0.2.100"), flow=Flow("10.0.2.100"), **ARP)
def the_address_is_on_the_loopback_interface(fleet: Machines) -> None:
    fleet.run("db1", ["ip", "address", "add", "10.0.2.100/32", "dev", "lo"])
    fleet.sysctl("db1", "net.ipv4.conf.all.arp_ignore", 1)
    forgets(fleet)


@twin("neighbour_silent/arp-ignore", flow=Flow("10.0.2.100"))
def the_address_is_on_the_interface(fleet: Machines) -> None:
    fleet.run("db1", ["ip", "address", "add", "10.0.2.100/32", "dev", "eth0"])
    fleet.sysctl("db1", "net.ipv4.conf.all.arp_ignore", 1)
    forgets(fleet)


@fault("neighbour_silent/arp-table", says=("chain in of table arp f",), **ARP)
def requests_are_dropped(fleet: Machines) -> None:
    fleet.nft("db1", "table arp f { chain in { type filter hook input priority 0; arp operation request drop; }\n}")
    forgets(fleet)


@fault("neighbour_silent/noarp", says=("ARP is switched off on eth0",), slow=True, **ARP)
def arp_is_switched_off(fleet: Machines) -> None:
    """Only its own entry for the router is left, so that the rest works."""
    mac = fleet.link_address("r1", "eth1")
    fleet.run("db1", ["ip", "link", "set", "dev", "eth0", "arp", "off"])
    fleet.run("db1", ["ip", "neigh", "replace", "10.0.2.1", "lladdr", mac, "dev", "eth0", "nud", "permanent"])
    forgets(fleet)


@fault("neighbour_silent/policy-rule", says=("policy rule 100 (table 1) precedes the rule for the local table", "a higher number"), **ARP)
def a_rule_leads_away_what_is_for_the_host(fleet: Machines) -> None:
    """It answers for what it would deliver itself, and a rule for everybody leads that elsewhere, too."""
    fleet.listen("db1", "::", 5432)
    table = "ip route add default via 10.0.2.1 table 1; ip rule add pref 100 not fwmark 1 lookup 1"
    fleet.run("db1", ["sh", "-c", f"{table}; ip rule add pref 101 lookup local; ip rule del pref 0 lookup local"])
    fleet.run("r1", ["ip", "neigh", "flush", "dev", "eth1"])


@fault(
    "neighbour_silent/client",
    "timeout",
    code="neighbour_silent",
    host="web1",
    leg="syn_ack",
    segment="client.ingress",
    says=("10.0.1.11", "chain in of table arp f"),
)
def the_client_is_silent(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    mac = fleet.link_address("r1")
    fleet.run("web1", ["ip", "neigh", "replace", "10.0.1.1", "lladdr", mac, "dev", "eth0", "nud", "permanent"])
    fleet.nft("web1", "table arp f { chain in { type filter hook input priority 0; arp operation request drop; }\n}")
    fleet.run("r1", ["ip", "neigh", "flush", "dev", "eth0"])


PINNED: dict[str, Any] = {"code": "neighbour_wrong", **SHORT}


def pins(fleet: Machines, host: str, gateway: str, mac: str = "02:00:00:00:00:99") -> None:
    """The gateway, which nobody manages, has another link address."""
    fleet.listen("db1", "::", 5432)
    fleet.run(host, ["ip", "neigh", "replace", gateway, "lladdr", mac, "dev", "eth0", "nud", "permanent"])


@fault(
    "neighbour_wrong/gateway",
    "timeout",
    host="web1",
    leg="syn",
    segment="client.neighbour",
    says=("02:00:00:00:00:99", "10.0.1.1"),
    **PINNED,
)
def the_client_has_a_wrong_entry_for_its_gateway(fleet: Machines) -> None:
    pins(fleet, "web1", "10.0.1.1")


@fault("neighbour_wrong/gateway-back", "timeout", host="db1", leg="syn_ack", segment="server.egress", says=("10.0.2.1",), **PINNED)
def the_server_has_a_wrong_entry_for_its_gateway(fleet: Machines) -> None:
    pins(fleet, "db1", "10.0.2.1")


@fault("path_drop/pinned-gateway", "timeout", code="path_drop", host="path", leg="syn", segment="path.forward", slow=True, **SHORT)
def the_entry_is_right_and_the_router_drops(fleet: Machines) -> None:
    mac = fleet.link_address("r1")
    pins(fleet, "web1", "10.0.1.1", mac)
    fleet.nft("r1", "table inet f { chain c { type filter hook forward priority 0; tcp dport 5432 drop; }\n}")


GATEWAY6, GATEWAY6_BACK = "2001:db8:1::1", "2001:db8:2::1"
SHORT6: dict[str, Any] = {**SHORT, "flow": Flow(DB1_V6, timeout=1.0)}
PINNED6: dict[str, Any] = {**PINNED, **SHORT6}


@fault(
    "neighbour_wrong/gateway/ipv6",
    "timeout",
    host="web1",
    leg="syn",
    segment="client.neighbour",
    says=("02:00:00:00:00:99", GATEWAY6),
    **PINNED6,
)
def the_client_has_a_wrong_entry_for_its_ipv6_gateway(fleet: Machines) -> None:
    pins(fleet, "web1", GATEWAY6)


@fault(
    "neighbour_wrong/gateway-back/ipv6",
    "timeout",
    host="db1",
    leg="syn_ack",
    segment="server.egress",
    says=(GATEWAY6_BACK,),
    slow=True,
    **PINNED6,
)
def the_server_has_a_wrong_entry_for_its_ipv6_gateway(fleet: Machines) -> None:
    pins(fleet, "db1", GATEWAY6_BACK)


@fault("path_drop/pinned-gateway/ipv6", "timeout", code="path_drop", host="path", leg="syn", segment="path.forward", slow=True, **SHORT6)
def the_ipv6_entry_is_right_and_the_router_drops(fleet: Machines) -> None:
    """Nobody else has the server's address either, which is asked for in vain."""
    mac = fleet.link_address("r1")
    pins(fleet, "web1", GATEWAY6, mac)
    fleet.nft("r1", "table inet f { chain c { type filter hook forward priority 0; tcp dport 5432 drop; }\n}")


@fault(
    "ip_conflict/unnamed/ipv6",
    "ECONNREFUSED",
    flow=Flow(VIP6, timeout=1.0),
    says=(f"two machines have the address {VIP6}", f"ndisc6 -m {VIP6} eth0"),
    **{**CONFLICT, "host": "path"},
)
def the_other_one_is_in_no_flow_of_ipv6(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    has(fleet, "db1", "db2")
    sends_to(fleet, "db2")


@fault(
    "ip_conflict/unnamed",
    "ECONNREFUSED",
    flow=Flow(VIP, timeout=1.0),
    says=("two machines claim the address 10.0.2.100", f"arping -D -c 3 -I eth0 {VIP}", "VRRP"),
    certainties=("likely",),
    **{**CONFLICT, "host": "path"},
)
def the_other_one_is_in_no_flow(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    has(fleet, "db1", "db2")
    sends_to(fleet, "db2")


SHADOWED: dict[str, Any] = {
    "code": "shadowing_route",
    "host": "web1",
    "leg": "syn",
    "segment": "client.route",
    "certainties": ("likely",),
}


def a_bridge_covers_the_server(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.run("web1", ["sh", "-ec", "ip link add docker0 type bridge; ip address add 10.0.2.1/16 dev docker0; ip link set docker0 up"])
    fleet.run("web1", ["sh", "-ec", "ip link add v0 type veth peer name v1; ip link set v0 master docker0 up; ip link set v1 up"])


@fault("shadowing_route", "EHOSTUNREACH timeout", says=("10.0.0.0/16 dev docker0", "10.0.2.21/24"), **SHADOWED)
def the_bridge_has_the_servers_network(fleet: Machines) -> None:
    a_bridge_covers_the_server(fleet)


@twin("shadowing_route")
def a_more_specific_route_leads_past_the_bridge(fleet: Machines) -> None:
    a_bridge_covers_the_server(fleet)
    fleet.run("web1", ["ip", "route", "add", "10.0.2.0/24", "via", "10.0.1.1"])
