# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further faults as people reported them, of addresses, routes and links; each names its report."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import shell
from tests.lab._machines import Machines
from tests.lab.topologies import Topology, at, host, one_segment, router

CLIENT_ROUTE: dict[str, Any] = {"leg": "syn", "segment": "client.route", "host": "web1"}


# -- the client's own networks


def two() -> Topology:
    """web1 and db1 on one switch."""
    return one_segment("web1", "db1")


LAST = Flow("10.0.1.255")


@fault(
    "broadcast_address",
    "ENETUNREACH",
    code="broadcast_address",
    says=("the broadcast address of its network 10.0.1.0/24 (10.0.1.11/24 on eth0)", "db1 has it in 10.0.0.0/22"),
    flow=LAST,
    topology=two,
    **CLIENT_ROUTE,
)
def the_last_address_of_a_smaller_network(fleet: Machines) -> None:
    """https://mskb.pkisolutions.com/kb/281579"""
    the_last_address_of_the_third_of_four(fleet)
    shell(fleet, "web1", "ip address flush dev eth0; ip address add 10.0.1.11/24 dev eth0")


@twin("broadcast_address", flow=LAST, topology=two)
def the_last_address_of_the_third_of_four(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432)
    shell(fleet, "db1", "ip address flush dev eth0; ip address add 10.0.1.255/22 dev eth0")
    shell(fleet, "web1", "ip address flush dev eth0; ip address add 10.0.1.11/22 dev eth0")


@fault(
    "no_route/mtu",
    "ENETUNREACH",
    code="no_route",
    says=("eth0 has no IPv6, since its MTU of 1000 is below the 1280", "raise the MTU of eth0"),
    flow=Flow(DB1_V6),
    **BRIEF,
    **CLIENT_ROUTE,
)
def too_small_for_ipv6(fleet: Machines) -> None:
    """https://github.com/sonic-net/SONiC/issues/294: its addresses go, and do not come back with the MTU."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip link set eth0 mtu 1000")


@fault(
    "no_route/ipv6-off",
    "ENETUNREACH",
    code="no_route",
    says=("IPv6 is switched off on eth0 (disable_ipv6)", "net.ipv6.conf.eth0.disable_ipv6=0"),
    flow=Flow(DB1_V6),
    slow=True,
    **BRIEF,
    **CLIENT_ROUTE,
)
def ipv6_switched_off(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    fleet.sysctl("web1", "net.ipv6.conf.eth0.disable_ipv6", 1)


@fault(
    "address_not_local/mtu",
    "EHOSTUNREACH",
    code="address_not_local",
    host="db1",
    leg="syn",
    segment="server.ingress",
    certainties=("likely",),
    says=("eth0 has no IPv6, since its MTU of 1000 is below the 1280", "raise the MTU of eth0 of db1"),
    flow=Flow(DB1_V6, timeout=4.0),
    slow=True,
    **BRIEF,
)
def the_server_is_too_small_for_ipv6(fleet: Machines) -> None:
    fleet.listen("db1", "::", 5432)
    shell(fleet, "db1", "ip link set eth0 mtu 1000")


@fault(
    "path_no_route/nat64",
    "ENETUNREACH",
    code="path_no_route",
    host="path",
    leg="syn",
    segment="path.forward",
    says=("an address of NAT64, of which a translator is to make 10.0.2.21", "DNS64"),
    flow=Flow("64:ff9b::a00:215", dial="db.example.test", timeout=2.0),
    status="broken",
)
def a_name_of_dns64_and_no_translator(fleet: Machines) -> None:
    """https://github.com/firezone/firezone/pull/5478"""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "echo '64:ff9b::a00:215 db.example.test' >> /etc/hosts")


# -- the way back

NEXT_DOOR = """
import socket, time
server = socket.create_server(("0.0.0.0", 5432))
server.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
print(1, flush=True)
time.sleep(600)
"""


@fault(
    "ttl_too_low/server",
    "timeout",
    code="ttl_too_low",
    host="db1",
    leg="syn_ack",
    segment="server.egress",
    says=("the SYN-ACK leaves db1 with a TTL of 1", "IP_TTL", "ebgp-multihop"),
    flow=Flow(timeout=1.0),
    **BRIEF,
)
def a_server_for_neighbours_only(fleet: Machines) -> None:
    """https://github.com/FRRouting/frr/issues/3697: what the socket's own option sets, no sysctl mends."""
    fleet.popen("db1", [fleet.python, "-c", NEXT_DOOR]).await_answer()


