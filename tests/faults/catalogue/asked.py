# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults as people asked about them in public: VPNs, gateways that were learned, names; each names where."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, DB1_V6, Flow, fault, twin
from tests.faults.catalogue.firewall_rules import BRIEF
from tests.faults.catalogue.reported import SHORT, shell
from tests.faults.catalogue.reported_tunnels import TUN
from tests.lab._machines import Machines

# -- answers into a tunnel

INTO: dict[str, Any] = {"code": "asymmetric_route", "certainties": ("likely",), "leg": "syn_ack", "segment": "path.return", **BRIEF}


def tunnel(fleet: Machines, host: str, name: str) -> None:
    """A tunnel whose other end takes everything and returns nothing."""
    fleet.popen(host, [fleet.python, "-c", TUN.replace("tailscale0", name)]).await_answer()
    shell(fleet, host, f"ip address add 100.80.115.142/32 dev {name}; ip link set {name} up")


@fault(
    "asymmetric_route/vpn",
    "timeout",
    host="db1",
    says=("leaves by wg0 (table 51820, by policy rule", "ip route add default via 10.0.2.1 dev eth0 table 100", f"ip rule add from {DB1}"),
    flow=SHORT,
    **INTO,
)
def a_server_sends_everything_into_its_vpn(fleet: Machines) -> None:
    """https://cr0x.net/en/vpn-ufw-nftables-lockout-fixes: what wg-quick makes of AllowedIPs = 0.0.0.0/0."""
    fleet.listen("db1", "::", 5432)
    tunnel(fleet, "db1", "wg0")
    shell(fleet, "db1", "ip route add default dev wg0 table 51820; ip rule add not fwmark 51820 table 51820")
    shell(fleet, "db1", "ip rule add table main suppress_prefixlength 0")


@fault(
    "asymmetric_route/vpn-lan",
    "timeout",
    host="web1",
    says=("leaves by tailscale0 (table 52, by policy rule 5270)", "ip route add 10.0.1.0/24 dev eth0 table 100"),
    flow=Flow("10.0.1.11", client="web2", server="web1", timeout=1.0),
    slow=True,
    **INTO,
)
def a_server_looks_for_its_neighbours_in_its_vpn(fleet: Machines) -> None:
    """https://github.com/tailscale/tailscale/issues/15055: the routes that it accepts have its own network."""
    fleet.listen("web1", "::", 5432)
    tunnel(fleet, "web1", "tailscale0")
    shell(fleet, "web1", "ip rule add pref 5270 lookup 52; ip route add 10.0.1.0/24 dev tailscale0 table 52")


# -- gateways that were learned

LEARNED: dict[str, Any] = {"code": "learned_gateway", "host": "web1", "certainties": ("likely",), "leg": "syn", "segment": "path.forward"}


def redirected(fleet: Machines) -> None:
    """r1 tells web1 that web2 is the way to db1, which web2 is not."""
    fleet.listen("db1", "::", 5432)
    for host, setting in (("r1", "send_redirects"), ("web1", "accept_redirects")):
        for name in ("all", "eth0"):
            fleet.sysctl(host, f"net.ipv4.conf.{name}.{setting}", 1)
    for name in ("all", "eth0"):
        fleet.sysctl("web1", f"net.ipv4.conf.{name}.secure_redirects", 0)
    fleet.run("r1", ["ip", "route", "add", f"{DB1}/32", "via", "10.0.1.12"])
    for _attempt in range(3):
        fleet.connect("web1", DB1, 5432, 2.0)
    fleet.run("r1", ["ip", "route", "delete", f"{DB1}/32", "via", "10.0.1.12"])


@fault(
    "learned_gateway",
    "timeout",
    says=("by 10.0.1.12, to which an ICMP redirect sent it", "its table has 10.0.1.1 as well", "ip route flush cache"),
    flow=SHORT,
    **LEARNED,
    **BRIEF,
)
def a_redirect_leads_nowhere(fleet: Machines) -> None:
    """http://commandline.ninja/tag/routing/"""
    redirected(fleet)


@twin("learned_gateway", flow=SHORT, slow=True, **BRIEF)
def a_redirect_leads_to_a_router(fleet: Machines) -> None:
    """What is advised would do as well: web2 forwards."""
    redirected(fleet)
    fleet.sysctl("web2", "net.ipv4.ip_forward", 1)


def advertised(fleet: Machines) -> None:
    """web1 has taken web2 for a router, beside the one that it was given."""
    fleet.listen("db1", "::", 5432)
    shown = fleet.run("web2", ["ip", "-6", "-brief", "address", "show", "dev", "eth0", "scope", "link"]).stdout
    gateway = shown.split()[2].partition("/")[0]
    fleet.run("web1", ["ip", "-6", "route", "add", "default", "via", gateway, "dev", "eth0", "proto", "ra", "metric", "512"])


@fault(
    "learned_gateway/advertised",
    "timeout",
    says=("a router by its own advertisement", "its table has 2001:db8:1::1 as well", "ip -6 route del"),
    flow=Flow(DB1_V6, timeout=1.0),
    slow=True,
    **LEARNED,
    **BRIEF,
)
def a_machine_advertises_itself_and_is_no_router(fleet: Machines) -> None:
    """https://blog.selfnet.de/tag/icmp.html"""
    advertised(fleet)


@twin("learned_gateway/advertised", flow=Flow(DB1_V6, timeout=1.0), slow=True, **BRIEF)
def a_router_advertises_itself(fleet: Machines) -> None:
    advertised(fleet)
    fleet.sysctl("web2", "net.ipv6.conf.all.forwarding", 1)


