# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The vantage points on the path of a packet, and how far along them it was seen."""

from __future__ import annotations

from collections.abc import Sequence

from .._model.host import Host
from .._model.network_records import LOOPBACK
from .._model.recording import Observation
from .case import Case
from .outcome import Leg, Outcome
from .rows import Row
from .timeline import Attempt

Vantage = tuple[Host, str]
"""A host and a direction there."""


def way_of(case: Case, back: bool) -> list[Vantage]:
    """The vantage points in the order in which a packet passes them; hosts without a recording are left out."""
    ends = [(case.client, "out"), *((via, way) for via in case.vias for way in (("other",) if via.point else ("in", "out")))]
    if case.server is not None:
        ends.append((case.server, "in"))
    if back:
        ends = [(host, {"in": "out", "out": "in"}.get(way, way)) for host, way in reversed(ends)]
    return [(host, way) for host, way in ends if host.observations is not None]


def furthest(rows: Sequence[Row], way: Sequence[Vantage]) -> int | None:
    """The last place on the way where any of the packets was seen."""
    return max((place for place, vantage in enumerate(way) if seen_at(rows, vantage)), default=None)


def loss_after(case: Case, kind: str, leg: Leg, segment: str, place: int | None, way: Sequence[Vantage], rows: Sequence[Row]) -> Outcome:
    """A loss after ``place``. Only a vantage point further on that saw everything, and did not see the packet, proves the loss."""
    if place is None or place + 1 >= len(way):
        missing = place is None and any(host.saw_everything for host, direction in way[-1:])
        return Outcome("silent", leg if missing else None, None, "path")
    here, beyond = way[place][0], way[place + 1][0]
    last = seen_at(rows, way[place])
    if not beyond.saw_everything or (beyond.other_ports_lost and _may_be_on_another_port(case)):
        return Outcome("silent", None, None, "path", last_seen=last)
    there = [row for row in rows if row.at(here.name, way[place][1])]
    if here is beyond or (here.saw_everything and all(row.stays_at(here.name) for row in there)):
        return Outcome(kind, leg, segment, here.name, between=(here.name, here.name), last_seen=last, row=first(there))
    return Outcome(kind, leg, segment, "path", between=(here.name, beyond.name), last_seen=last, row=first(there))


def _may_be_on_another_port(case: Case) -> bool:
    """Whether the client or a managed host on the way may translate what the client dials."""
    return case.client.translates("output") is not False or any(via.translates("prerouting") is not False for via in case.vias)


def seen_at(rows: Sequence[Row], vantage: Vantage) -> Observation | None:
    """The first observation of any of the packets there."""
    return next((seen for row in rows if (seen := row.at(vantage[0].name, vantage[1]))), None)


def wire_syns(case: Case, attempt: Attempt) -> list[Row]:
    """SYNs that left the client; on the loopback interface only when the address dialled is the client's own."""
    own = case.client.owns(case.address) or case.client is case.server
    return [row for row in attempt.of("syn") if (seen := row.at(case.client.name, "out")) and (own or seen.interface != LOOPBACK)]


def came_to(server: Host, attempt: Attempt) -> bool:
    """Whether a SYN came to the server: it recorded one, or the SYN-ACK that it sent itself, for captures have gaps that nobody counts."""
    own = (row for row in attempt.of("syn_ack", "server") if row.at(server.name, "out") and not row.at(server.name, "in"))
    return seen_at(attempt.of("syn"), (server, "in")) is not None or next(own, None) is not None


def half_open(case: Case, attempt: Attempt) -> bool:
    """Whether the server still holds the attempt in SYN-RECV when the recorder is stopped."""
    snapshot = case.server.after if case.server else None
    held = snapshot.peers_in.get("SYN_RECV") if snapshot else None
    return held is not None and not held.isdisjoint(case.client_endpoints(attempt))


def first(rows: Sequence[Row]) -> Row | None:
    """The first of the packets, if there is any."""
    return rows[0] if rows else None


def taken_by_stand_in(case: Case, attempt: Attempt) -> bool:
    """Whether the server's temporary listeners have the attempt among the handshakes that completed there."""
    if case.server is None or case.server.temporary_listeners is None:
        return False
    arrived = (seen.packet for row in attempt.of("syn") if (seen := row.at(case.server.name, "in")))
    # As the server saw it: behind NAT its end is another than the one that was dialled.
    end = next(((packet.dst, packet.tcp.dport) for packet in arrived if packet.tcp), (case.address, case.port))
    ends = case.client_endpoints(attempt)
    taken = case.server.temporary_listeners.taken or ()
    return any((each.address, each.port) == end and (each.remote, each.remote_port) in ends for each in taken)
