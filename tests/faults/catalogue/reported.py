# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults as people reported them to public trackers, rebuilt; each names its report."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, DB1_V6, WEB1, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.misdelivered import VIP
from tests.lab._machines import FABRIC, Machines

SHORT = Flow(timeout=1.0)
BY_R1 = Flow(timeout=1.0, via=("r1",))
FORWARD: dict[str, Any] = {"leg": "syn", "segment": "path.forward", **BRIEF}


def shell(fleet: Machines, host: str, script: str) -> None:
    fleet.run(host, ["sh", "-ec", script])


# -- tunnels

POD = "10.0.42.1"


def overlay(fleet: Machines) -> None:
    """VXLAN between web1 and db1, as flannel makes it."""
    fleet.listen("db1", "::", 5432)
    for host, own, other, number in (("web1", WEB1, DB1, 1), ("db1", DB1, WEB1, 0)):
        shell(
            fleet,
            host,
            f"""
            ip link add flannel.1 address 02:42:00:00:00:1{number} type vxlan id 1 dstport 8472 local {own} dev eth0 nolearning
            ip address add 10.0.{42 + number}.1/32 dev flannel.1; ip link set flannel.1 up
            ip neigh replace 10.0.{43 - number}.1 lladdr 02:42:00:00:00:1{1 - number} dev flannel.1 nud permanent
            ip route add 10.0.{43 - number}.0/24 via 10.0.{43 - number}.1 dev flannel.1 onlink
            bridge fdb append 02:42:00:00:00:1{1 - number} dev flannel.1 dst {other}
            """,
        )


@fault(
    "tunnel_drop",
    "timeout",
    code="tunnel_drop",
    host="path",
    certainties=("likely",),
    says=("flannel.1 (vxlan, UDP port 8472) of web1", "firewalls of web1 and db1"),
    flow=Flow(POD, timeout=1.0),
    **FORWARD,
)
def the_outer_packets_are_not_let_in(fleet: Machines) -> None:
    """https://github.com/k3s-io/k3s/issues/2935: neither end sees it, and it is dropped inside one of them."""
    overlay(fleet)
    fleet.nft("db1", chain("input", "udp dport 8472 drop"))


@fault(
    "tunnel_drop/way-back",
    "timeout",
    code="tunnel_drop",
    host="path",
    leg="syn_ack",
    segment="path.return",
    certainties=("likely",),
    says=("flannel.1 (vxlan, UDP port 8472) of db1",),
    flow=Flow(POD, timeout=1.0),
    slow=True,
    **BRIEF,
)
def the_outer_packets_back_are_lost(fleet: Machines) -> None:
    overlay(fleet)
    fleet.nft("r1", chain("forward", f"ip saddr {DB1} udp dport 8472 drop"))


@twin("tunnel_drop", flow=Flow(POD, timeout=1.0), **BRIEF)
def the_tunnel_is_open(fleet: Machines) -> None:
    overlay(fleet)


TUN = """
import fcntl, os, struct
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH", b"tailscale0", 0x1001))
print(1, flush=True)
while True:
    os.read(tun, 2000)
"""


@fault(
    "tunnel_drop/policy-route",
    "timeout",
    code="tunnel_drop",
    host="path",
    certainties=("likely",),
    says=("tailscale0 (tun) of web1, as 10.0.2.0/24 dev tailscale0 (table 52, by policy rule 5270)",),
    flow=SHORT,
    slow=True,
    **FORWARD,
)
def a_vpn_has_the_servers_network(fleet: Machines) -> None:
    """https://github.com/tailscale/tailscale/issues/6231"""
    fleet.listen("db1", "::", 5432)
    fleet.popen("web1", [fleet.python, "-c", TUN]).await_answer()
    shell(fleet, "web1", "ip address add 100.80.115.142/32 dev tailscale0; ip link set tailscale0 up")
    shell(fleet, "web1", "ip rule add pref 5270 lookup 52; ip route add 10.0.2.0/24 dev tailscale0 table 52")


# -- link addresses


def mac(fleet: Machines, host: str) -> str:
    return fleet.run(host, ["cat", "/sys/class/net/eth0/address"]).stdout.strip()


def believes(fleet: Machines, address: str, lladdr: str) -> None:
    """r1 has learned it, and keeps it for long."""
    fleet.sysctl("r1", "net.ipv4.neigh.eth1.base_reachable_time_ms", 3600000)
    fleet.run("r1", ["ip", "neigh", "replace", address, "lladdr", lladdr, "dev", "eth1", "nud", "reachable"])


