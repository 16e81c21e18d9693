# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The handshakes of a capture: followed while they are under way, counted and listed when they are over. Memory is bounded."""

from __future__ import annotations

import ipaddress
from collections import Counter, deque
from typing import Any, NamedTuple

from .awaited import Awaited
from .flow import ANSWERS, ERROR, FLAGS, HAS_PAYLOAD, MOVED, OF_CLIENT, Flow, Packet, time_of
from .handshake import ABORTED, COMPLETED, OUTCOMES, REFUSED, RETRANSMISSION_NS, UNACKNOWLEDGED, UNANSWERED, Handshake
from .reader import Captured, Interface, Reader
from .segment import ACK, FIN, RST, SYN, Segment, endpoints, read, reverse
from .source import CaptureError, Source

MOST_OPEN = 8192  # handshakes that are followed at a time
MOST_LISTED = 10_000
_MOST_ENDINGS = 1000
_FOREVER = 2**80
_OVER = (COMPLETED, REFUSED, ABORTED)
_NUMBERS = 2**32 - 1
_ASKED, _ANSWERED, _AWAITED, _CLIENT_ACKED, _SERVER_ACKED = 1, 2, 4, 8, 16  # of Flow.seen


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


class _Ending:
    """What a course leads to, and how many handshakes took it."""

    def __init__(self, handshake: Handshake) -> None:
        self.outcome, self.state, self.bits = handshake.outcome(_FOREVER), handshake.state(), handshake.bits
        self.again = max(0, len(handshake.syns) - 1), max(0, len(handshake.syn_acks) - 1)
        self.count = 0


