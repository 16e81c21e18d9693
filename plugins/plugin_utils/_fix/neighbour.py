# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The neighbour table: entries that are wrong are removed, so that the kernel asks again; more room where it is full."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.address_subjects import Behind, DeadHop, FalseNeighbour, Misdelivered, NextHop, ProxyAnswer, Unanswering, WrongEntry
from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from .._model.network_records import Neighbour, Route
from .._model.opening_records import RuleChange
from .._model.socket_records import Namespace
from . import fit
from .make import advice, ip, mending, shell
from .network import passing
from .routes import as_local, behind_local, not_next_door
from .sysctl import of_interface, of_vrrp, sysctls
from .trusted import for_owner

_MAIN = 254  # RT_TABLE_MAIN
_LEAST = 4096  # entries; about 400 bytes each
_NDP_PROXY = ("net.ipv6.conf.all.forwarding", "NDP proxy", ", for whole networks ndppd")
_DISCOVERY = {135: "neighbour solicitations", 136: "neighbour advertisements"}


def neighbour_wrong(case: Case, finding: Finding) -> Fix | None:
    """Of a host that sends to the wrong one, or of what somebody pinned there."""
    delivered, wrong, pinned = finding.about(Misdelivered), finding.about(WrongEntry), finding.about(Neighbour)
    if delivered:
        return _delivered_to_another(case, delivered)
    sender = case.named(finding.host)
    if wrong and sender:
        return for_owner(case, wrong.owner, wrong.next_hop, forgotten(sender, wrong.entry, wrong.mac))
    if pinned is None:
        return None
    return advice(
        "neighbour",
        finding.host,
        f"remove the entry for {pinned.address} that somebody pinned on {finding.host}, where it is set (a script, a unit, an "
        "interface's configuration) and now, so that it is learned",
        [shell("ip", "neigh", "delete", pinned.address, "dev", pinned.interface)],
    )


def _delivered_to_another(case: Case, delivered: Misdelivered) -> Fix | None:
    if case.server is None:
        return None
    hop = delivered.hop or f"the last hop (link address {delivered.mac})"
    announce = "" if ":" in case.address else f" (arping -U -c 3 -I {delivered.interface} {case.address})"
    return advice(
        "neighbour",
        delivered.hop or "path",
        f"have {hop} forget its neighbour entry for {case.address}, and look for what pins it there; {case.server.name} can announce the "
        f"address once more{announce}",
        [shell("ip", "neigh", "flush", "to", case.address, "nud", "all")] if delivered.hop else (),
    )


def neighbour_unresolved(case: Case, finding: Finding) -> Fix:
    next_hop = str(finding.detail.get("next_hop") or case.gateway[0])
    interface = case.gateway[1]
    if finding.about(Namespace) and interface and fit.interface(interface):
        own, prefix = f"{interface[:10]}-host", 128 if ":" in next_hop else 32
        summary = (
            f"give {finding.host} a macvlan of its own on {interface} and the route to {next_hop} by it (they reach each other, not the "
            "link below them), or reach it by another network"
        )
        commands = (
            shell("ip", "link", "add", own, "link", interface, "type", "macvlan", "mode", "bridge"),
            shell("ip", "link", "set", own, "up"),
            shell("ip", "route", "add", f"{next_hop}/{prefix}", "dev", own),
        )
        return advice("neighbour", finding.host, summary, commands if fit.address(next_hop) else ())
    if len(case.gateways) > 1:
        return advice("neighbour", finding.host, f"bring {next_hop} back, or take it out of the next hops of the route to {case.address}")
    return advice("neighbour", finding.host, f"bring {next_hop} back, or correct the route that makes it the next hop")


def return_neighbour_unresolved(_case: Case, finding: Finding) -> Fix | None:
    """It is silent, or none: the client is not next door."""
    next_hop, false = finding.about(NextHop), finding.about(FalseNeighbour)
    if false:
        return not_next_door(finding.host, false)
    if next_hop is None:
        return None
    return advice("neighbour", finding.host, f"find out why {next_hop.address} does not answer {finding.host}, or correct the route back")


def neighbour_silent(case: Case, finding: Finding) -> Fix | None:
    silent, host = finding.about(Unanswering), case.named(finding.host)
    if silent is None or host is None:
        return None
    if silent.stopped and (change := _by_ufw(case, host)):
        return advice("firewall", host.name, f"{change.summary}: neighbour discovery passes then as well", change.commands)
    if silent.kind == "no_local_route" and (entry := host.interface_of(silent.address)):
        return as_local(host.name, entry)
    return passing(host.name, silent.port) if silent.port else advice("neighbour", host.name, _to_answer(host, silent))


