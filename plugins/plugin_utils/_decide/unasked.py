# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Hosts that the evidence of a broken flow points to, and that it does not name: next hops, who answered, where its SYN was sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .._model.host import Host
from .._model.network_records import Route
from .case import Case
from .causes import called, relays
from .causes.backends import balanced
from .finding import Finding


def unasked(case: Case, decisive: Finding | None, connects: bool = False) -> Iterator[str]:
    """What to add to the flow to see what such a host does with the packets; nothing where the cause is proven at a host that was asked."""
    inside = decisive is not None and case.named(decisive.host) in case.hosts
    if inside and decisive is not None and decisive.certainty == "proven":
        return
    pointed = [] if connects else [*([] if inside else _on_the_way(case)), *_by_packets(case)]
    for name, several in _named(case, dict(pointed)).items():
        to_add = "add it there to include its packets, rules and routes"
        yield f"{name}: it has {several}, but is not in the flow's via: {to_add}"
    for name, several in _named(case, dict(_behind(case))).items():
        server = case.server.name if case.server else ""
        to_add = f"make it the flow's server, and {server} its via, to include its packets, rules and queues"
        yield f"{name}: it has {several}, but has no part in the flow: {to_add}"


def _named(case: Case, pointed: Mapping[str, str]) -> dict[str, str]:
    """By host, which of its addresses the evidence points to. An address of several hosts says nothing of which one is meant."""
    found: dict[str, list[str]] = {}
    for address, what in pointed.items():
        owners = _owners(case, address)
        if len(owners) == 1:
            found.setdefault(owners.pop(), []).append(f"{address}, {what}")
    return {name: ", and ".join(several) for name, several in found.items()}


def _owners(case: Case, address: str) -> set[str]:
    """The hosts beside the flow's that have an address, as they say themselves, or else as the inventory does."""
    asked = [*case.hosts, *([case.behind] if case.behind else [])]
    if any(host.owns(address) for host in asked):
        return set()
    seen = {owner.host.name for owner in case.fleet.owners(address, besides=asked)}
    names = {host.name for host in asked}
    return seen or {name for name, addresses in case.declared.hosts.items() if address in addresses and name not in names}


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
        if host is not case.server:
            yield from _sent_on(case, host)
    for row in case.rows("icmp"):
        yield row.packet.src, "which answers with an ICMP error"


def _sent_on(case: Case, host: Host) -> Iterator[tuple[str, str]]:
    verdict = case.sent_on_by(host)
    if verdict is not None and verdict.rewritten is not None:
        yield verdict.rewritten.destination, f"to which {host.name} sends the SYN on"


def _behind(case: Case) -> Iterator[tuple[str, str]]:
    """Whom the server itself sends the SYN on to, and whom the program calls that takes its connections."""
    server = case.server
    if server is None:
        return
    yield from _sent_on(case, server)
    for each in balanced(case, server.snapshot) if case.listener() else ():
        if each.address and not each.set_aside:
            yield each.address, f"to which {each.program} on {server.name} connects"
    for call in called.in_vain(case, server):
        yield call.address, f"which {call.program} on {server.name} calls"
    if relay := relays.relay_of(case, server):
        yield relay.address, f"to which {relay.program} on {server.name} passes connections on"


def _hops(host: Host, route: Route | None) -> Iterator[tuple[str, str]]:
    if route is not None and route.gateway:
        yield route.gateway, f"the next hop of {host.name}"
