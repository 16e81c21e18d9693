# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults as people reported them to public trackers, rebuilt; each names its report."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, DB1_V6, WEB1, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.misdelivered import VIP
from tests.lab._machines import Machines

SHORT = Flow(timeout=1.0)
BY_R1 = Flow(timeout=1.0, via=("r1",))
FORWARD: dict[str, Any] = {"leg": "syn", "segment": "path.forward", **BRIEF}


def shell(fleet: Machines, host: str, script: str) -> None:
    fleet.run(host, ["sh", "-ec", script])


# -- routes

ROUTER: dict[str, Any] = {"code": "router_route", "host": "r1", "flow": BY_R1}


def routed(fleet: Machines, *route: str) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.run("r1", ["ip", "route", "add", *route])


@fault("router_route", "timeout", says=("r1 has a route of type blackhole, 10.0.2.16/28,",), **ROUTER, **FORWARD)
def a_block_of_another_node(fleet: Machines) -> None:
    """https://github.com/projectcalico/calico/issues/3246"""
    routed(fleet, "blackhole", "10.0.2.16/28", "proto", "bird")


@fault("router_route/unreachable", "EHOSTUNREACH", says=("r1 has a route of type unreachable",), slow=True, **ROUTER, **FORWARD)
def an_unreachable_route_was_learned(fleet: Machines) -> None:
    """https://github.com/projectcalico/calico/issues/11607"""
    routed(fleet, "unreachable", "10.0.2.16/28", "metric", "32", "proto", "bird")


@fault(
    "router_route/back",
    "timeout",
    slow=True,
    **{**ROUTER, **FORWARD, "leg": "syn_ack", "segment": "path.return"},
    says=("the SYN-ACK goes in and does not come out",),
)
def the_answers_end_in_a_blackhole(fleet: Machines) -> None:
    routed(fleet, "blackhole", f"{WEB1}/32")


@twin("router_route", flow=BY_R1, slow=True, **BRIEF)
def a_block_of_its_own(fleet: Machines) -> None:
    routed(fleet, "blackhole", "10.0.2.32/28", "proto", "bird")


@fault(
    "router_route/bridge",
    "timeout EHOSTUNREACH",
    certainties=("likely",),
    says=("10.0.2.16/28 dev br-828c", "nobody answers for it"),
    **{**ROUTER, "flow": Flow(timeout=5.0, via=("r1",))},
    slow=True,
    **FORWARD,
)
def containers_of_the_gateway_have_the_network(fleet: Machines) -> None:
    """https://github.com/jakeswenson/BitBetter/issues/79"""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "r1", "ip link add br-828c type bridge; ip address add 10.0.2.17/28 dev br-828c; ip link set br-828c up")


@fault(
    "return_neighbour_unresolved/policy-table",
    "timeout",
    code="return_neighbour_unresolved",
    host="db1",
    leg="syn_ack",
    segment="server.egress",
    says=("10.0.2.254", "(table 10, by policy rule 1000)"),
    flow=Flow(timeout=2.0),
    **BRIEF,
)
def a_policy_rule_has_another_gateway(fleet: Machines) -> None:
    """https://github.com/systemd/systemd/issues/37231"""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "db1", f"ip rule add pref 1000 from {DB1} lookup 10; ip route add default via 10.0.2.254 dev eth0 onlink table 10")


