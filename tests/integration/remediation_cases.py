# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each cause that can be mended, on hosts that run systemd: how it is brought about, and what of the culprit's state mends it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.threeway.handshake.tests.integration.remediation import ADDRESS, CLOSE, FLOW, HOST, PORT, START
from ansible_collections.threeway.handshake.tests.lab._handle import Handle
from ansible_collections.threeway.handshake.tests.lab.systemd_fleet import SystemdFleet

SYSCTL_D = "/etc/sysctl[.]d"
NOTHING = "$^"
DISRUPTIVE = {"remediate_max_risk": "disruptive"}
UNCOUNTED = {"remediate_require": "likely"}  # rules that stop the packet without a counter: without a trace it is likely that it is they
UNSEEN = {name: value for name, value in FLOW.items() if name != "via"}  # r1 is not managed: what it does is done somewhere on the path
SHORT = "sed -i 's/ 5432$/ 5432 --backlog=%d/' /etc/systemd/system/orders.service; "
MOVED = {**FLOW, "address": "10.0.2.200"}
LOADED = """[Unit]
Before=network-pre.target
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/usr/sbin/%s-restore /etc/iptables/rules.v4
[Install]
WantedBy=sysinit.target
"""


@dataclass(frozen=True)
class Broken:
    """How a flow is broken, and what may be changed to mend it."""

    code: str
    planned: str
    """Every line of the culprit's state that is new or gone has this pattern."""
    culprit: str
    scripts: Mapping[str, str]
    """Host -> what breaks it there."""
    undo: Mapping[str, str] = field(default_factory=dict)
    """Host -> what the next test must not find any more."""
    lost: str = ""
    """What a reboot of the culprit sets back to how it was broken: the network of this fleet outlives reboots."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    flow: Mapping[str, Any] = field(default_factory=lambda: FLOW)
    load: Callable[[SystemdFleet], Handle | None] | None = None
    """What has to go on so that the flow stays broken."""
    stays: bool = True
    """Whether a reboot keeps it; the running tables of routes and neighbours are whoever's who manages the network."""
    patience: float = 0.0
    """Seconds until the client can connect again when the fix has been tried: its attempts may have taken all ports that there are."""


def iptables(tool: str) -> Broken:
    scripts = f"mkdir -p /etc/iptables; {tool} -A INPUT -p tcp --dport 5432 -j DROP; {tool}-save > /etc/iptables/rules.v4; "
    scripts += f"printf '%s' '{LOADED % tool}' > /etc/systemd/system/rules.service; systemctl enable --quiet rules"
    undo = f"systemctl disable rules; rm -r /etc/iptables /etc/systemd/system/rules.service; {tool} -F; nft flush ruleset"
    return Broken("firewall_drop", r"/etc/iptables|dport 5432|is managed by iptables-nft", HOST, {HOST: scripts}, {HOST: undo})


def at_web1(code: str, name: str, value: str, pattern: str = "", **more: Any) -> Broken:
    """A sysctl of the client, as it is by default in `undo`."""
    wrong = f"sysctl -qw '{name}={value}'"
    return Broken(code, rf"{SYSCTL_D}|{pattern or re.escape(name)}", "web1", {"web1": wrong}, lost=wrong, **more)


def refusing(kind: str) -> Broken:
    entry = f"{kind} 10.0.2.0/24"
    scripts, undo = {"web1": f"ip route add {entry}"}, {"web1": f"ip route delete {entry}"}
    return Broken(f"route_{kind}", f"^{entry}", "web1", scripts, undo, policy=DISRUPTIVE, stays=False)


NO_COOKIES = "sysctl -qw net.ipv4.tcp_syncookies=0"
FLOOD = {"r1": "ip route replace blackhole 198.51.100.0/24"}
CALM = {"r1": "ip route delete blackhole 198.51.100.0/24"}
ONE = "198.51.100.7/32"  # of many it would be syn_flood


def flood(fleet: SystemdFleet) -> Handle:
    """The kernel forgets half-open connections early when the queue is more than half full: they must keep coming."""
    fleet.flood("r1", ADDRESS, PORT, count=60, sources=ONE)
    return fleet.flood("r1", ADDRESS, PORT, count=100_000, rate=200, sources=ONE, wait=False)