class Handshakes:
    """Takes the packets of a capture in their order."""

    def __init__(self, wanted: Wanted) -> None:
        self.awaited = Awaited()
        """After a SYN-ACK, for the ACK and the first data."""
        self.forgotten = 0
        self._counts: Counter[str] = Counter()
        self._states: Counter[str] = Counter()
        self._completeness: Counter[int] = Counter()
        self._again = [0, 0]
        self._stray_resets = 0
        self._wanted = wanted
        self._all = wanted == Wanted(failed=wanted.failed, limit=wanted.limit)
        self._open: dict[bytes, Flow] = {}
        self._queue: deque[Flow] = deque()
        self._endings: dict[int | None, _Ending] = {}
        self._listed: list[Flow] = []
        self._number = self._end = 0

    def take(self, captured: Captured) -> None:
        """The next packet of the capture."""
        found = read(captured)
        if found is None:
            return
        packet = (captured.time_ns, found)
        if isinstance(found, Segment):
            take = self.take_syn if found.flags & (SYN | RST) == SYN else self.take_other
            take(found.pair, found.seq, found.ack, found.flags, found.payload, packet, captured.interface)
            return
        flow = self._open.get(found.pair)
        if flow is not None and flow.isn == found.seq:
            flow.add(packet, captured.interface, ERROR)

    def take_syn(self, pair: bytes, seq: int, ack: int, flags: int, payload: int, packet: Packet, interface: Interface) -> None:
        """The same for a SYN or SYN-ACK of which the fields are known."""
        event, isn = flags & FLAGS, seq
        if event & ACK:
            pair, isn = reverse(pair), (ack - 1) & _NUMBERS
        flow = self._open.get(pair)
        if flow is not None and flow.isn == isn:
            flow.add(packet, interface, event)
        elif not self._all and not self._wanted.has(pair, time_of(packet, interface)):
            return
        elif flow is not None and event & ACK and flow.seen & _ASKED:
            return  # of another connection, or the answer of one that knows nothing of this SYN
        else:
            if flow is not None:
                self._await_no_more(flow)
            flow = self._open[pair] = Flow(pair, isn, interface, packet, event)
            self._queue.append(flow)
            if len(self._queue) > MOST_OPEN:
                self._finish_oldest(packet, interface)
        if not event & ACK:
            flow.seen |= _ASKED
        elif not flow.seen & _ANSWERED:
            flow.seen |= _ANSWERED | _AWAITED
            flow.server_isn = seq
            self.awaited.add(pair, interface.order)

    def take_other(self, pair: bytes, seq: int, ack: int, flags: int, payload: int, packet: Packet, interface: Interface) -> None:
        """The same for all other segments."""
        event = flags & FLAGS
        flow = self._open.get(pair)
        if flow is not None:
            event |= OF_CLIENT
        else:
            flow = self._open.get(reverse(pair))
            if flow is None:
                if event & RST:
                    self._take_stray(pair, packet, interface)
                return
        if event & (FIN | RST):
            begin = flow.isn if event & OF_CLIENT else flow.server_isn
            if begin is not None and (seq or event & FIN) and 0 < (seq - begin - 1) & _NUMBERS < 2**31:
                event |= MOVED
            if (ack - flow.isn) & _NUMBERS == 1:
                event |= ANSWERS
        elif payload <= 0:
            known = _CLIENT_ACKED if event & OF_CLIENT else _SERVER_ACKED
            if flow.seen & known:
                return
            if flow.seen & _ANSWERED:
                flow.seen |= known
        if payload > 0:
            event |= HAS_PAYLOAD
        if event & (RST | HAS_PAYLOAD) and flow.seen & _AWAITED:
            self._await_no_more(flow)
        flow.add(packet, interface, event)

    def _finish_oldest(self, packet: Packet, interface: Interface) -> None:
        """`packet`: the one for which there would be no place."""
        oldest = self._queue.popleft()
        ending = self._ending(oldest)
        if ending.outcome not in _OVER:
            self._end = max(self._end, time_of(packet, interface))
            if self._open.get(oldest.pair) is oldest:
                self.forgotten += self._end - oldest.last() < 130 * 10**9  # as long as Linux may retransmit a SYN
        self._finish(oldest, ending)

    def _take_stray(self, pair: bytes, packet: Packet, interface: Interface) -> None:
        if not self._all:
            time = time_of(packet, interface)
            if not self._wanted.has(pair, time) and not self._wanted.has(reverse(pair), time):
                return
        self._stray_resets += 1

    def _await_no_more(self, flow: Flow) -> None:
        if flow.seen & _AWAITED:
            flow.seen &= ~_AWAITED
            self.awaited.remove(flow.pair, flow.interface.order)

    def _finish(self, flow: Flow, ending: _Ending) -> None:
        if self._open.get(flow.pair) is flow:
            del self._open[flow.pair]
            self._await_no_more(flow)
        ending.count += 1
        outcome = ending.outcome
        if outcome in (UNANSWERED, UNACKNOWLEDGED) and self._end - flow.last() < RETRANSMISSION_NS:
            outcome = flow.handshake().outcome(self._end)
            self._counts[ending.outcome] -= 1
            self._counts[outcome] += 1
        self._number += 1
        if len(self._listed) < self._wanted.limit and not (self._wanted.failed and outcome == COMPLETED):
            self._listed.append(flow)

    def _ending(self, flow: Flow) -> _Ending:
        ending = self._endings.get(flow.course)
        if ending is None or flow.course is None:
            if len(self._endings) >= _MOST_ENDINGS or flow.course is None:
                self._count_all()
            ending = self._endings[flow.course] = _Ending(flow.handshake())
        return ending

    def _count_all(self) -> None:
        for ending in self._endings.values():
            self._counts[ending.outcome] += ending.count
            self._states[ending.state] += ending.count
            self._completeness[ending.bits] += ending.count
            for place, again in enumerate(ending.again):
                self._again[place] += again * ending.count
        self._endings = {}

    def result(self, end: int | None) -> dict[str, Any]:
        """Counts of all, and the first of them in detail; `end`: the time of the last packet."""
        self._end = max(self._end, end or 0)
        while self._queue:
            flow = self._queue.popleft()
            self._finish(flow, self._ending(flow))
        self._count_all()
        listed = sorted((flow.handshake() for flow in self._listed), key=lambda handshake: handshake.first)
        return {
            "counts": {outcome: self._counts[outcome] for outcome in OUTCOMES},
            "conn_states": dict(sorted(self._states.items())),
            "completeness": {str(bits): count for bits, count in sorted(self._completeness.items())},
            "retransmissions": {"syn": self._again[0], "syn_ack": self._again[1]},
            "stray_resets": self._stray_resets,
            "handshakes": [handshake.record(self._end) for handshake in listed],
            "unlisted": self._number - len(listed),
        }


def observe(path: str, wanted: Wanted) -> dict[str, Any]:
    """What a capture file shows. CaptureError, with the path, when nothing can be read."""
    handshakes = Handshakes(wanted)
    with Source(path) as source:
        reader = Reader(source, handshakes.awaited, (handshakes.take_syn, handshakes.take_other))
        try:
            for captured in reader:
                handshakes.take(captured)
        except CaptureError as error:
            raise CaptureError(f"{path}: {error}") from None
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
