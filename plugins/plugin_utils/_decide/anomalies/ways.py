# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Packets that went where they should not: other interfaces, other hosts, other addresses."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from ..._model.host import Host
from ..._model.network_records import LOOPBACK
from ..._model.recording import Observation
from ..._values.words import plural
from ..case import Case
from ..outcome import Leg
from ..sources import declared_beside
from ..story import LABELS
from .anomaly import Anomaly
from .seen import Key, at, key, outermost, pairs

_LEG: dict[str, Leg] = {"syn": "syn", "syn_ack": "syn_ack", "ack": "ack"}


def other_receivers(case: Case) -> Iterator[Anomaly]:
    """Frames for another link address that a host saw all the same, and that it does not bridge."""
    found: dict[tuple[str, str, str], list[Key]] = defaultdict(list)
    points = {host.name for host in case.hosts if host.point}  # where nothing says which way a packet goes
    for attempt, row in pairs(case):
        for seen in row.seen:
            if seen.host not in points and seen.direction == "other" and not seen.bridged and not _also(row.seen, seen):
                found[seen.host, seen.interface, row.kind].append(key(attempt))
    for (host, interface, kind), keys in found.items():
        text = f"{plural(len(keys), LABELS[kind])} seen on {interface} of {host}, for the link address of another machine"
        yield Anomaly(
            "other_receiver", host, text, kind, leg=_LEG.get(kind), interface=interface, count=len(keys), attempts=frozenset(keys)
        )


def _also(observations: list[Observation], seen: Observation) -> bool:
    """Whether the host got or sent the packet as well, by the same or another interface."""
    return any(other.host == seen.host and other.direction != "other" for other in observations)


def other_interfaces(case: Case) -> Iterator[Anomaly]:
    """SYNs of the client and SYN-ACKs of the server that left by an interface which the route to the other end does not name."""
    for host, leg, remote in _senders(case):
        back = leg == "syn_ack"
        route = case.way(host, remote, case.server_address if back else case.source, back)
        if route is None or route.interface is None:
            continue
        found: dict[str, list[Key]] = defaultdict(list)
        for attempt in case.attempts:
            for row in attempt.of(leg):
                left = [seen.interface for seen in at(row, host, "out") if seen.interface != LOOPBACK]
                if left and route.interface not in {*left, *(outermost(host, name) for name in left)}:
                    found[left[0]].append(key(attempt))
        for interface, keys in found.items():
            text = f"{plural(len(keys), LABELS[leg])} left {host.name} by {interface}; its route to {remote} names {route.interface}"
            yield Anomaly("other_interface", host.name, text, leg, leg=leg, interface=interface, count=len(keys), attempts=frozenset(keys))


def _senders(case: Case) -> Iterator[tuple[Host, Leg, str]]:
    yield case.client, "syn", case.address
    if case.server is not None and case.server is not case.client and case.client_address:
        yield case.server, "syn_ack", case.client_address


def other_ways_back(case: Case) -> Iterator[Anomaly]:
    """The SYN came to a host, or to a host on the way, by one interface, and the SYN-ACK left it by another."""
    for host in (*case.vias, *([case.server] if case.server and case.server is not case.client else ())):
        found: dict[tuple[str, str], list[Key]] = defaultdict(list)
        for attempt in case.attempts:
            came = {outermost(host, seen.interface) for row in attempt.of("syn") for seen in at(row, host, "in")} - {LOOPBACK}
            left = {outermost(host, seen.interface) for row in attempt.of("syn_ack") for seen in at(row, host, "out")} - {LOOPBACK}
            if came and left and came.isdisjoint(left):
                found[min(came), min(left)].append(key(attempt))
        for (came_by, left_by), keys in found.items():
            text = f"SYNs came to {host.name} by {came_by}, and the SYN-ACKs left it by {left_by}"
            yield Anomaly(
                "other_way_back", host.name, text, "", leg="syn_ack", interface=left_by, count=len(keys), attempts=frozenset(keys)
            )


def other_sources(case: Case) -> Iterator[Anomaly]:
    """Source addresses that are not the sender's own, or not the one that the other end expects."""
    yield from _sources_of_syns(case)
    yield from _lost_to_nobody(case)
    server = case.server
    if server is None:
        return
    found: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for attempt in case.attempts:
        dialled = {seen.packet.dst for row in attempt.of("syn") for seen in at(row, server, "in")}
        for row in attempt.of("syn_ack"):
            for seen in at(row, server, "out"):
                if dialled and seen.packet.src not in dialled and not server.translates("prerouting", "input", "output", "postrouting"):
                    found[seen.packet.src, min(dialled)].append(key(attempt))
    for (source, wanted), keys in found.items():
        text = f"{plural(len(keys), 'SYN-ACK')} left {server.name} from {source}, which were to come from {wanted}"
        yield Anomaly("other_source", server.name, text, "syn_ack", leg="syn_ack", count=len(keys), attempts=frozenset(keys))


def _sources_of_syns(case: Case) -> Iterator[Anomaly]:
    client = case.client
    if client.translates("output", "postrouting") is not False or case.source:
        return
    sources = Counter[str]()
    keys: dict[str, list[Key]] = defaultdict(list)
    for attempt in case.attempts:
        for row in attempt.of("syn"):
            for seen in at(row, client, "out"):
                sources[seen.packet.src] += 1
                keys[seen.packet.src].append(key(attempt))
    for source, count in sources.items():
        of = frozenset(keys[source])
        if client.owns(source) is False:
            text = f"{plural(count, 'SYN')} left {client.name} from {source}, which is not its own"
            yield Anomaly("other_source", client.name, text, "syn", leg="syn", count=count, attempts=of)
        elif better := declared_beside(case, source):
            text = f"{plural(count, 'SYN')} left {client.name} from {source}; the inventory gives it {better} on the same interface"
            yield Anomaly("undeclared_source", client.name, text, "syn", leg="syn", count=count, attempts=of)


def _lost_to_nobody(case: Case) -> Iterator[Anomaly]:
    """SYN-ACKs that are lost on the way to an address which the inventory gives nobody: routers may not know the way to it."""
    client = case.client_address
    if case.outcome.kind != "lost_syn_ack" or not client or not case.declared.of(case.client.name):
        return
    if not case.fleet.once(("declared", client), lambda: any(case.declared.has(host, client) for host in case.declared.hosts)):
        text = f"the SYN-ACKs go to {client}, an address that the inventory gives no host"
        yield Anomaly("undeclared_source", case.client.name, text, "lost", leg="syn_ack", count=len(case.subject))


def third_hosts(case: Case) -> Iterator[Anomaly]:
    """Hosts without a part in the flow that took packets of it in, and did not pass them on."""
    found: dict[tuple[str, str, str], list[Key]] = defaultdict(list)
    for attempt in case.attempts:
        apart = [*((row, row.strays) for row in attempt.rows), *((row, row.seen) for row in attempt.strays)]
        for row, observations in apart:
            seen_at: dict[str, list[Observation]] = defaultdict(list)
            for seen in observations:
                seen_at[seen.host].append(seen)
            for host, several in seen_at.items():
                if {each.direction for each in several} == {"in"}:
                    found[host, several[0].interface, row.kind].append(key(attempt))
    for (host, interface, kind), keys in found.items():
        if any(case.fleet.hosts[host].is_same_machine(known) for known in case.hosts):
            continue  # another name of it in the inventory
        text = f"{plural(len(keys), LABELS[kind])} came to {host}, which has no part in the flow, and did not go on"
        yield Anomaly("third_host", host, text, kind, leg=_LEG.get(kind), interface=interface, count=len(keys), attempts=frozenset(keys))
