# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to lose one SYN, and what the kernel says of each."""

from __future__ import annotations

import sys
import typing as t

from ansible_collections.threeway.handshake.plugins.module_utils._drops.records import Flow
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.wire import (
    CLIENT,
    CLIENT6,
    FLOW,
    FLOW6,
    SERVER,
    SERVER6,
)

SYN = ("SYN",)
NFT = "nft add table {family} t; nft 'add chain {family} t c {{ type filter hook {hook} priority 0; }}'; nft 'add rule {family} t c {rule}'"
NFT_COUNTER = "nft list table {family} t | sed -n 's/.*counter packets \\([0-9]*\\).*/\\1/p'"
IPTABLES_COUNTER = "iptables-legacy -vnxL INPUT | awk '/DROP/ { print $1 }'"
TC_DROP = "tc qdisc add dev eth0 clsact; tc filter add dev eth0 {direction} protocol ip prio 2 bpf da bytecode '1,6 0 0 2'"
TC_COUNTER = "tc -s qdisc show dev eth0 clsact | sed -n 's/.*dropped \\([0-9]*\\).*/\\1/p'"
XFRM_COUNTER = "awk '/XfrmInPolBlock/ { print $2 }' /proc/net/xfrm_stat"


class Case(t.NamedTuple):
    """A way to lose one SYN. `counter`: what the host prints before and after, whose difference is the number of the drops."""

    host: str
    setup: str
    reason: str
    function: str
    counter: str = ""
    caller: str = ""
    listen: tuple[str, ...] | None = ()
    flow: Flow = FLOW
    also: tuple[tuple[str, tuple[str, ...], str, str], ...] = ()  # kind, flags, reason, function of further events


def nft(host: str, hook: str, family: str = "inet", rule: str = "tcp dport 5432 counter drop", **more: t.Any) -> Case:
    setup = NFT.format(family=family, hook=hook, rule=rule)
    return Case(host, setup, "NETFILTER_DROP", "nft_do_chain", NFT_COUNTER.format(family=family), **more)


def nstat(name: str) -> str:
    return f"nstat -asz {name} | awk '/{name}/ {{ print $2 }}'"