def _by_ufw(case: Case, host: Host) -> RuleChange | None:
    """What must be added to ufw's files where it leaves IPv6 alone, and so lets nothing of it through."""
    sources = {probe.local_address for probe in case.probes}
    for each in host.verdicts.all():
        ours = each.packet == "syn" and (each.destination, each.port) == (case.address, case.port) and each.source in sources
        if (
            ours
            and each.rule
            and each.rule.manager == "ufw"
            and isinstance(each.rule.origin, dict)
            and each.rule.origin.get("ipv6") is False
        ):
            return each.change
    return None


def not_answered_for(_case: Case, finding: Finding) -> Fix | None:
    """A proxy entry has the kernel answer, and one that forwards only; IPv6 asks for a sysctl as well."""
    behind, host = finding.about(Behind), finding.host
    if behind is None:
        return None
    address, interface = behind.address, behind.interface
    forwarding, what, more = ("net.ipv4.ip_forward", "proxy ARP", "") if ":" not in address else _NDP_PROXY
    setting = of_interface(6, interface, "proxy_ndp") if ":" in address else None
    commands = [
        *([shell("sysctl", "-w", f"{setting}=1")] if setting else []),
        shell("ip", "neigh", "add", "proxy", address, "dev", interface),
    ]
    return advice(
        "neighbour",
        host,
        f"have {host} answer for {address} on {interface} ({what}{more}; {forwarding} must be 1), or have the router of that network send "
        f"{behind.prefix} to {host}",
        commands if fit.address(address) and fit.interface(interface) else (),
    )


def next_hop_silent(_case: Case, finding: Finding) -> Fix | None:
    dead = finding.about(DeadHop)
    if dead is None:
        return None
    route, host = dead.route, finding.host
    summary = f"bring {dead.address} back, or correct the route {route.words} of {host}"
    if not dead.next_door or not _is_of_main(route):
        return advice("neighbour", host, summary)
    take = f"{summary}: without it, {host} finds {route.remote} on its own network"
    return advice("route", host, take, [ip(dead.address, "route", "delete", route.prefix, "via", dead.address, "dev", route.interface)])


def _is_of_main(route: Route) -> bool:
    """Whether a plain command of iproute2 is about it."""
    known = route.prefix is not None and fit.network(route.prefix) and route.interface is not None and fit.interface(route.interface)
    return bool(known) and route.table in (None, _MAIN)


def proxy_answers(_case: Case, finding: Finding) -> Fix | None:
    """A host with the network itself finds the owner there, once nothing leads elsewhere; others are to be silent."""
    proxy, host = finding.about(ProxyAnswer), finding.host
    if proxy is None:
        return None
    family = "-6 " if ":" in proxy.address else ""
    forget = f"have {proxy.asking} forget it (ip {family}neigh flush to {proxy.address} dev {proxy.learned_on})"
    how = f"set {proxy.setting}=0" if proxy.setting else f"remove its entry (ip {family}neigh show proxy)"
    silent = f"have {host} not answer for {proxy.address} on {proxy.interface} ({how}), and {forget}"
    route = proxy.onward
    if not proxy.next_door or route.error or not route.prefix or not route.interface:
        return advice("neighbour", host, silent)
    words = ["route", "delete", route.prefix, *(["via", route.gateway] if route.gateway else []), "dev", route.interface]
    return advice(
        "route",
        host,
        f"remove the route {route.words} on {host}, also from where it is kept: it leads {proxy.address} away from "
        f"the network of {proxy.interface}; or {silent}",
        [ip(proxy.address, *words)] if _is_of_main(route) else [],
    )


def _to_answer(host: Host, silent: Unanswering) -> str:
    """What has a host answer requests for its address again, by what keeps it from that."""
    address, interface = silent.address, silent.interface
    entry = host.interface_of(address)
    match silent.kind:
        case "duplicate" | "tentative" if entry:
            return f"find the other machine that has {address} and give one of them another, then add it to {entry.interface} again"
        case "noarp":
            return f"ip link set dev {interface} arp on, unless the network is meant to know its link address otherwise"
        case "arp_ignore":
            own = of_interface(4, interface, "arp_ignore")
            return (
                f"set {own} and net.ipv4.conf.all.arp_ignore so that the higher one lets {host.name} answer "
                f"(0), or add {address} to {interface}; a real server behind a director is meant to be silent"
            )
        case "rp_filter":
            asker, own = silent.askers[0], of_interface(4, interface, "rp_filter")
            route = host.route(asker)
            if _shares_network(host, route, interface, address):
                return _to_asker(host, silent)
            return (
                f"have {asker} send by the network on {route.interface if route else 'the other interface'} of {host.name} (its default "
                f"route, or a rule for its source, as of a container in several networks), or set {own}=2" + of_vrrp(host, interface)
            )
        case "arp_filter":
            return _to_asker(host, silent)
        case "firewall" if silent.stopped:
            what = f"{_DISCOVERY[silent.stopped]} (type {silent.stopped})"
            return (
                f"let neighbour discovery pass the firewall of {host.name}: accept ICMPv6 types 133 to 136, {what} among them, "
                "which IPv6 needs as IPv4 needs ARP"
            )
        case "firewall":
            what = "ICMPv6 types 135 and 136" if ":" in address else "ARP"
            return f"let {what} pass {' and '.join(f'{chain}' for chain in silent.chains)} on {host.name}"
        case "policy_rule" if silent.ahead:
            return behind_local(host.name, silent.ahead)
        case "tc":
            return f"look at the filters there (tc filter show dev {interface} ingress, egress)"
    return f"find out what keeps {host.name} from answering on {interface}: arptables, ebtables, tc, its bridge"