def two_ways_out() -> Topology:
    """web1 reaches r1 by isp1; r1 reaches web1 by isp2."""
    return {
        "hosts": {
            "web1": host(["clients"], ["default via 10.0.4.1"], eth0=at("inet", 4, 11)),
            "isp1": router([], eth0=at("inet", 4, 1), eth1=at("front", 1, 254)),
            "isp2": router([], eth0=at("inet", 4, 2), eth1=at("second", 3, 254)),
            "r1": router(["default via 10.0.3.254"], eth0=at("front", 1, 1), eth1=at("back", 2, 1), eth2=at("second", 3, 1)),
            "db1": host(["servers"], ["default via 10.0.2.1"], eth0=at("back", 2, 21)),
        }
    }


PUBLISHED = Flow("10.0.1.1", via=("r1",), timeout=1.0)


def published(fleet: Machines) -> None:
    fleet.listen("db1", "0.0.0.0", 5432)
    fleet.nft(
        "r1",
        f"""
        table ip n {{
         chain p {{ type nat hook prerouting priority dstnat; iifname eth0 tcp dport 5432 dnat to {DB1}; }}
         chain q {{ type nat hook postrouting priority srcnat; oifname {{ eth0, eth2 }} masquerade; }}
        }}
        """,
    )


@fault(
    "asymmetric_route/router",
    "timeout",
    code="asymmetric_route",
    host="r1",
    leg="syn_ack",
    segment="path.return",
    certainties=("likely",),
    says=("by eth0, but r1 sends the SYN-ACK on by eth2 via 10.0.3.254", "ip rule add fwmark"),
    flow=PUBLISHED,
    topology=two_ways_out,
    **BRIEF,
)
def the_answer_leaves_by_the_other_provider(fleet: Machines) -> None:
    """https://github.com/openwrt/firewall4/issues/93"""
    published(fleet)
    fleet.nft("isp2", "table ip s { chain p { type filter hook prerouting priority -300; iifname eth1 ip saddr != 10.0.3.0/24 drop; }\n}")


KEPT = """
table ip m {
 chain p { type filter hook prerouting priority -160; ct state new ct mark set 0x7; }
 chain f { type filter hook forward priority 10; ct mark and 0xff != 0x7 drop; }
}
"""


@fault(
    "asymmetric_route/marked",
    "timeout",
    code="asymmetric_route",
    host="r1",
    leg="syn_ack",
    segment="path.return",
    certainties=("likely",),
    flow=PUBLISHED,
    topology=two_ways_out,
    slow=True,
    **BRIEF,
)
def the_router_needs_marks_of_connections_for_something_else(fleet: Machines) -> None:
    """As kube-proxy, Docker or a VPN does: what the advice marks must leave them alone."""
    the_answer_leaves_by_the_other_provider(fleet)
    fleet.nft("r1", KEPT)


@twin("asymmetric_route/router", flow=PUBLISHED, topology=two_ways_out, slow=True, **BRIEF)
def the_other_provider_does_not_mind(fleet: Machines) -> None:
    published(fleet)


# -- one address of several servers

SERVICE = "10.0.9.9"
SHARED = Flow(SERVICE, server="db1:db2", via=("r1",), timeout=2.0)


def anycast(fleet: Machines, *serving: str) -> None:
    """r1 spreads connections over both, as it learns by BGP that each has the address."""
    for each in ("db1", "db2"):
        fleet.run(each, ["ip", "address", "add", f"{SERVICE}/32", "dev", "lo"])
    for each in serving:
        fleet.listen(each, "0.0.0.0", 5432)
    shell(fleet, "r1", "echo 1 > /proc/sys/net/ipv4/fib_multipath_hash_policy")
    shell(fleet, "r1", f"ip route add {SERVICE}/32 nexthop via {DB1} nexthop via 10.0.2.22")


@fault(
    "no_listener/anycast",
    "connected ECONNREFUSED",
    code="no_listener",
    host="db1",
    leg="syn",
    segment="server.socket",
    flow=SHARED,
    options={"diagnose_attempts": 8},
    status="broken",
)
def one_of_two_announces_what_it_has_not(fleet: Machines) -> None:
    """https://github.com/cloudnativelabs/kube-router/issues/262: neither a proxy nor a second machine with the address by mistake."""
    anycast(fleet, "db2")


@twin("no_listener/anycast", flow=SHARED, slow=True)
def both_have_what_they_announce(fleet: Machines) -> None:
    anycast(fleet, "db1", "db2")