CASES = {
    "nft-input": nft("server", "input", caller="ip_local_deliver"),
    "nft-prerouting": nft("server", "prerouting", caller="ip_rcv"),
    "nft-output": nft("client", "output", caller="__ip_local_out"),
    "nft-postrouting": nft("client", "postrouting", caller="ip_output"),
    "nft-forward": nft("router", "forward", caller="ip_forward"),
    "nft-ingress": nft("server", "ingress device eth0", "netdev", caller="__netif_receive_skb_core"),
    "nft-reset": nft("server", "input", rule="tcp dport 5432 counter reject with tcp reset"),
    "nft-input-6": nft("server", "input", caller="ip6_input", flow=FLOW6),
    "nft-forward-6": nft("router", "forward", caller="ip6_forward", flow=FLOW6),
    "iptables": Case(
        "server",
        "iptables-legacy -A INPUT -p tcp --dport 5432 -j DROP",
        "NETFILTER_DROP",
        "nf_hook_slow",
        IPTABLES_COUNTER,
        "ip_local_deliver",
    ),
    "tc-ingress": Case("server", TC_DROP.format(direction="ingress"), "TC_INGRESS", "__netif_receive_skb_core", TC_COUNTER),
    "tc-egress": Case(
        "router",
        TC_DROP.format(direction="egress").replace("eth0", "right"),
        "TC_EGRESS",
        "__dev_queue_xmit",
        TC_COUNTER.replace("eth0", "right"),
    ),
    "queue": Case("client", "tc qdisc add dev eth0 root bfifo limit 1", "QDISC_DROP", "__dev_queue_xmit"),
    "xdp": Case("server", f"{sys.executable} {{lab}}/xdp.py eth0 5432", "NOT_SPECIFIED", "do_xdp_generic"),
    "xdp-native": Case("server", f"{sys.executable} {{lab}}/xdp.py eth0 5432 native", "NOT_SPECIFIED", "veth_xdp_rcv_skb"),
    "ip6tables": Case(
        "server", "ip6tables-legacy -A INPUT -p tcp --dport 5432 -j DROP", "NETFILTER_DROP", "nf_hook_slow", caller="ip6_input", flow=FLOW6
    ),
    "prohibit-6": Case("router", f"ip route add prohibit {SERVER6}", "IP_INNOROUTES", "ip6_pkt_prohibit", flow=FLOW6),
    "ipsec-forward-6": Case(
        "router", f"ip xfrm policy add src {CLIENT6} dst {SERVER6} dir fwd action block", "NOT_SPECIFIED", "ip6_forward", flow=FLOW6
    ),
    "ipv6-disabled": Case(
        "server", "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6", "IPV6DISABLED", "ip6_rcv_core", listen=None, flow=FLOW6
    ),
    "rp_filter": Case(
        "server",
        "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter; ip route del default; ip link add p type veth peer name q; ip link set p up; "
        "ip link set q up; ip route add default dev p",
        "IP_RPFILTER",
        "ip_rcv_finish_core",
        nstat("TcpExtIPReversePathFilter"),
    ),
    "martian": Case("server", f"ip address add {CLIENT}/32 dev lo", "IP_LOCAL_SOURCE", "ip_rcv_finish_core"),
    "other-address": Case(
        "server",
        f"ip address del {SERVER}/24 dev eth0; ip address add 198.51.100.3/24 dev eth0; ip route add default via 198.51.100.254",
        "IP_INADDRERRORS",
        "ip_error",
        nstat("IpInAddrErrors"),
        listen=None,
    ),
    "other-mac": Case("router", "ip link set left address 02:00:00:00:00:99", "OTHERHOST", "ip_rcv_core"),
    "not-a-router": Case("router", "echo 0 > /proc/sys/net/ipv4/ip_forward", "IP_INADDRERRORS", "ip_error", nstat("IpInAddrErrors")),
    "prohibit": Case("router", f"ip route add prohibit {SERVER}", "NOT_SPECIFIED", "ip_error"),
    "no-route-on": Case("router", "ip link set right down", "IP_INNOROUTES", "ip_error", nstat("IpExtInNoRoutes")),
    "ipsec-input": Case(
        "server", f"ip xfrm policy add src {CLIENT} dst {SERVER} dir in action block", "XFRM_POLICY", "tcp_v4_rcv", XFRM_COUNTER
    ),
    "ipsec-forward": Case("router", f"ip xfrm policy add src {CLIENT} dst {SERVER} dir fwd action block", "XFRM_POLICY", "ip_forward"),
    "time-to-live": Case("client", "echo 1 > /proc/sys/net/ipv4/ip_default_ttl", "IP_INHDR", "ip_forward"),
    "hop-limit": Case("client", "echo 1 > /proc/sys/net/ipv6/conf/eth0/hop_limit", "IP_INHDR", "ip6_forward", flow=FLOW6),
    "minimum-ttl": Case("server", "", "TCP_MINTTL", "tcp_v4_rcv", nstat("TcpExtTCPMinTTLDrop"), listen=("--min-ttl=255",)),
    "minimum-hops": Case("server", "", "TCP_MINTTL", "tcp_v6_rcv", nstat("TcpExtTCPMinTTLDrop"), listen=("--min-ttl=255",), flow=FLOW6),
    "socket-filter": Case("server", "", "SOCKET_FILTER", "tcp_v4_rcv", listen=("--filtered",)),
    "md5": Case("server", "", "TCP_MD5NOTFOUND", "tcp_v4_rcv", nstat("TcpExtTCPMD5NotFound"), listen=("--md5", CLIENT, "key")),
    "closed": Case(
        "server",
        "",
        "NO_SOCKET",
        "tcp_v4_rcv",
        nstat("TcpOutRsts"),
        listen=None,
        also=(("reset", SYN, "NO_SOCKET", "tcp_v4_send_reset"),),
    ),
    "closed-6": Case(
        "server",
        "",
        "NO_SOCKET",
        "tcp_v6_rcv",
        nstat("TcpOutRsts"),
        listen=None,
        flow=FLOW6,
        also=(("reset", SYN, "NO_SOCKET", "tcp_v6_send_reset"),),
    ),
}
AT = {"time-to-live": "router", "hop-limit": "router"}  # where they are dropped, if it is not where they are set up
