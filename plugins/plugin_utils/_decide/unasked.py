# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Hosts that the evidence of a broken flow points to, and that the flow does not name: next hops, who answered, where its SYN was sent."""

from __future__ import annotations

from collections.abc import Iterator

from .._model.host import Host
from .._model.network_records import Route
from .case import Case
from .finding import Finding
from .translation import sent_elsewhere


def unasked(case: Case, decisive: Finding | None) -> Iterator[str]:
    """What to add to the flow to see what such a host does with the packets; nothing where the cause is proven at a host that was asked."""
    inside = decisive is not None and case.named(decisive.host) in case.hosts
    if inside and decisive is not None and decisive.certainty == "proven":
        return
    found: dict[str, list[str]] = {}
    pointed = [*([] if inside else _on_the_way(case)), *_by_packets(case)]
    for address, what in dict(pointed).items():
        owners = _owners(case, address)
        if len(owners) == 1:  # an address of several hosts says nothing of which one is meant
            found.setdefault(owners.pop(), []).append(f"{address}, {what}")
    for name, several in found.items():
        to_add = "add it there to include its packets, rules and routes"
        yield f"{name}: it has {', and '.join(several)}, but is not in the flow's via: {to_add}"


def _owners(case: Case, address: str) -> set[str]:
    """The hosts beside the flow's that have an address, as they say themselves, or else as the inventory does."""
    asked = {host.name for host in case.hosts}
    if any(host.owns(address) for host in case.hosts):
        return set()
    seen = {owner.host.name for owner in case.fleet.owners(address, besides=case.hosts)}
    return seen or {name for name, addresses in case.declared.hosts.items() if address in addresses and name not in asked}


def _on_the_way(case: Case) -> Iterator[tuple[str, str]]:
    """The next hops of both ends, and what they are to the flow."""
    yield from _hops(case.client, case.route)
    server = case.server
    for route in (server.snapshot.routes if server is not None and server.snapshot else None) or ():
        if server is not None and route.remote == case.client_address and route.iif is None:
            yield from _hops(server, route)


def _by_packets(case: Case) -> Iterator[tuple[str, str]]:
    """Where the SYN is sent on, and who answers it."""
    for host in case.hosts:
        verdict = sent_elsewhere(case, host)
        if verdict is not None and verdict.rewritten is not None:
            yield verdict.rewritten.destination, f"to which {host.name} sends the SYN on"
    for row in case.rows("icmp"):
        yield row.packet.src, "which answers with an ICMP error"


def _hops(host: Host, route: Route | None) -> Iterator[tuple[str, str]]:
    if route is not None and route.gateway:
        yield route.gateway, f"the next hop of {host.name}"
