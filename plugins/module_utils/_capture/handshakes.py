# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The handshakes of a capture: followed while they are under way, counted and listed when they are over. Memory is bounded."""

from __future__ import annotations

import heapq
import ipaddress
from collections import Counter, deque
from typing import Any, NamedTuple

from .handshake import COMPLETED, OUTCOMES, Handshake
from .reader import Captured, Reader
from .segment import ACK, RST, SYN, Error, Segment, endpoints, read, reverse
from .source import CaptureError, Source

MOST_OPEN = 8192  # handshakes that are followed at a time
MOST_LISTED = 10_000


class Wanted(NamedTuple):
    """Which handshakes are of interest, and how many of them are listed."""

    client: Any = None
    """An ipaddress network."""
    server: Any = None
    port: int | None = None
    since: float | None = None
    until: float | None = None
    failed: bool = False
    """Whether only those are listed that did not complete."""
    limit: int = 100

    def has(self, pair: bytes, time_ns: int) -> bool:
        """The choice for a handshake that begins at that time."""
        if not (self.since or float("-inf")) * 1e9 <= time_ns <= (float("inf") if self.until is None else self.until) * 1e9:
            return False
        if self.port is not None and int.from_bytes(pair[-2:], "big") != self.port:
            return False
        if self.client is None and self.server is None:
            return True
        client, _port, server, _port = endpoints(pair)
        ends = ((self.client, client), (self.server, server))
        return all(network is None or ipaddress.ip_address(address) in network for network, address in ends)


class Handshakes:
    """Takes the packets of a capture in their order."""

    def __init__(self, wanted: Wanted) -> None:
        self.watched: set[bytes] = set()
        """Addresses and ports from which the next packet matters: a client's ACK, and the first data."""
        self.counts: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.completeness: Counter[int] = Counter()
        self.retransmitted: Counter[str] = Counter()
        self.stray_resets = self.forgotten = 0
        self._wanted = wanted
        self._open: dict[bytes, Handshake] = {}
        self._queue: deque[Handshake] = deque()
        self._listed: list[tuple[int, int, Handshake]] = []
        self._number = self._end = 0

    def take(self, captured: Captured) -> None:
        """The next packet of the capture."""
        found = read(captured)
        if found is None:
            return
        self._end = max(self._end, captured.time_ns)
        if isinstance(found, Error):
            handshake = self._open.get(found.pair)
            if handshake is not None and handshake.isn == found.seq:
                handshake.take_error(captured.time_ns, found)
        elif found.flags & SYN and not found.flags & RST:
            self._take_syn(captured.time_ns, found)
        else:
            self._take_other(captured.time_ns, found)

    def _take_syn(self, time: int, segment: Segment) -> None:
        of_client = not segment.flags & ACK
        pair = segment.pair if of_client else reverse(segment.pair)
        isn = segment.seq if of_client else (segment.ack - 1) % 2**32
        handshake = self._open.get(pair)
        if handshake is None or handshake.isn != isn:
            if not self._wanted.has(pair, time):
                return
            if handshake is not None and not of_client and handshake.syns:
                return  # of another connection, or the answer of one that knows nothing of this SYN
            handshake = self._open[pair] = Handshake(pair, isn)
            self._queue.append(handshake)
            if len(self._queue) > MOST_OPEN:
                self._forget_oldest()
        handshake.take(time, segment, of_client)
        if not of_client and handshake.acked is None:
            self.watched.add(pair)

    def _take_other(self, time: int, segment: Segment) -> None:
        handshake, of_client = self._open.get(segment.pair), True
        if handshake is None:
            handshake, of_client = self._open.get(reverse(segment.pair)), False
        if handshake is None:
            if segment.flags & RST:
                self.stray_resets += self._wanted.has(segment.pair, time) or self._wanted.has(reverse(segment.pair), time)
            return
        handshake.take(time, segment, of_client)
        if segment.payload > 0 or segment.flags & RST:
            self.watched.discard(handshake.pair)
            self.watched.discard(reverse(handshake.pair))
        elif of_client and handshake.acked == time:
            self.watched.add(reverse(handshake.pair))

    def _forget_oldest(self) -> None:
        oldest = self._queue.popleft()
        if self._open.get(oldest.pair) is oldest:
            self.forgotten += self._end - oldest.last < 130 * 10**9  # as long as Linux may retransmit a SYN
        self._finish(oldest)

    def _finish(self, handshake: Handshake) -> None:
        if self._open.get(handshake.pair) is handshake:
            del self._open[handshake.pair]
            self.watched.discard(handshake.pair)
            self.watched.discard(reverse(handshake.pair))
        outcome = handshake.outcome(self._end)
        self.counts[outcome] += 1
        self.states[handshake.state()] += 1
        self.completeness[handshake.bits] += 1
        self.retransmitted["syn"] += max(0, len(handshake.syns) - 1)
        self.retransmitted["syn_ack"] += max(0, len(handshake.syn_acks) - 1)
        self._number += 1
        if self._wanted.limit and not (self._wanted.failed and outcome == COMPLETED):
            item = (-handshake.first, -self._number, handshake)
            if len(self._listed) < self._wanted.limit:
                heapq.heappush(self._listed, item)
            elif item > self._listed[0]:
                heapq.heapreplace(self._listed, item)

    def result(self, end: int | None) -> dict[str, Any]:
        """Counts of all, and the earliest of them in detail; `end`: the time of the last packet."""
        self._end = max(self._end, end or 0)
        while self._queue:
            self._finish(self._queue.popleft())
        listed = [handshake for _first, _number, handshake in sorted(self._listed, key=lambda item: item[:2], reverse=True)]
        return {
            "counts": {outcome: self.counts[outcome] for outcome in OUTCOMES},
            "conn_states": dict(sorted(self.states.items())),
            "completeness": {str(bits): count for bits, count in sorted(self.completeness.items())},
            "retransmissions": {"syn": self.retransmitted["syn"], "syn_ack": self.retransmitted["syn_ack"]},
            "stray_resets": self.stray_resets,
            "handshakes": [handshake.record(self._end) for handshake in listed],
            "unlisted": self._number - len(listed),
        }


def observe(path: str, wanted: Wanted) -> dict[str, Any]:
    """What a capture file shows. CaptureError, with the path, when nothing can be read."""
    handshakes = Handshakes(wanted)
    with Source(path) as source:
        reader = Reader(source, handshakes.watched)
        try:
            for captured in reader:
                handshakes.take(captured)
        except CaptureError as error:
            raise CaptureError(f"{path}: {error}") from error
    answer = handshakes.result(reader.last_ns)
    notes = list(reader.complaints)
    if handshakes.forgotten:
        notes.append(
            f"more than {MOST_OPEN} handshakes were under way at a time, so that {handshakes.forgotten} were judged early: what came later "
            "may count as handshakes of its own"
        )
    return {**about(reader), **answer, "notes": notes}


def about(reader: Reader) -> dict[str, Any]:
    """What a capture says about itself."""
    return {
        "format": reader.format,
        "packets": reader.packets,
        "sections": reader.sections,
        "begins": None if reader.first_ns is None else reader.first_ns / 1e9,
        "ends": None if reader.last_ns is None else reader.last_ns / 1e9,
        "interfaces": [
            {"name": each.name or None, "link_type": each.link, "filtered": each.filtered, "dropped": each.dropped}
            for each in reader.interfaces
        ],
    }
