# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Somebody says that a packet is not wanted, or not deliverable: ICMP errors, and RSTs that no host's TCP made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..._model.host import Host
from ..._values.words import plural
from ..case import Case
from ..outcome import Leg
from ..rows import Row
from ..timeline import Attempt
from .anomaly import Anomaly
from .seen import Key, key, owner

_LEGS: dict[Leg, str] = {"syn": "SYN", "syn_ack": "SYN-ACK", "ack": "final ACK"}


def icmp_errors(case: Case) -> Iterator[Anomaly]:
    """Those in recordings, and those that a socket's error queue has and no recording does."""
    found: dict[tuple[str, Leg, int, int], list[Key]] = defaultdict(list)
    for attempt in case.attempts:
        senders = set()
        for row in attempt.of("icmp"):
            message, leg = row.packet.icmp, _quoted(attempt, row)
            if message and leg:
                found[row.packet.src, leg, message.type, message.code].append(key(attempt))
                senders.add(row.packet.src)
        error = attempt.probe.icmp
        if error and error.offender and error.offender not in senders:
            found[error.offender, "syn", error.type, error.code].append(key(attempt))
    for (sender, leg, kind, code), keys in found.items():
        yield Anomaly(
            "icmp_error",
            owner(case, sender),
            f"{plural(len(keys), 'ICMP error')} from {sender} about the {_LEGS[leg]}: type {kind} code {code}",
            f"{kind}/{code}",
            leg=leg,
            count=len(keys),
            attempts=frozenset(keys),
            detail={"sender": sender},
        )


def _quoted(attempt: Attempt, row: Row) -> Leg | None:
    """The packet of the handshake that an ICMP error quotes."""
    quote = row.packet.icmp.quote if row.packet.icmp else None
    if quote is None:
        return None
    client = (attempt.probe.local_address, attempt.probe.local_port)
    clients = {client, *((syn.packet.src, syn.packet.tcp.sport) for syn in attempt.of("syn") if syn.packet.tcp)}
    if attempt.isn is None or quote.seq == attempt.isn:
        return "syn"
    if (quote.src, quote.sport) not in clients:
        return "syn_ack"
    # Others from the same port are of the SYNs that ask for hops, which are ours.
    return "ack" if quote.seq == (attempt.isn + 1) & 0xFFFFFFFF else None


def stray_resets(case: Case) -> Iterator[Anomaly]:
    """RSTs that left a host without being counted there, and those that the host in whose name they came did not send."""
    for end, sender in ((case.server, "server"), (case.client, "client")):
        other = case.client if sender == "server" else case.server
        if end is None or end.observations is None or (sender == "client" and end is case.server):
            continue
        rows = [(attempt, row) for attempt in case.attempts for row in attempt.of("rst", sender)]
        own = [(attempt, row) for attempt, row in rows if (seen := row.at(end.name, "out")) and _between_snapshots(end, seen.time)]
        counted = end.delta("Tcp", "OutRsts")
        if own and counted is not None and counted < len(own):
            keys = frozenset(key(attempt) for attempt, _row in own)
            text = f"{plural(len(own), 'RST')} left {end.name}, and its TCP counted {counted}"
            yield Anomaly("stray_reset", end.name, text, "uncounted", count=len(own) - counted, attempts=keys)
        foreign = [
            (attempt, row)
            for attempt, row in rows
            if other and (seen := row.at(other.name, "in")) and _between_snapshots(end, seen.time) and not row.at(end.name, "out")
        ]
        if foreign and end.saw_everything and other:
            keys = frozenset(key(attempt) for attempt, _row in foreign)
            text = f"{plural(len(foreign), 'RST')} came to {other.name} in the name of {end.name}, which did not send them"
            yield Anomaly("stray_reset", "path", text, "foreign", count=len(foreign), attempts=keys)


def _between_snapshots(host: Host, time: float) -> bool:
    return host.before is not None and host.after is not None and host.before.time < time < host.after.time
