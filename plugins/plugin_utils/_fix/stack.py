# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the network stack of a host does with packets: forwarding, the reverse-path filter, TTL, ECN, the receive queue."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.firewall_subjects import Setting, Translated
from .._model.fixes import Fix
from .._model.host import Host
from .._model.network_subjects import ReversePath
from .._model.rule_records import Rule
from .make import advice, shell
from .sysctl import not_settable, of_interface, sysctls
from .translation import removal
from .trusted import for_client

_TTL, _QUEUE, _MOST_QUEUE = 64, 1000, 1 << 18


def router_not_forwarding(case: Case, finding: Finding) -> Fix | None:
    """Of the whole host, or of the one interface that is off where the others are on. IPv6 forwards by the whole host's setting alone."""
    host, seen, family = case.named(finding.host), case.outcome.last_seen, case.family
    if host is None or seen is None:
        return None
    name = "net.ipv4.ip_forward" if family == 4 else "net.ipv6.conf.all.forwarding"
    if family == 4 and host.sysctl("net.ipv4.conf.all.forwarding") == 1:
        alone = of_interface(4, seen.interface, "forwarding")
        if alone is None:
            return not_settable(host, f"let {host.name} forward packets of that interface")
        name = alone
    also = "; it then takes no router advertisements unless accept_ra=2" if family == 6 else ""
    return sysctls(host, {name: 1}, f"set {name}=1 on {host.name}{also}", why=_why_forward(host, finding.about(Translated)))


def _why_forward(host: Host, translated: Translated | None) -> str:
    if translated:
        return f"{host.name} translates to {translated.end}, which is not its own, and does not forward"
    return f"the flow names {host.name} on its way, and it does not forward"


def rp_filter_drop(case: Case, finding: Finding) -> Fix | None:
    """The filter is what refuses sources that are made up: it is loosened for those of the flow alone."""
    filtered, host = finding.about(ReversePath), case.named(finding.host)
    if filtered is None or host is None:
        return None
    fix = _loose(host, filtered)
    return fix if case.outcome.kind == "ignored_syn_ack" else for_client(case, host, filtered.source, fix)


def _loose(host: Host, filtered: ReversePath) -> Fix:
    """Loose, not off: the filter still drops sources to which no way leads. The kernel takes the higher value of the interface and all."""
    interface, source = filtered.interface, filtered.source
    name = of_interface(4, interface, "rp_filter")
    if filtered.no_way_back or filtered.mode == 2:
        return advice("route", host.name, f"add a route to {source} on {host.name}: the loose filter (rp_filter=2) demands one, too")
    if name is None:
        return not_settable(host, f"set rp_filter=2 (loose) for that interface of {host.name}, or make the way symmetric")
    return sysctls(
        host,
        {name: 2},
        f"set {name}=2 (loose) on {host.name}, or {_one_way(filtered)}",
        why=f"the way back to {source} leaves by another interface than {interface}, on which its packets arrive",
    )


def _one_way(filtered: ReversePath) -> str:
    if filtered.marked:
        return (
            "have the filter look with the mark that rules ahead of it give to what comes in (net.ipv4.conf.all.src_valid_mark=1, and "
            "CONNMARK --restore-mark or meta mark set ct mark in a prerouting chain of mangle)"
        )
    if filtered.beside is None:
        return "make the way symmetric"
    return (
        f"have {filtered.beside} and {filtered.interface} answer ARP for their own addresses only (arp_ignore=1 and arp_announce=2 for all "
        "interfaces), or give one of them another network"
    )


def ttl_too_low(case: Case, finding: Finding) -> Fix | None:
    """What systems start with. IPv6 has it by interface, and routers may announce it."""
    host = case.named(finding.host)
    sent = case.observation("syn_ack" if finding.leg == "syn_ack" else "syn", host, "out")
    if rule := finding.about(Rule):
        return _without_its_ttl(finding.host, rule)
    if finding.segment == "path.forward":
        return advice("advice", finding.host, f"look for what sets the TTL of packets ahead of {finding.detail['offender']}")
    if sent is None or host is None:
        return None
    name = "net.ipv4.ip_default_ttl" if case.family == 4 else of_interface(6, sent.interface, "hop_limit")
    if name is None:
        return not_settable(host, f"set the hop limit of that interface of {host.name} to {_TTL}")
    if host.sysctl(name) not in (sent.packet.ttl, None):
        return _own_ttl(case, host, name)
    return sysctls(
        host,
        {name: _TTL},
        f"set {name}={_TTL} on {host.name}, or let the application set a higher TTL",
        why="its TTL is used up on the way",
    )


