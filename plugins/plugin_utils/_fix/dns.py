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
from .._model.network_records import LOOPBACK
from .._model.network_subjects import Resolved, SlowNames, Unresolved
from .._model.probe_records import Unconfigured
from .make import advice, shell


def name_resolution_failed(case: Case, finding: Finding) -> Fix | None:
    name = finding.about(Unresolved)
    if name is None:
        return None
    if name.cut:
        return _resolvable(
            case,
            f"let {case.client.name} connect to TCP port 53 of {', '.join(name.cut)} (firewalls there and on the way that pass UDP alone); "
            "options edns0 in /etc/resolv.conf lets answers by UDP be longer, up to 1200 bytes",
            so="; until then,",
        )
    if name.unconfigured:
        return _resolvable(case, _configure(case.client.name, name.unconfigured), so="; until then,")
    if name.waiting:
        return _resolvable(case, f"find out which nameserver of {case.client.name} does not answer (/etc/resolv.conf)")
    if name.unasked:
        return _resolvable(
            case,
            f"have the line hosts of /etc/nsswitch.conf on {case.client.name} come to dns for {case.dialled} (hosts: files dns; now: "
            f"{' '.join(name.unasked)})",
            so="; until then,",
        )
    return _resolvable(case, f"make {case.dialled} resolvable on {case.client.name} (DNS record, /etc/hosts, search list)")


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


def _resolvable(case: Case, summary: str, so: str = ":") -> Fix:
    """The server's address on the data network, where it is managed."""
    addresses = _data_addresses(case, case.server) if case.server else []
    lines = "; ".join(f"{address} {case.dialled}" for address in addresses)
    instruction = f"{so} as lines of /etc/hosts, {lines}" if lines else ""
    check = f"{shell('getent', 'ahosts', case.dialled)} names an address of {case.server.name}" if case.server else ""
    return advice("dns", case.client.name, summary + instruction, check=check)


def _data_addresses(case: Case, server: Host) -> list[str]:
    """The server's addresses on the interface by which it reaches the client, those alone that the inventory has if it has one of them;
    where the interface is not known, the address that clients dial."""
    entries = (server.snapshot.addresses if server.snapshot else None) or ()
    routes = (server.route(address) for address in case.declared.of(case.client.name))
    interfaces = {route.interface for route in routes if route and not route.error and route.interface not in (None, LOOPBACK)}
    there = [entry.address for entry in entries if entry.interface in interfaces and not _is_local(entry.address)]
    known = [address for address in there if case.declared.has(server.name, address)]
    dialled = [address for address in case.declared.of(server.name)[:1] if "/" not in address]
    return known or there[:2] or dialled


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_link_local
    except ValueError:
        return True
