# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The handshakes of a capture: followed while they are under way, counted and listed when they are over. Memory is bounded."""

from __future__ import annotations

import ipaddress
from collections import Counter, deque
from typing import Any, NamedTuple

from .awaited import Awaited, ports_of
from .flow import (
    ANSWERED,
    ANSWERS,
    ASKED,
    AWAITED,
    CLIENT_ACKED,
    COURSE,
    ERROR,
    EVENT_BITS,
    FLAGS,
    HAS_PAYLOAD,
    INTERFACE,
    ISN,
    KEPT,
    LEFT_OUT,
    LONGEST,
    MOVED,
    OF_CLIENT,
    PACKETS,
    PAIR,
    SEEN,
    SERVER_ACKED,
    SERVER_ISN,
    TOO_LONG,
    Flow,
    Packet,
    add,
    handshake,
    last,
    time_of,
)
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
_ACKED = frozenset(
    event for event in range(1 << EVENT_BITS) if event & OF_CLIENT and event & (SYN | RST | ACK) == ACK and not event & ERROR
)
_ENDS = {0: frozenset(RST | ACK | ANSWERS | event for event in (0, MOVED)), ANSWERED: _ACKED}
"""What surely leads to one of _OVER: without a SYN-ACK, and after it."""


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
        self.is_over = self.outcome in _OVER
        self.count = 0