def _without_its_ttl(host: str, rule: Rule) -> Fix:
    """Such rules are to make packets look alike, for a provider that tells by the TTL who shares a connection."""
    command = removal(rule)
    return advice(
        "firewall",
        host,
        f"have {rule.tag} of chain {rule.chain} on {host} set a TTL that suffices for the way ({_TTL}), or take it away, if nobody means "
        "it",
        [command] if command else [],
    )


def _own_ttl(case: Case, host: Host, name: str) -> Fix:
    """It is not the host's own: a program, a route or a rule has set it."""
    listener = case.listener() if host is case.server else None
    holder = next(iter((listener.processes if listener else None) or ()), None)
    who = f"{holder.name} (pid {holder.pid})" if holder else "the program that listens" if host is case.server else "the program"
    return advice(
        "application",
        host.name,
        f"have {who} on {host.name} set a higher TTL (IP_TTL; of BGP, multihop: ebgp-multihop in FRR, multihop in BIRD); if it sets none, "
        "look for a route with a hoplimit and for rules that set the TTL",
        why=f"{name} is {host.sysctl(name)}",
    )


def ecn_blackhole(case: Case, finding: Finding) -> Fix:
    """2: take part when the other side asks, and do not ask."""
    host, where = case.client, case.outcome.stretch
    if not finding.detail["by_sysctl"]:
        route = f" ({case.route.words})" if case.route else ""
        return advice(
            "route",
            host.name,
            f"take features ecn from the route{route} of {host.name}, or use a congestion control that does not need ECN, since "
            f"net.ipv4.tcp_ecn does not have it ask; or mend the device {where}",
            [shell("ip", "route", "show"), shell("sysctl", "net.ipv4.tcp_congestion_control")],
        )
    return sysctls(
        host,
        {"net.ipv4.tcp_ecn": 2},
        f"set net.ipv4.tcp_ecn=2 on {host.name}, or mend the device {where}",
        why=f"SYNs that ask for ECN are lost {where}",
    )


def synproxy_loose(_case: Case, finding: Finding) -> Fix | None:
    setting = finding.about(Setting)
    if setting is None:
        return None
    return advice(
        "sysctl",
        finding.host,
        f"set {setting.name} to 0 on {finding.host}, as SYNPROXY needs it (iptables-extensions(8)), now and in /etc/sysctl.d",
        [shell("sysctl", "-w", f"{setting.name}=0")],
        why="connections that a restart of the firewall forgets are dropped then, and not picked up",
    )


def synproxy_unserved(case: Case, finding: Finding) -> Fix:
    if case.listeners_on_port() == []:
        start = f"start the service that should listen on port {case.listening_port} of {finding.host}, or correct the port"
        return advice("service", finding.host, start, [shell("ss", "-ltnp")])
    return advice(
        "firewall",
        finding.host,
        f"find out on {finding.host} itself why nothing takes connections to port {case.listening_port}: whether anything listens there, "
        "its options, and rules for the packets that SYNPROXY sends",
    )


def softirq_drop(case: Case, finding: Finding) -> Fix | None:
    """Twice the receive queue that overflowed, and room for what was dropped."""
    host = case.named(finding.host)
    dropped = host.delta("Softnet", "dropped") if host else None
    if host is None or dropped is None:
        return None
    name = "net.core.netdev_max_backlog"
    wanted = min(_MOST_QUEUE, max(2 * (host.sysctl(name) or _QUEUE), _QUEUE + dropped))
    return sysctls(
        host,
        {name: wanted},
        f"set {name}={wanted} on {host.name}; spread receive interrupts over more CPUs",
        why=f"the receive queue was full, and {dropped} packets were dropped",
    )