# -- address translation

PUBLISHED = "203.0.113.1"
HAIRPIN = Flow(PUBLISHED, client="web2", server="web1", via=("r1",), timeout=1.0)


def published(fleet: Machines) -> None:
    """r1 publishes web1 at an address of its own."""
    fleet.listen("web1", "::", 5432)
    rule = f"-t nat -A PREROUTING -d {PUBLISHED} -p tcp --dport 5432 -j DNAT --to-destination 10.0.1.11"
    shell(fleet, "r1", f"ip address add {PUBLISHED}/32 dev eth1; iptables-nft {rule}")


MASQUERADE = "-s 10.0.1.0/24 -d 10.0.1.11 -p tcp --dport 5432 -j MASQUERADE"


@fault(
    "nat_not_undone/hairpin",
    "timeout",
    code="nat_not_undone",
    host="r1",
    leg="syn_ack",
    segment="path.return",
    says=("DNAT --to-destination 10.0.1.11", "since web2 is on web1's own network, 10.0.1.0/24", MASQUERADE),
    flow=HAIRPIN,
    **BRIEF,
)
def a_published_address_from_inside(fleet: Machines) -> None:
    """https://github.com/rtr7/router7/issues/53"""
    published(fleet)


@twin("nat_not_undone/hairpin", flow=HAIRPIN, slow=True, **BRIEF)
def a_published_address_from_inside_with_masquerading(fleet: Machines) -> None:
    """What is advised."""
    published(fleet)
    shell(fleet, "r1", f"iptables-nft -t nat -A POSTROUTING {MASQUERADE}")


# -- sources

TEMPORARY = "2001:db8:1:0:a8bb:ccff:fedd:1"
OTHERS = """
table inet filter {{
 chain input {{ type filter hook input priority 0; ip6 saddr {} tcp dport 5432 accept; tcp dport 5432 counter drop; }}
}}
"""


def private(fleet: Machines, let_in: str) -> None:
    """web1 sends from a temporary address of its network, and db1 lets some addresses in."""
    fleet.listen("db1", "::", 5432)
    fleet.sysctl("web1", "net.ipv6.conf.eth0.use_tempaddr", 2)
    shell(fleet, "web1", f"ip address add {TEMPORARY}/64 dev eth0 mngtmpaddr nodad")
    shell(fleet, "web1", "until ip -6 address show dev eth0 temporary -tentative | grep -q inet6; do sleep 0.1; done")
    fleet.nft("db1", OTHERS.format(let_in))


@fault(
    "firewall_drop/temporary-source",
    "timeout",
    code="firewall_drop",
    host="db1",
    leg="syn",
    segment="server.firewall",
    says=("a temporary address (IPv6 privacy extensions) of web1, and not from 2001:db8:1::11", "net.ipv6.conf.eth0.use_tempaddr=0"),
    flow=Flow(DB1_V6, timeout=1.0),
    **BRIEF,
)
def a_client_hides_its_address_and_is_not_known(fleet: Machines) -> None:
    """https://oneuptime.com/blog/post/2026-03-20-temporary-vs-stable-ipv6-addresses/view"""
    private(fleet, "2001:db8:1::11")


@twin("firewall_drop/temporary-source", flow=Flow(DB1_V6, timeout=1.0), slow=True, **BRIEF)
def the_network_of_the_client_is_let_in(fleet: Machines) -> None:
    private(fleet, "2001:db8:1::/64")


BRIDGED = """
ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0; ip link set docker0 up; echo 1 > /proc/sys/net/ipv4/ip_forward
ip netns add web; ip link add vethw type veth peer name eth0 netns web; ip link set vethw master docker0 up
ip -n web link set lo up; ip -n web address add 172.17.0.2/16 dev eth0; ip -n web link set eth0 up
ip -n web route add default via 172.17.0.1
iptables-nft -t nat -A OUTPUT -p tcp --dport 5432 -m addrtype --dst-type LOCAL -j DNAT --to-destination 172.17.0.2:80
iptables-nft -t nat -A POSTROUTING -o docker0 -m addrtype --src-type LOCAL -j MASQUERADE
"""
ITSELF = Flow("127.0.0.1", client="db1", server="db1", timeout=1.0)


def container_of_its_own(fleet: Machines, route_localnet: int) -> None:
    shell(fleet, "db1", BRIDGED)
    fleet.sysctl("db1", "net.ipv4.conf.docker0.route_localnet", route_localnet)
    serve = ["ip", "netns", "exec", "web", fleet.python, "-B", str(fleet.tools / "serve.py"), "0.0.0.0", "80"]
    fleet.popen("db1", serve).await_answer()


@fault(
    "loopback_kept",
    "timeout EINVAL",
    code="loopback_kept",
    host="db1",
    leg="syn",
    segment="client.firewall",
    certainties=("proven",),
    says=("DNAT --to-destination 172.17.0.2:80", "net.ipv4.conf.docker0.route_localnet is 0", "sysctl -w"),
    flow=ITSELF,
    **BRIEF,
)
def a_published_port_on_the_loopback_address(fleet: Machines) -> None:
    """https://github.com/rkt/rkt/issues/1256"""
    container_of_its_own(fleet, 0)


@twin("loopback_kept", flow=ITSELF, slow=True, **BRIEF)
def a_published_port_on_the_loopback_address_that_is_routed(fleet: Machines) -> None:
    """What is advised."""
    container_of_its_own(fleet, 1)
