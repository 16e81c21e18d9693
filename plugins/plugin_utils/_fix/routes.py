# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Routes: added where the next hop is known, removed where one refuses. The running table only; who keeps it must be told."""

from __future__ import annotations

import ipaddress

from .._decide.case import Case
from .._decide.finding import Fix, Saves, Step
from .._model.host import Host
from .._model.network_records import Route
from . import fit
from .make import advice, mending, shell

_TO_KEEP = "to keep it, tell who manages the network of {}: NetworkManager, systemd-networkd, netplan or ifupdown"
REFUSING = ("unreachable", "blackhole", "prohibit", "throw")
_TABLES = 1 << 32


def towards(case: Case, host: Host, remote: str) -> Fix:
    """A route to one address, by a host of the flow's way that is on one network with ``host``; other next hops would be guessed."""
    found = next_hop(case, host, remote)
    if found is None or not fit.address(remote):
        summary = f"add a route to {remote} on {host.name}"
        family = "-6 " if ":" in remote else ""
        return advice("route", host.name, summary, [f"ip {family}route add {remote} via GATEWAY"] if fit.address(remote) else ())
    name, gateway, interface = found
    prefix = str(ipaddress.ip_network(remote))
    command = shell("ip", "route", "replace", prefix, "via", gateway, "dev", interface)
    return mending(
        "route",
        host.name,
        f"add a route to {remote} on {host.name} by {name} ({gateway}), which the flow names on its way; {_TO_KEEP.format(host.name)}",
        [
            Step(
                "threeway.handshake.network_entry",
                {"kind": "route", "state": "present", "prefix": prefix, "gateway": gateway, "interface": interface},
                command,
            )
        ],
        Saves(routes=True),
        why=f"{host.name} has no route to {remote}, and {name} is on its network",
        undo=[shell("ip", "route", "delete", prefix, "via", gateway, "dev", interface)],
        check=f"{shell('ip', 'route', 'get', remote)} says via {gateway}",
        risk="disruptive",
    )


def next_hop(case: Case, host: Host, remote: str) -> tuple[str, str, str] | None:
    """(name, address, interface) of the closest host on the way that has an address on a network of ``host``."""
    ways = list(case.vias) if host is case.client else list(reversed(case.vias))
    version = 6 if ":" in remote else 4
    for via in ways:
        for theirs in (via.snapshot.addresses if via.snapshot else None) or ():
            for ours in (host.snapshot.addresses if host.snapshot else None) or ():
                if _on_link(ours.address, ours.prefix, theirs.address, version) and fit.interface(ours.interface):
                    return via.name, theirs.address, ours.interface
    return None


def _on_link(ours: str, prefix: int, theirs: str, version: int) -> bool:
    try:
        network, address = ipaddress.ip_interface(f"{ours}/{prefix}").network, ipaddress.ip_address(theirs)
    except ValueError:
        return False
    return address.version == version and address in network and ours != theirs and not (address.is_link_local or address.is_loopback)


def without(host: Host, route: Route, summary: str) -> Fix:
    """Remove a route that refuses packets, where the kernel told which it is."""
    kind, prefix, table = route.type, _prefix(route), route.table
    if kind not in REFUSING or prefix is None or table is None or not 0 < table < _TABLES:
        return advice("route", host.name, summary, [f"ip route show table all type {kind}"] if kind in REFUSING else ())
    words = [*(["-6"] if ":" in prefix else []), "route", "delete", kind, prefix, "table", str(table)]
    return mending(
        "route",
        host.name,
        f"{summary}; {_TO_KEEP.format(host.name)}",
        [
            Step(
                "threeway.handshake.network_entry",
                {"kind": "route", "state": "absent", "prefix": prefix, "type": kind, "route_table": table},
                shell("ip", *words),
            )
        ],
        Saves(routes=True),
        why=f"the route {kind} {prefix} of table {table} refuses {route.remote}",
        undo=[shell("ip", *("add" if word == "delete" else word for word in words))],
        check=f"{shell('ip', 'route', 'get', route.remote)} gives a way",
        risk="disruptive",
    )


def _prefix(route: Route) -> str | None:
    """The route's prefix; the kernel tells none for a default route."""
    if route.prefix is None:
        return None
    return route.prefix if fit.network(route.prefix) else None
