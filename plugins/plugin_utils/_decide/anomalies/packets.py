# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Packets that changed on their way, or that took longer than a handshake does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from ..._model.host import Host
from ..._model.recording import Observation
from ..case import Case
from ..outcome import Leg
from ..rows import Row
from ..story import LABELS
from ..timeline import Attempt
from .anomaly import Anomaly
from .seen import Key, at, key

LEAST_TTL = 32  # SYNs that ask for hops come with less; systems send with 64 at least
SLOW_S = 0.5  # half of the time after which the kernel sends a SYN again
_OPTIONS = ("mss", "wscale", "sack_permitted", "md5", "ao", "fast_open")


def altered(case: Case) -> Iterator[Anomaly]:
    """Numbers and options that differ between the hosts that saw a packet; TTLs that differ between packets of one sender."""
    found: dict[tuple[str, str, str, Leg], list[Key]] = defaultdict(list)
    what: dict[tuple[str, str, str, Leg], tuple[object, object]] = {}
    for attempt in case.attempts:
        for kind, back in (("syn", False), ("syn_ack", True)):
            hosts = list(reversed(case.hosts)) if back else case.hosts
            for row in attempt.of(kind):
                for sender, receiver, name, was, is_ in _changes(row, hosts):
                    place = (sender.name, receiver.name, name, kind)
                    found[place].append(key(attempt))  # type: ignore[index]
                    what.setdefault(place, (was, is_))  # type: ignore[arg-type]
    for (sent_by, got_by, name, leg), keys in found.items():
        was, is_ = what[sent_by, got_by, name, leg]
        text = f"the {LABELS[leg]} has {name} {was} at {sent_by} and {is_} at {got_by}"
        detail: dict[str, object] = {"between": [sent_by, got_by]}
        yield Anomaly("altered", "path", text, name, leg=leg, count=len(keys), attempts=frozenset(keys), detail=detail)
    yield from _times_to_live(case)


def _changes(row: Row, hosts: list[Host]) -> Iterator[tuple[Host, Host, str, object, object]]:
    """(sender, receiver, what, was, is) for each pair of neighbouring hosts that both saw a packet."""
    seen: list[tuple[Host, Observation]] = []
    for host in hosts:
        found = [*at(row, host, "in")[:1], *at(row, host, "out")[:1]]
        seen += [(host, each) for each in sorted(found, key=lambda each: each.time)]
    for (sender, one), (receiver, other) in pairwise(seen):
        was, is_ = one.packet.tcp, other.packet.tcp
        if was is None or is_ is None:
            continue
        values = [("window", was.window, is_.window), ("sequence number", was.seq, is_.seq)]
        values += [(name, getattr(was.options, name), getattr(is_.options, name)) for name in _OPTIONS]
        values.append(("timestamps", was.options.timestamps is not None, is_.options.timestamps is not None))
        for name, before, after in values:
            if before != after:
                yield sender, receiver, name, before, after


def _times_to_live(case: Case) -> Iterator[Anomaly]:
    """Packets that came to an end in the other end's name with different TTLs."""
    for host, sender in ((case.client, "server"), (case.server, "client")):
        if host is None or case.client is case.server:
            continue
        found: dict[int, list[Key]] = defaultdict(list)
        for attempt in case.attempts:
            for row in attempt.rows:
                seen = at(row, host, "in") if row.sender == sender and not at(row, host, "out") else []
                if seen and seen[0].packet.ttl >= LEAST_TTL:
                    found[seen[0].packet.ttl].append(key(attempt))
        if len(found) > 1:
            keys = min(found.values(), key=len)
            text = f"packets came to {host.name} in the name of the {sender} with TTLs {', '.join(map(str, sorted(found)))}"
            yield Anomaly("altered", "path", text, "ttl", count=len(keys), attempts=frozenset(keys))


def slow(case: Case) -> Iterator[Anomaly]:
    """SYNs that a server answered late, and packets that were long on the way."""
    if case.server is None:
        return
    answers, ways = defaultdict[Key, float](float), defaultdict[Key, float](float)
    for attempt in case.attempts:
        at_server = _span(attempt, case.server, "in", "out")
        at_client = _span(attempt, case.client, "out", "in")
        if at_server is not None and at_server > SLOW_S:
            answers[key(attempt)] = at_server
        if at_client is not None and at_client - (at_server or 0.0) > SLOW_S:
            ways[key(attempt)] = at_client - (at_server or 0.0)
    if answers:
        text = f"{case.server.name} answers SYNs after {max(answers.values()):.2f} s"
        yield Anomaly("slow", case.server.name, text, "answer", leg="syn_ack", count=len(answers), attempts=frozenset(answers))
    if ways:
        text = f"SYN and SYN-ACK are {max(ways.values()):.2f} s on the way"
        yield Anomaly("slow", "path", text, "way", count=len(ways), attempts=frozenset(ways))


def _span(attempt: Attempt, host: Host, way: str, back: str) -> float | None:
    """Seconds between the SYN that was answered, as it passed a host, and the SYN-ACK that passed it back."""
    answered = min((seen.time for row in attempt.of("syn_ack") for seen in at(row, host, back)), default=None)
    if answered is None:
        return None
    transmission = attempt.answered_transmission()
    sent = [(row, seen.time) for row in attempt.of("syn") for seen in at(row, host, way) if seen.time <= answered]
    times = [time for row, time in sent if transmission in (None, row.transmission)]
    return answered - max(times) if times else None
