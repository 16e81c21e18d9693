# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Hosts that do not take the answers of their next hop."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.address_subjects import Deaf
from .._model.fixes import Fix
from .._model.host import Host
from .._model.network_records import Route
from .._model.network_subjects import BridgePort
from . import fit
from .make import advice, ip


def neighbour_ignored(case: Case, finding: Finding) -> Fix | None:
    deaf, host = finding.about(Deaf), case.named(finding.host)
    if deaf is None or host is None:
        return None
    if deaf.port:
        return _moved(host, deaf.port, deaf.route)
    six = ":" in deaf.address
    what = "neighbour advertisements (ICMPv6 type 136)" if six else "ARP replies"
    if not deaf.chains:
        return advice("neighbour", host.name, f"find out what keeps the {what} of {deaf.address} from {host.name}: arptables, ebtables, tc")
    more = ", and neighbour solicitations (135), which IPv6 needs as IPv4 needs ARP" if six else ""
    if deaf.of_bridge:
        more = (
            "; where a hypervisor keeps its guests to their addresses there (libvirt's clean-traffic, port security), add "
            f"{deaf.address} to those of the guest"
        )
    chains = " and ".join(map(str, deaf.chains))
    return advice("firewall", host.name, f"let {what} of {deaf.address} pass {chains} on {host.name}{more}")


def _moved(host: Host, port: BridgePort, route: Route) -> Fix:
    """The addresses belong on the bridge, and routes go with the address of their interface."""
    six = ":" in route.remote
    entries = [
        entry
        for entry in (host.snapshot.addresses if host.snapshot else None) or ()
        if entry.interface == port.name and (":" in entry.address) == six and not entry.address.startswith("fe80:")
    ]
    names = " and ".join(f"{entry.address}/{entry.prefix}" for entry in entries) or "its addresses"
    commands = [
        command
        for entry in entries
        for command in (
            ip(entry.address, "address", "delete", f"{entry.address}/{entry.prefix}", "dev", port.name),
            ip(entry.address, "address", "add", f"{entry.address}/{entry.prefix}", "dev", port.bridge, *(["nodad"] if six else [])),
        )
    ]
    if route.gateway and route.prefix and fit.network(route.prefix):
        commands.append(ip(route.remote, "route", "replace", route.prefix, "via", route.gateway, "dev", port.bridge))
    usual = fit.interface(port.name) and fit.interface(port.bridge) and entries
    return advice(
        "address",
        host.name,
        f"have {names} of {host.name} on {port.bridge}, and not on {port.name}, a port of it, where the network is configured and now; "
        f"routes by {port.name} as well",
        [" && ".join(commands)] if usual else (),
        why="what comes in on a port of a bridge is the bridge's",
    )