def _shares_network(host: Host, route: Route | None, interface: str, address: str) -> bool:
    """Whether the way to the asker is by another interface with the very network of the address that was asked for."""
    entry = host.interface_of(address)
    return bool(route and entry and entry.interface == interface != route.interface and route.prefix == str(entry.network))


def _to_asker(host: Host, silent: Unanswering) -> str:
    """A virtual address with the prefix of the network makes that one of its own interface, such as a macvlan of VRRP, as well."""
    interface, asker = silent.interface, silent.askers[0]
    route = host.route(asker)
    by = [
        entry
        for entry in (host.snapshot.addresses if host.snapshot else None) or ()
        if route and entry.interface == route.interface != interface and str(entry.network) == route.prefix
    ]
    if not by:
        return f"correct the route to {asker} on {host.name}, or switch arp_filter off on {interface}"
    other, least = by[0], 128 if ":" in asker else 32
    return (
        f"give {other.address} on {other.interface} of {host.name} the prefix /{least}, where it is configured (keepalived: "
        f"virtual_ipaddress without a prefix) and now: /{other.prefix} makes {other.network} a network of {other.interface} as well, by "
        f"which its way to {asker} is; or give that route a higher metric than that of {interface}"
    )


def forgotten(host: Host, entry: Neighbour, real: str) -> Fix:
    """Remove an entry; ``real`` is the link address that the neighbour has."""
    summary = f"delete the neighbour entry for {entry.address} on {host.name}"
    if not (fit.address(entry.address) and fit.interface(entry.interface) and fit.mac(entry.mac)):
        return advice("neighbour", host.name, summary)
    command = shell("ip", "neigh", "delete", entry.address, "dev", entry.interface)
    permanent = entry.state == "PERMANENT"
    proxy = "proxy ARP (proxy_arp)" if ":" not in entry.address else "an NDP proxy"
    others = f"as {proxy} does, or a switch from its own table (neigh_suppress of a Linux bridge, EVPN)"
    again = (
        "it is permanent, look for what sets it at boot"
        if permanent
        else f"if it is learned again, find the machine with {entry.mac}: it has the address, too, or answers for others, {others}"
    )
    return mending(
        "neighbour",
        host.name,
        f"{summary} ({command}); {again}",
        [
            Step(
                "threeway.handshake.network_entry",
                {"kind": "neighbour", "state": "absent", "address": entry.address, "interface": entry.interface, "mac": entry.mac},
                command,
            )
        ],
        Saves(neighbours=True),
        why=f"{entry.address} has another link address than {host.name} sends to",
        undo=[shell("ip", "neigh", "replace", entry.address, "lladdr", entry.mac, "dev", entry.interface, "nud", "permanent")]
        if permanent
        else [],
        check=f"{shell('ip', 'neigh', 'show', entry.address)} says {real}",
    )


def neighbour_table_full(case: Case, finding: Finding) -> Fix | None:
    """Twice the limit, and the two below it in the kernel's own proportions; they are settings of the whole host."""
    host = case.named(finding.host)
    if host is None:
        return None
    stem = f"net.ipv{case.family}.neigh.default.gc_thresh"
    limit = host.sysctl(f"{stem}3")
    if limit is None:
        return advice(
            "sysctl", host.name, f"raise {stem}1 to 3 on the host that {host.name} is a part of", why="its neighbour table is full"
        )
    wanted = max(_LEAST, 2 * limit)
    values = {f"{stem}3": wanted, f"{stem}2": wanted // 2, f"{stem}1": wanted // 8}
    return sysctls(
        host,
        {name: value for name, value in values.items() if value > (host.sysctl(name) or 0)},
        f"raise {stem}3 on {host.name} from {limit} to {wanted}, and those below it; or have fewer hosts on one network",
        why=f"the neighbour table has room for {limit} entries",
    )
