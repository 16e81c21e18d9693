# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Names that lead nowhere or elsewhere: advice, with the record that would lead to the server's data address."""

from __future__ import annotations

import ipaddress

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.host import Host
from .._model.name_subjects import Resolved, SlowNames, Unresolved
from .._model.network_records import LOOPBACK
from .._model.probe_records import OverlookedLine, Unconfigured
from .._model.socket_records import Process
from .make import advice, shell
from .stopped import going_on


def name_resolution_failed(case: Case, finding: Finding) -> Fix | None:
    name = finding.about(Unresolved)
    if name is None:
        return None
    if name.unreadable:
        return _readable(case, name)
    if (address := case.dialled.partition("%")[0]) != case.dialled and _parsed(address):
        return _on_an_interface(case, address)
    if name.cut:
        return _resolvable(
            case,
            f"let {case.client.name} connect to TCP port 53 of {', '.join(name.cut)} (firewalls there and on the way that pass UDP alone); "
            "options edns0 in /etc/resolv.conf lets answers by UDP be longer, up to 1200 bytes",
            so="; until then,",
        )
    if name.forbidden:
        return _resolvable(
            case,
            f"let the firewall of {case.client.name} pass what goes to UDP and TCP port 53 of {', '.join(name.forbidden)}, and what comes "
            "back (ufw: allow out to ADDRESS port 53; else accept rules in the chains of its output hook)",
            so="; until then,",
        )
    if name.prohibited:
        return _resolvable(
            case,
            f"see what forbids {case.client.name} to send to {', '.join(name.prohibited)}, and take it away: a route or policy rule "
            "of type prohibit (ip route get ADDRESS, ip rule), else SELinux or AppArmor",
            so="; until then,",
        )
    if name.passed_over:
        return _resolvable(case, _heeded(case.client.name, name.passed_over), so="; until then,")
    if name.unconfigured:
        return _resolvable(case, _configure(case.client.name, name.unconfigured), so="; until then,")
    if name.own:
        return _answering(case, name.own)
    if name.waiting:
        return _resolvable(case, f"find out which nameserver of {case.client.name} does not answer (/etc/resolv.conf)")
    if name.unasked:
        return _resolvable(
            case,
            f"have the line hosts of /etc/nsswitch.conf on {case.client.name} come to dns for {case.dialled} (hosts: files dns; now: "
            f"{' '.join(name.unasked)})",
            so="; until then,",
        )
    if name.known:
        return _resolvable(case, _with_address(case), so="; until then,")
    return _resolvable(case, f"make {case.dialled} resolvable on {case.client.name} (DNS record, /etc/hosts, search list)")


def _readable(case: Case, name: Unresolved) -> Fix:
    """Files that a link leads to are named as the link; chmod(1) follows it."""
    files = " and ".join(name.unreadable)
    summary = f"let {name.user} read {files} on {case.client.name}, and enter the directories to which a link leads; see who writes it "
    return advice(
        "dns",
        case.client.name,
        f"{summary}without that permission (a umask of 077)",
        (shell("chmod", "a+r", *name.unreadable),),
        check=f"as {name.user}, getent ahosts {case.dialled} names an address",
    )


def _on_an_interface(case: Case, address: str) -> Fix:
    """An address with a scope, which no resolver has: the C library has not found the interface."""
    client = case.client
    links = (client.snapshot.links if client.snapshot else None) or ()
    names = [f"{address}%{link.name}" for link in links if link.up and link.name != LOOPBACK]
    has = f": {' or '.join(names[:3])}" if names else ""
    return advice("dns", client.name, f"dial {address} on an interface that {client.name} has, or another address of the server{has}")


def _with_address(case: Case) -> str:
    """Some resolvers keep private addresses back, against DNS rebinding."""
    addresses = _data_addresses(case, case.server) if case.server else []
    private = any(known.is_private for address in addresses if (known := _parsed(address)))
    return f"give {case.dialled}, which the nameserver knows without an address, an address record" + (
        f"; or, if it has one, let the resolver of {case.client.name} pass on private addresses for it (dnsmasq: rebind-domain-ok, "
        "unbound: private-domain, routers: rebind protection)"
        if private
        else ""
    )


def _answering(case: Case, own: Process) -> Fix | None:
    """The name is of no account: nobody on the client gets an answer for any. Who asks others is silent as long as these are."""
    unit = own.unit if own.unit and own.unit.endswith(".service") else "it"
    program = f"{own.name} (pid {own.pid}) on {case.client.name}"
    if own.stopped:
        restart = "" if own.traced else f", or restart {unit}"
        summary = f"let {program}, which is to answer for all names, go on: {going_on(own)[0]}{restart}"
    else:
        summary = f"restart {unit} if {program} is stuck; else find out why the nameservers that it asks do not answer it"
    return _resolvable(case, summary, so="; until then,")