@fault(
    "no_route/forwarding",
    "ENETUNREACH",
    code="no_route",
    host="web1",
    leg="syn",
    segment="client.route",
    says=("a host that forwards ignores router advertisements", "net.ipv6.conf.eth0.accept_ra=2"),
    flow=Flow(DB1_V6),
    slow=True,
    **BRIEF,
)
def a_host_with_containers_forgets_its_router(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/43466"""
    fleet.listen("db1", "::", 5432)
    for name, value in (("all.forwarding", 1), ("eth0.accept_ra", 1)):
        fleet.sysctl("web1", f"net.ipv6.conf.{name}", value)
    fleet.run("web1", ["ip", "-6", "route", "delete", "default"])


# -- the client's own word


@fault(
    "address_without_interface",
    "EINVAL",
    code="address_without_interface",
    host="web1",
    leg="syn",
    segment="client.socket",
    says=("fe80::12%eth0",),
    flow=Flow("fe80::12", server="web2"),
    **BRIEF,
)
def a_link_local_address_alone(fleet: Machines) -> None:
    """https://github.com/curl/curl/issues/22079"""
    fleet.listen("web2", "::", 5432)
    fleet.run("web2", ["ip", "address", "add", "fe80::12/64", "dev", "eth0", "nodad"])


@fault(
    "ipsec_policy/out",
    "EPERM",
    code="ipsec_policy",
    host="web1",
    leg="syn",
    segment="client.firewall",
    certainties=("likely",),
    says=("XfrmOutPolBlock", "ip xfrm policy"),
    flow=SHORT,
    **BRIEF,
)
def a_policy_blocks_what_leaves(fleet: Machines) -> None:
    """https://github.com/libreswan/libreswan/issues/2143"""
    fleet.listen("db1", "::", 5432)
    fleet.run("web1", ["ip", "xfrm", "policy", "add", "src", WEB1, "dst", DB1, "dir", "out", "action", "block"])


@fault(
    "path_reset/ecn",
    "ECONNREFUSED",
    code="path_reset",
    host="path",
    says=("ask for ECN",),
    flow=SHORT,
    slow=True,
    **FORWARD,
)
def a_device_refuses_whom_it_does_not_know(fleet: Machines) -> None:
    """https://github.com/cesanta/mongoose/issues/3402"""
    fleet.listen("db1", "::", 5432)
    fleet.sysctl("web1", "net.ipv4.tcp_ecn", 1)
    fleet.nft("r1", chain("forward", "tcp flags & (syn | ack | ecn | cwr) == syn | ecn | cwr reject with tcp reset"))


# -- limits

LIMITED = (
    "-N ufw-user-input",
    "-A INPUT -j ufw-user-input",
    "-A ufw-user-input -p tcp --dport 5432 -m conntrack --ctstate NEW -m recent --set",
    "-A ufw-user-input -p tcp --dport 5432 -m conntrack --ctstate NEW -m recent --update --seconds 120 --hitcount 3 -j REJECT",
)


@fault(
    "firewall_rate_limited/recent",
    "ECONNREFUSED",
    code="firewall_rate_limited",
    host="db1",
    leg="syn",
    segment="server.firewall",
    certainties=("likely",),
    says=("-m recent --update --seconds 120", "raise the limit"),
    flow=SHORT,
    **BRIEF,
)
def too_many_connections_of_late(fleet: Machines) -> None:
    """https://github.com/appleboy/scp-action/issues/172: a firewall that rejects, without a name, must not stand before the limit."""
    fleet.listen("db1", "::", 5432)
    for rule in LIMITED:
        fleet.run("db1", ["iptables-nft", *rule.split()])
    for _attempt in range(3):
        fleet.connect("web1", DB1, 5432, 1.0)


# -- firewalls

MARK = """
table ip mangle {
 chain services { type filter hook prerouting priority -150; tcp dport 5432 jump no-local-endpoints; }
 chain no-local-endpoints { jump mark-drop; }
 chain mark-drop { meta mark set meta mark or 0x8000; }
}
table ip filter {
 chain input { type filter hook input priority 0; meta mark & 0x8000 == 0x8000 counter drop; }
}
"""


@fault(
    "firewall_drop/marked-by",
    "timeout",
    code="firewall_drop",
    host="db1",
    says=("for its mark, which rule 'meta mark set", "to which rule 'jump mark-drop'"),
    flow=SHORT,
    status="broken",
    leg="syn",
    segment="server.firewall",
)
def a_rule_drops_what_another_marked(fleet: Machines) -> None:
    """https://github.com/weaveworks/weave/issues/3568: which rule drops it says nothing, and which one marks it does."""
    fleet.listen("db1", "::", 5432)
    fleet.nft("db1", MARK)


@fault(
    "firewall_drop/virtual-address",
    "timeout",
    code="firewall_drop",
    host="db1",
    certainties=("likely",),
    says=("table ip keepalived", "vrrp_strict"),
    flow=Flow(VIP, timeout=1.0),
    status="broken",
    leg="syn",
    segment="server.firewall",
)
def keepalived_drops_what_is_for_its_address(fleet: Machines) -> None:
    """https://github.com/acassen/keepalived/issues/1946: a rule beside keepalived's lasts until it writes them again."""
    shell(fleet, "db1", f"ip address add {VIP}/24 dev eth0")
    fleet.listen("db1", "::", 5432)
    rules = "chain in { type filter hook input priority -1; ip daddr @vips drop; }"
    fleet.nft("db1", f"table ip keepalived {{ set vips {{ type ipv4_addr; elements = {{ {VIP} }}; }}\n{rules}\n}}")


# -- services


@fault(
    "application_silent/stopped",
    "connected",
    code="application_silent",
    host="db1",
    says=("is stopped", "kill -CONT"),
    status="degraded",
    segment="server.application",
)
def the_process_that_listens_is_stopped(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/37809: the kernel makes the connections, whoever is to speak first."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "db1", "kill -STOP $(ss -Hltnp sport = :5432 | sed -n 's/.*pid=\\([0-9]*\\).*/\\1/p')")