class Handshakes:
    """Takes the packets of a capture in their order."""

    def __init__(self, wanted: Wanted) -> None:
        self.awaited = Awaited()
        """After a SYN-ACK, for the ACK and the first data."""
        self.takes = [self._take_for(flags) for flags in range(256)]
        """See `Take`."""
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
        self._endings: dict[int, _Ending] = {}
        self._listed: list[Flow] = []
        self._asked = ASKED | KEPT if wanted.limit else ASKED
        """What is known of a flow with its SYN."""
        self._most = MOST_OPEN if wanted.failed else min(MOST_OPEN, wanted.limit)
        """Of the queue: at first as many as will be listed for certain, because the first ones are."""
        self._end = 0

    def _take_for(self, flags: int) -> Any:
        if flags & (SYN | RST) != SYN:
            return self._take_other
        return self._take_syn_ack if flags & ACK else self._take_syn

    def take(self, captured: Captured) -> None:
        """The next packet of the capture."""
        found = read(captured)
        if found is None:
            return
        packet, interface = (captured.time_ns, found), captured.interface
        if isinstance(found, Segment):
            pair, seq, ack, flags, _ttl, _options, payload = found
            self.takes[flags](pair, seq, ack, flags, payload, ports_of(pair, interface.order), packet, 0, len(packet), interface)
            return
        flow = self._open.get(found.pair)
        if flow is not None and flow[ISN] == found.seq:
            add(flow, packet, interface, ERROR)

    # The inner loop calls the next three, see `Take`. The packet is data[at:end], which takes time and is seldom needed.

    def _take_syn(
        self, pair: bytes, seq: int, ack: int, flags: int, payload: int, ports: int, data: Any, at: int, end: int, interface: Interface
    ) -> None:
        if self._all and pair not in self._open:
            self._open[pair] = new = [pair, seq, interface, None, self._asked, flags & FLAGS, None, data[at:end]]
            self._queue.append(new)
            if len(self._queue) > self._most:
                self._make_room(data, at, interface)
            return
        flow = self._open.get(pair)
        if flow is None or flow[ISN] != seq:
            self._begin(pair, seq, flags, data[at:end], interface, self._asked)
        else:
            add(flow, data[at:end], interface, flags & FLAGS)
            flow[SEEN] |= ASKED

    def _take_syn_ack(
        self, pair: bytes, seq: int, ack: int, flags: int, payload: int, ports: int, data: Any, at: int, end: int, interface: Interface
    ) -> None:
        pair, isn = reverse(pair), (ack - 1) & _NUMBERS
        flow = self._open.get(pair)
        if flow is None or flow[ISN] != isn:
            if flow is not None and flow[SEEN] & ASKED:
                return  # of another connection, or the answer of one that knows nothing of this SYN
            flow = self._begin(pair, isn, flags, data[at:end], interface, self._asked & ~ASKED)
            if flow is None:
                return
        elif flow[SEEN] & ~KEPT == ASKED and flow[INTERFACE] is interface and flow[COURSE] < LONGEST:
            flow.append(data[at:end])
            flow[COURSE] = flow[COURSE] << EVENT_BITS | flags & FLAGS
        else:
            add(flow, data[at:end], interface, flags & FLAGS)
        if not flow[SEEN] & ANSWERED:
            flow[SEEN] |= ANSWERED | AWAITED
            flow[SERVER_ISN] = seq
            self.awaited.add(ports)

    def _take_other(
        self, pair: bytes, seq: int, ack: int, flags: int, payload: int, ports: int, data: Any, at: int, end: int, interface: Interface
    ) -> None:
        flow, event = self._open.get(pair), flags & FLAGS | OF_CLIENT
        if flow is None:
            flow, event = self._open.get(reverse(pair)), flags & FLAGS
            if flow is None:
                if event & RST:
                    self._take_stray(pair, data[at:end], interface)
                return
        seen = flow[SEEN]
        if payload > 0:
            event |= HAS_PAYLOAD
        if event & (FIN | RST):
            begin = flow[ISN] if event & OF_CLIENT else flow[SERVER_ISN]
            if begin is not None and (seq or event & FIN) and 0 < (seq - begin - 1) & _NUMBERS < 2**31:
                event |= MOVED
            if (ack - flow[ISN]) & _NUMBERS == 1:
                event |= ANSWERS
        elif payload <= 0:
            known = CLIENT_ACKED if event & OF_CLIENT else SERVER_ACKED
            if seen & known:
                return
            if seen & ANSWERED:
                flow[SEEN] = seen = seen | known
        if seen & AWAITED and event & (RST | HAS_PAYLOAD):
            flow[SEEN] = seen = seen & ~AWAITED
            self.awaited.remove(ports)
        if seen & (ASKED | KEPT) == ASKED and event in _ENDS[seen & ANSWERED] and flow[COURSE] < LONGEST:
            flow[SEEN] = seen = seen | LEFT_OUT
            del flow[PACKETS:]
        if seen & LEFT_OUT and flow[COURSE] < LONGEST:
            flow[COURSE] = flow[COURSE] << EVENT_BITS | event
        else:
            add(flow, data[at:end], interface, event)

    def _begin(self, pair: bytes, isn: int, flags: int, packet: Packet, interface: Interface, seen: int) -> Flow | None:
        """A handshake, if it is one that is wanted; in place of another with its addresses and ports, if there is one."""
        if not self._all and not self._wanted.has(pair, time_of(packet, interface)):
            return None
        known = self._open.get(pair)
        if known is not None:
            self._await_no_more(known)
        flow = self._open[pair] = [pair, isn, interface, None, seen, flags & FLAGS, None, packet]
        self._queue.append(flow)
        if len(self._queue) > self._most:
            self._make_room(packet, 0, interface)
        return flow

    def _make_room(self, data: Any, at: int, interface: Interface) -> None:
        """There is a handshake more than are followed, or listed."""
        if self._most < MOST_OPEN:
            self._most, self._asked = MOST_OPEN, ASKED
            return
        oldest = self._queue.popleft()
        course = oldest[COURSE]
        ending = self._endings.get(course) if course < TOO_LONG else None
        if ending is None:
            ending = self._ending(oldest)
        if not ending.is_over:
            self._end = max(self._end, time_of(data, interface, at))
            if self._open.get(oldest[PAIR]) is oldest:
                self.forgotten += self._end - last(oldest) < 130 * 10**9  # as long as Linux may retransmit a SYN
        self._finish(oldest, ending)

    def _take_stray(self, pair: bytes, packet: Packet, interface: Interface) -> None:
        if not self._all:
            time = time_of(packet, interface)
            if not self._wanted.has(pair, time) and not self._wanted.has(reverse(pair), time):
                return
        self._stray_resets += 1

    def _await_no_more(self, flow: Flow) -> None:
        if flow[SEEN] & AWAITED:
            flow[SEEN] &= ~AWAITED
            self.awaited.remove(ports_of(flow[PAIR], flow[INTERFACE].order))

    def _finish(self, flow: Flow, ending: _Ending) -> None:
        pair, outcome = flow[PAIR], ending.outcome
        if self._open.get(pair) is flow:
            del self._open[pair]
            if flow[SEEN] & AWAITED:
                self._await_no_more(flow)
        ending.count += 1
        if not ending.is_over and outcome in (UNANSWERED, UNACKNOWLEDGED) and self._end - last(flow) < RETRANSMISSION_NS:
            outcome = handshake(flow).outcome(self._end)
            self._counts[ending.outcome] -= 1
            self._counts[outcome] += 1
        if flow[SEEN] & KEPT and not (self._wanted.failed and outcome == COMPLETED):
            self._list(flow)

    def _list(self, flow: Flow) -> None:
        if len(self._listed) < self._wanted.limit:
            self._listed.append(flow)
        if len(self._listed) == self._wanted.limit:
            self._asked = ASKED

    def _ending(self, flow: Flow) -> _Ending:
        course = flow[COURSE]
        ending = self._endings.get(course)
        if ending is None or course == TOO_LONG:
            if len(self._endings) >= _MOST_ENDINGS or course == TOO_LONG:
                self._count_all()
            ending = self._endings[course] = _Ending(handshake(flow))
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
        listed = sorted((handshake(flow) for flow in self._listed), key=lambda each: each.first)
        return {
            "counts": {outcome: self._counts[outcome] for outcome in OUTCOMES},
            "conn_states": dict(sorted(self._states.items())),
            "completeness": {str(bits): count for bits, count in sorted(self._completeness.items())},
            "retransmissions": {"syn": self._again[0], "syn_ack": self._again[1]},
            "stray_resets": self._stray_resets,
            "handshakes": [each.record(self._end) for each in listed],
            "unlisted": sum(self._counts.values()) - len(listed),
        }


def observe(path: str, wanted: Wanted) -> dict[str, Any]:
    """What a capture file shows. CaptureError, with the path, when nothing can be read."""
    handshakes = Handshakes(wanted)
    with Source(path) as source:
        reader = Reader(source, handshakes.awaited.ports, handshakes.takes)
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