def _heeded(client: str, line: OverlookedLine) -> str:
    """Whoever writes the file, such as a DHCP client or NetworkManager, would write it so again."""
    address, where = line.address or "ADDRESS", f"line {line.line} of /etc/resolv.conf on {client}, or what writes it"
    if line.why == "indented":
        return f"take the blanks ahead of nameserver {address} out of {where}"
    if line.why == "line_end":
        return f"take the carriage return off the end of {where}"
    if line.why == "malformed":
        port = "" if line.holds else ", and have it answer on port 53, the only one that is asked"
        return f"write nameserver {address}, without a port or a name, in {where}{port}"
    return (
        f"have {address} among the first three nameservers in /etc/resolv.conf on {client}, in place of one that does not know the name, "
        "or ask a resolver that knows them all, such as dnsmasq or systemd-resolved"
    )


def _configure(client: str, found: Unconfigured) -> str:
    line = "a line nameserver ADDRESS"
    if found.link and found.error == "ENOENT":
        maker = "start systemd-resolved, which makes it, or " if found.link.startswith("/run/systemd/resolve/") else ""
        return f"{maker}put a file with {line} in place of the link /etc/resolv.conf on {client}"
    return f"put {line} into /etc/resolv.conf on {client}"


def name_resolves_elsewhere(case: Case, finding: Finding) -> Fix | None:
    name = finding.about(Resolved)
    if name is None:
        return None
    if name.joined:
        return _resolvable(
            case, f"begin a line with {name.joined} in /etc/hosts of {case.client.name}, where it is the end of another word"
        )
    if name.by_hosts_file:
        return _resolvable(
            case, f"correct the line of {case.dialled} in /etc/hosts of {case.client.name}, now {case.address}, or take it out"
        )
    if name.domain:
        return _resolvable(
            case,
            f"dial {case.dialled}. with a dot at its end, or take {name.domain} out of the search list of {case.client.name} or lower "
            f"ndots (/etc/resolv.conf), or take the wildcard record out of {name.domain}",
            so="; until then,",
        )
    return _resolvable(case, f"correct what {case.dialled} resolves to on {case.client.name}, now {case.address}")


def name_resolution_slow(case: Case, finding: Finding) -> Fix | None:
    names, client = finding.about(SlowNames), case.client.name
    if names is None:
        return None
    if names.dead:
        return advice("dns", client, f"take {', '.join(names.dead)} out of {client}'s resolver configuration, or let it answer")
    look = f"find out why {client}'s resolver is slow: its nameservers (/etc/resolv.conf), its search list, IPv6"
    return advice("dns", client, look)


def dead_address_family(case: Case, _finding: Finding) -> Fix:
    return advice(
        "dns",
        case.client.name,
        f"mend IPv{case.family} to {case.dialled}, or take its IPv{case.family} addresses out of DNS until it works",
    )


def _resolvable(case: Case, summary: str, so: str = "; or") -> Fix:
    """The server's address on the data network, where it is managed. An alias that only ssh knows need not be resolvable at all."""
    addresses = _data_addresses(case, case.server) if case.server else []
    lines = "; ".join(f"{address} {case.dialled}" for address in addresses)
    instruction = f"{so} put into /etc/hosts: {lines}" if lines else ""
    if case.assumed and (server := case.behind or case.server):
        instruction += f"; {case.dialled} is how Ansible reaches {server.name}: if clients use another name or address, make it the "
        instruction += f"handshake_address of {server.name}"
    check = f"{shell('getent', 'ahosts', case.dialled)} names an address of {case.server.name}" if case.server else ""
    return advice("dns", case.client.name, summary + instruction, check=check)


def _data_addresses(case: Case, server: Host) -> list[str]:
    """The server's addresses on the interface by which it reaches the client, those alone that the inventory has if it has one of them;
    where the interface is not known, the address that clients dial."""
    entries = (server.snapshot.addresses if server.snapshot else None) or ()
    routes = (server.route(address) for address in case.declared.of(case.client.name))
    interfaces = {route.interface for route in routes if route and not route.error and route.interface not in (None, LOOPBACK)}
    on_them = {entry.address: _parsed(entry.address) for entry in entries if entry.interface in interfaces}
    there = [address for address, known in on_them.items() if known and not known.is_link_local]
    declared = [address for address in there if case.declared.has(server.name, address)]
    dialled = [address for address in case.declared.of(server.name)[:1] if "/" not in address]
    return declared or there[:2] or dialled


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