def moved(fleet: Machines, host: str) -> None:
    """db2 has the virtual address, and the router has this host's link address for it."""
    for each in ("db1", "db2"):
        fleet.listen(each, "::", 5432)
    fleet.run("db2", ["ip", "address", "add", f"{VIP}/24", "dev", "eth0"])
    believes(fleet, VIP, mac(fleet, host))


MOVED = Flow(VIP, server="db2", via=("r1",), timeout=1.0)


@fault(
    "neighbour_wrong/learned-at-router",
    "timeout",
    code="neighbour_wrong",
    host="r1",
    certainties=("likely",),
    says=("r1 sends to", "db2 has"),
    flow=MOVED,
    **FORWARD,
)
def the_router_was_not_told(fleet: Machines) -> None:
    """https://github.com/cybertec-postgresql/vip-manager/issues/12: the last hop that answers is the router itself."""
    moved(fleet, "db1")


@twin("neighbour_wrong/learned-at-router", flow=MOVED, slow=True, **BRIEF)
def the_router_was_told(fleet: Machines) -> None:
    moved(fleet, "db2")


CHATTER = """
import socket, time
beacon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
beacon.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for number in range(60000):
    beacon.sendto(b"", ("10.0.2.255", 9))
    if number == 10:
        print(1, flush=True)
    time.sleep(0.005)
"""


def cloned(fleet: Machines, lladdr: str | None = None) -> None:
    """db2 speaks all the time, with db1's link address or another one."""
    fleet.listen("db1", "::", 5432)
    fleet.run("db2", ["ip", "link", "set", "eth0", "address", lladdr or mac(fleet, "db1")])
    believes(fleet, DB1, mac(fleet, "db1"))
    fleet.popen("db2", [fleet.python, "-c", CHATTER]).await_answer()


CLONED: dict[str, Any] = {"code": "mac_conflict", "host": "db2", "certainties": ("likely",), "says": ("the same link address", "clone")}


@fault("mac_conflict", "", flow=Flow(server="db1:db2", timeout=1.0), **CLONED, **FORWARD)
def the_clone_gets_the_frames(fleet: Machines) -> None:
    """https://github.com/utmapp/UTM/issues/7035: nobody's neighbour entry is wrong."""
    cloned(fleet)


@twin("mac_conflict", flow=Flow(server="db1:db2", timeout=1.0), slow=True, **BRIEF)
def each_has_its_own(fleet: Machines) -> None:
    cloned(fleet, "02:00:00:00:00:77")


@fault(
    "ip_conflict/dad-failed",
    "ECONNREFUSED",
    code="ip_conflict",
    host="db1",
    says=("dadfailed", "does not use its address"),
    flow=Flow("2001:db8:2::77", timeout=1.0),
    **FORWARD,
)
def the_address_was_taken(fleet: Machines) -> None:
    """https://github.com/metallb/metallb/issues/1592"""
    fleet.listen("db1", "::", 5432)
    fleet.run("db2", ["ip", "address", "add", "2001:db8:2::77/64", "dev", "eth0", "nodad"])
    for name in ("accept_dad", "dad_transmits"):
        fleet.sysctl("db1", f"net.ipv6.conf.eth0.{name}", 1)
    fleet.run("db1", ["ip", "address", "add", "2001:db8:2::77/64", "dev", "eth0"])
    shell(fleet, "db1", "until ip -6 address show dev eth0 | grep -q dadfailed; do sleep 0.05; done")


@fault(
    "path_icmp_unreachable/unheard",
    "timeout EHOSTUNREACH",
    code="path_icmp_unreachable",
    host="path",
    certainties=("proven", "likely"),
    says=("although db1 answers who asks for 10.0.2.100", "allowed address pairs"),
    flow=Flow(VIP, timeout=5.0),
    slow=True,
    **FORWARD,
)
def replies_for_a_second_address_are_dropped(fleet: Machines) -> None:
    """https://github.com/acassen/keepalived/issues/2349"""
    fleet.listen("db1", "::", 5432)
    fleet.run("db1", ["ip", "address", "add", f"{VIP}/24", "dev", "eth0"])
    fleet.nft(FABRIC, f"table bridge guard {{ chain f {{ type filter hook forward priority 0; arp saddr ip {VIP} drop; }}\n}}")
    fleet.run("r1", ["ip", "neigh", "flush", "dev", "eth1"])


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