def forgotten(fleet: SystemdFleet) -> Handle:
    """web1 loses its connections without a word, as in a loss of power, and dials from the same few ports again."""
    held = fleet.hold("web1", ADDRESS, PORT, 10)
    fleet.nft("web1", "table inet t { chain o { type filter hook output priority 0; tcp dport 5432 drop; }; }")
    fleet.run("web1", ["ss", "-K", "-tn", "dst", f"{ADDRESS}:{PORT}"])
    held.close()
    fleet.nft("web1", "flush ruleset")
    return held


def moved(fleet: SystemdFleet) -> None:
    """A service moves from a host that answers no more to HOST; the router remembers the connections of before."""
    fleet.connects("web1", MOVED["address"], PORT, 4, 0.5)
    fleet.nft("r1", f"flush chain ip nat pre\nadd rule ip nat pre ip daddr {MOVED['address']} tcp dport 5432 counter dnat to {ADDRESS}")


def frozen(fleet: SystemdFleet) -> Handle:
    fleet.run(HOST, ["systemctl", "kill", "--signal=STOP", "orders"])
    return fleet.hold("r1", ADDRESS, PORT, 3)


CASES = {
    "nftables": Broken("firewall_drop", r"/etc/nftables[.]conf|5432", HOST, {HOST: CLOSE}),
    "firewalld": Broken(
        "firewall_reject",
        r"/etc/firewalld(/zones)?|5432|10[.]0[.]1[.]11",
        HOST,
        {
            HOST: "systemctl enable --quiet --now firewalld; until firewall-cmd --quiet --state; do sleep 0.1; done; "
            "firewall-cmd --quiet --permanent --zone=trusted --add-interface=mgmt0; firewall-cmd --quiet --reload"
        },
        policy=UNCOUNTED,
    ),
    "ufw": Broken(
        "firewall_drop",
        r"/etc/ufw|5432",
        HOST,
        {HOST: "ufw allow in on mgmt0 > /dev/null; ufw --force enable > /dev/null"},
        policy=UNCOUNTED,
    ),
    "nftables, which rejects": Broken(
        "firewall_reject",
        r"/etc/nftables[.]conf|5432",
        HOST,
        {HOST: f"sed -i 's/counter drop/counter reject/' /etc/nftables.conf; {CLOSE}"},
    ),
    "iptables-legacy": iptables("iptables-legacy"),
    "iptables-nft": iptables("iptables-nft"),
    "the client's nftables": Broken(
        "firewall_drop",
        r"/etc/nftables[.]conf|5432",
        "web1",
        {
            "web1": "printf 'flush ruleset\ntable inet filter {\n\tchain out {\n\t\ttype filter hook output priority 0; policy accept;\n"
            f"\t\ttcp dport 5432 counter drop\n\t}}\n}}\n' > /etc/nftables.conf; {CLOSE}"
        },
        {"web1": "systemctl disable --quiet --now nftables; nft flush ruleset"},
    ),
    "the router's nftables": Broken(
        "firewall_drop",
        r"/etc/nftables[.]conf|5432",
        "r1",
        {
            "r1": "printf 'flush ruleset\ntable inet filter {\n\tchain way {\n\t\ttype filter hook forward priority 0; policy accept;\n"
            f"\t\ttcp dport 5432 counter drop\n\t}}\n}}\n' > /etc/nftables.conf; {CLOSE}"
        },
        {"r1": "systemctl disable --quiet --now nftables; nft flush ruleset"},
    ),
    "service": Broken(
        "service_stopped",
        r"^orders |orders[.]service|/etc/systemd/system/multi-user.target.wants",
        HOST,
        {HOST: "systemctl disable --quiet --now orders"},
    ),
    "a service that does not accept": Broken("accept_queue_full", NOTHING, HOST, {HOST: SHORT % 2 + START}, policy=DISRUPTIVE, load=frozen),
    "SYN cookies": Broken(
        "syn_queue_full",
        rf"{SYSCTL_D}|tcp_syncookies",
        HOST,
        {HOST: f"{NO_COOKIES}; {SHORT % 16}{START}", **FLOOD},
        CALM,
        lost=NO_COOKIES,
        load=flood,
    ),
    "SYN backlog": Broken(
        "syn_backlog_reserved",
        rf"{SYSCTL_D}|tcp_syncookies",
        HOST,
        {HOST: f"{NO_COOKIES}; sysctl -qw net.ipv4.tcp_max_syn_backlog=32; ip tcp_metrics flush", **FLOOD},  # known peers come in
        CALM,
        lost=NO_COOKIES,
        load=flood,
    ),
    "forwarding": Broken(
        "router_not_forwarding",
        rf"{SYSCTL_D}|forward|accept_redirects",
        "r1",
        {"r1": "sysctl -qw net.ipv4.ip_forward=0"},
        lost="sysctl -qw net.ipv4.ip_forward=0",
    ),
    "reverse-path filter": Broken(
        "rp_filter_drop",
        rf"{SYSCTL_D}|eth1[.]rp_filter",
        "web1",
        {
            "r1": "ip route add 10.0.1.11/32 via 10.0.4.11",
            "web1": "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth1.rp_filter=0",
        },
        {"r1": "ip route delete 10.0.1.11/32"},
        lost="sysctl -qw net.ipv4.conf.eth1.rp_filter=0",
    ),
    "TTL": at_web1("ttl_too_low", "net.ipv4.ip_default_ttl", "1"),
    "local ports": at_web1(
        "ephemeral_ports_exhausted",
        "net.ipv4.ip_local_port_range",
        "40000 40009",
        "ip_local_port_range|tcp_tw_reuse",
        load=lambda fleet: fleet.hold("web1", ADDRESS, PORT, 10),
    ),
    "ECN": Broken(
        "ecn_blackhole",
        rf"{SYSCTL_D}|tcp_ecn ",
        "web1",
        {
            "web1": "sysctl -qw net.ipv4.tcp_ecn=1",
            "r1": "nft 'table inet t { chain f { type filter hook forward priority 0; tcp flags & (syn|ecn|cwr) == syn|ecn|cwr drop; }; }'",
        },
        {"r1": "nft flush ruleset"},
        lost="sysctl -qw net.ipv4.tcp_ecn=1",
        policy={"remediate_require": "likely"},
        flow=UNSEEN,
    ),
    "a route that is unreachable": refusing("unreachable"),
    "a route that is a black hole": refusing("blackhole"),
    "a route that is prohibited": refusing("prohibit"),
    "no route": Broken(
        "no_route",
        r"^10[.]0[.]2[.]21 via 10[.]0[.]1[.]1 dev eth0",
        "web1",
        {"web1": "ip route delete default"},
        {"web1": "ip route delete 10.0.2.21; ip route add default via 10.0.1.1"},
        policy=DISRUPTIVE,
        stays=False,
    ),
    "no way back": Broken(
        "no_return_route",
        r"^10[.]0[.]1[.]11 via 10[.]0[.]2[.]1 dev eth0",
        HOST,
        {HOST: "ip route delete default"},
        {HOST: "ip route delete 10.0.1.11; ip route add default via 10.0.2.1"},
        policy=DISRUPTIVE,
        stays=False,
    ),
    "connections that outlived their client": Broken(
        "stale_connection",
        NOTHING,
        HOST,
        {
            "web1": "sysctl -qw 'net.ipv4.ip_local_port_range=40000 40009'",
            "r1": "nft 'table inet t { chain f { type filter hook forward priority 0; tcp flags & rst == rst drop; }; }'",
        },
        {"r1": "nft flush ruleset"},
        policy=DISRUPTIVE,
        load=forgotten,
        stays=False,
    ),
    "a translation that the rules do not make any more": Broken(
        "stale_translation",
        NOTHING,
        "r1",
        {
            "web1": "sysctl -qw net.ipv4.tcp_tw_reuse=1 'net.ipv4.ip_local_port_range=40000 40003'",
            "r1": "ip neighbour replace 10.0.2.99 lladdr 02:00:5e:00:53:63 dev eth1 nud permanent; nft 'table ip nat { chain pre { "
            f"type nat hook prerouting priority -100; ip daddr {MOVED['address']} tcp dport 5432 counter dnat to 10.0.2.99; }}; }}'",
        },
        {"r1": "nft flush ruleset; ip neighbour delete 10.0.2.99 dev eth1"},
        policy={"diagnose_attempts": 4},
        flow=MOVED,
        load=moved,
        stays=False,
        patience=75,  # TIME-WAIT lasts 60 seconds, and a port that an attempt was bound to is not used again before
    ),
    "a wrong neighbour": Broken(
        "neighbour_wrong",
        r"^10[.]0[.]1[.]1 dev eth0 lladdr 02:00:5e:00:53:01 PERMANENT",
        "web1",
        {"web1": "ip neighbour replace 10.0.1.1 lladdr 02:00:5e:00:53:01 dev eth0 nud permanent"},
        {"web1": "ip neighbour delete 10.0.1.1 dev eth0"},
        stays=False,
    ),
}