@fault(
    "tunnel_drop/forwarding-entry",
    "timeout",
    code="tunnel_drop",
    host="web1",
    certainties=("likely",),
    says=("flannel.1 itself drops it", "bridge fdb show dev flannel.1"),
    flow=Flow(POD, timeout=1.0),
    **FORWARD,
)
def the_overlay_forgets_where_its_peer_is(fleet: Machines) -> None:
    """https://github.com/moby/moby/issues/52661: the neighbour's entry is there, and the forwarding entry of its link address is not."""
    overlay(fleet)
    shell(fleet, "web1", f"bridge fdb del 02:42:00:00:00:10 dev flannel.1 dst {DB1}")


# -- next hops

HANGS: dict[str, Any] = {"status": "broken", "leg": "syn", "segment": "client.neighbour", "host": "web1", "code": "neighbour_unresolved"}


@fault(
    "neighbour_unresolved/multipath",
    "connected EHOSTUNREACH timeout",
    says=("10.0.1.9", "one of 2 next hops of the route to 10.0.2.0/24", "take it out of the next hops"),
    flow=Flow(timeout=4.0),
    options={"diagnose_attempts": 8},
    **{**HANGS, "status": "degraded"},
)
def one_of_two_gateways_is_gone(fleet: Machines) -> None:
    """https://github.com/FRRouting/frr/issues/9720: connections fail by the next hop that they get."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "echo 1 > /proc/sys/net/ipv4/fib_multipath_hash_policy")
    shell(fleet, "web1", "ip route add 10.0.2.0/24 nexthop via 10.0.1.1 nexthop via 10.0.1.9")


GUEST = "10.0.1.50"


def guest(fleet: Machines, kind: str) -> None:
    """A container of web1's own on a link on top of eth0."""
    shell(
        fleet,
        "web1",
        f"""
        ip netns add guest; ip link add upper link eth0 type {kind} mode bridge; ip link set upper netns guest
        ip -n guest link set upper up; ip -n guest address add {GUEST}/24 dev upper
        """,
    )
    serve = ["ip", "netns", "exec", "guest", fleet.python, "-B", str(fleet.tools / "serve.py"), "0.0.0.0", "5432"]
    fleet.popen("web1", serve).await_answer()


@fault(
    "neighbour_unresolved/macvlan",
    "EHOSTUNREACH timeout",
    says=("on web1 has, in another network namespace: on a macvlan", "type macvlan mode bridge"),
    flow=Flow(GUEST, server=None, timeout=4.0),
    **HANGS,
)
def a_host_and_its_own_macvlan(fleet: Machines) -> None:
    """https://github.com/moby/libnetwork/issues/1915: the kernel hands nothing between a link and the macvlans on top of it."""
    guest(fleet, "macvlan")


@twin("neighbour_unresolved/macvlan", flow=Flow(GUEST, server=None))
def the_host_has_a_macvlan_as_well(fleet: Machines) -> None:
    """What is advised."""
    guest(fleet, "macvlan")
    shell(
        fleet,
        "web1",
        f"ip link add eth0-host link eth0 type macvlan mode bridge; ip link set eth0-host up; ip route add {GUEST}/32 dev eth0-host",
    )


@fault(
    "no_route/on-link",
    "ENETUNREACH",
    status="broken",
    leg="syn",
    segment="client.route",
    host="web1",
    code="no_route",
    says=("10.0.1.11/32 on eth0 has no network", "via GATEWAY dev eth0 onlink"),
)
def an_address_without_a_network(fleet: Machines) -> None:
    """https://github.com/OpenNebula/one-apps/issues/124: the gateway is no neighbour by any prefix, so that the route was refused."""
    fleet.listen("db1", "::", 5432)
    shell(fleet, "web1", "ip address flush dev eth0 scope global; ip address add 10.0.1.11/32 dev eth0")


@twin("no_route/on-link")
def a_gateway_that_is_said_to_be_next_door(fleet: Machines) -> None:
    """What is advised."""
    an_address_without_a_network(fleet)
    shell(fleet, "web1", "ip route add 10.0.2.21 via 10.0.1.1 dev eth0 onlink")
    shell(fleet, "r1", "ip route replace 10.0.1.11 dev eth0")


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
