# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The handshakes of a capture: followed while they are under way, counted and listed when they are over. Memory is bounded."""

from __future__ import annotations

import gc
from itertools import islice
from typing import Any

from .awaited import Awaited, ports_of
from .course import ANSWERS, ERROR, FLAGS, HAS_PAYLOAD, MOVED, OF_CLIENT, Course, Courses
from .flow import COURSE, INTERFACE, ISN, KEPT, LAST, SERVER_ISN, Flow, Kept, Packet, time_of
from .handshake import COMPLETED, RETRANSMISSION_NS, Handshake
from .interface import Captured, Interface
from .reader import Reader
from .segment import ACK, FIN, RST, SYN, Segment, read, reverse
from .source import CaptureError, Source
from .tally import Tally
from .wanted import Wanted

MOST_OPEN = 8192  # handshakes that are followed at a time
MOST_LISTED = 10_000
_AT_A_TIME = 1024  # handshakes beyond these that are finished together
_LONGEST_WAIT_NS = 130 * 10**9  # as long as Linux may retransmit a SYN
_NUMBERS = 2**32 - 1


class Handshakes:
    """Takes the packets of a capture in their order."""

    def __init__(self, wanted: Wanted) -> None:
        self.awaited = Awaited()
        """After a SYN-ACK, for the ACK and the first data."""
        self.takes = [self._take_for(flags) for flags in range(256)]
        """See `Take`."""
        self.forgotten = 0
        self._tally = Tally()
        self._wanted = wanted
        self._all = wanted == Wanted(failed=wanted.failed, limit=wanted.limit)
        self._to_keep = wanted.limit
        """Of how many more handshakes the packets are kept: at most as many can be listed."""
        self._plain = self._all and not self._to_keep
        """Whether handshakes that begin are only counted."""
        self._open: dict[bytes, Flow] = {}
        """By addresses and ports of the client, the handshakes that are followed, in the order in which they began."""
        self._replaced: list[Flow] = []
        """Those whose addresses and ports were used again."""
        self._courses = Courses()
        self._begun = [self._after(self._courses.none, flags & FLAGS) for flags in range(256)]
        """By the flags of a handshake's first packet, how far it came."""
        self._listed: list[Handshake] = []
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
            flow[COURSE] = self._after(flow[COURSE], ERROR)
            self._keep(flow, packet, interface)

    # The inner loop calls the next three, see `Take`. The packet is data[at:end], which takes time and is seldom needed.

    def _take_syn(
        self, pair: bytes, seq: int, ack: int, flags: int, payload: int, ports: int, data: Any, at: int, end: int, interface: Interface
    ) -> None:
        if self._plain and pair not in self._open:
            self._open[pair] = [self._begun[flags], seq, None, data[at:end], interface, None]
            if len(self._open) == MOST_OPEN + _AT_A_TIME:
                self._make_room(data, at, interface)
            return
        flow = self._open.get(pair)
        if flow is None or flow[ISN] != seq:
            self._begin(pair, seq, flags, data[at:end], interface)
            return
        flow[COURSE] = self._after(flow[COURSE], flags & FLAGS)
        if flow[SERVER_ISN] is None:
            flow[LAST], flow[INTERFACE] = data[at:end], interface
        if flow[KEPT]:
            self._keep(flow, data[at:end], interface)

    def _take_syn_ack(
        self, pair: bytes, seq: int, ack: int, flags: int, payload: int, ports: int, data: Any, at: int, end: int, interface: Interface
    ) -> None:
        pair, packet = reverse(pair), data[at:end]
        flow = self._open.get(pair)
        if flow is not None and (ack - flow[ISN]) & _NUMBERS == 1:
            course = flow[COURSE]
            flow[COURSE] = course.next.get(flags & FLAGS) or self._courses.after(course, flags & FLAGS)
            flow[LAST], flow[INTERFACE] = packet, interface
            if flow[KEPT]:
                self._keep(flow, packet, interface)
        elif flow is not None and flow[COURSE].is_asked:
            return  # of another connection, or the answer of one that knows nothing of this SYN
        else:
            flow = self._begin(pair, (ack - 1) & _NUMBERS, flags, packet, interface)
            if flow is None:
                return
        if flow[SERVER_ISN] is None:
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
        if payload > 0:
            event |= HAS_PAYLOAD
        if event & (FIN | RST):
            begin = flow[ISN] if event & OF_CLIENT else flow[SERVER_ISN]
            if begin is not None and (seq or event & FIN) and 0 < (seq - begin - 1) & _NUMBERS < 2**31:
                event |= MOVED
            if (ack - flow[ISN]) & _NUMBERS == 1:
                event |= ANSWERS
        before = flow[COURSE]
        flow[COURSE] = course = before.next.get(event) or self._courses.after(before, event)
        if before.is_awaited and not course.is_awaited:
            self.awaited.remove(ports)
        if flow[KEPT] and (course is not before or event & (FIN | RST)):
            self._keep(flow, data[at:end], interface)

    def _after(self, course: Course, event: int) -> Course:
        return course.next.get(event) or self._courses.after(course, event)

    def _keep(self, flow: Flow, packet: Packet, interface: Interface) -> None:
        if flow[KEPT] and self._wanted.failed and flow[COURSE].outcome == COMPLETED:
            flow[KEPT] = None
        if flow[KEPT]:
            flow[KEPT].add(packet, interface)

    def _begin(self, pair: bytes, isn: int, flags: int, packet: Packet, interface: Interface) -> Flow | None:
        """A handshake, if it is one that is wanted; in place of another with its addresses and ports, if there is one."""
        if not self._all and not self._wanted.has(pair, time_of(packet, interface)):
            return None
        known = self._open.pop(pair, None)
        if known is not None:
            self._await_no_more(pair, known)
            self._replaced.append(known)
        kept = None
        if self._to_keep:
            kept = Kept(pair, isn, interface)
            kept.add(packet, interface)
            if not self._wanted.failed:
                self._keep_one_less()
        flow = self._open[pair] = [self._begun[flags], isn, None, packet, interface, kept]
        if len(self._open) == MOST_OPEN + _AT_A_TIME or len(self._replaced) == _AT_A_TIME:
            self._make_room(packet, 0, interface)
        return flow

    def _keep_one_less(self) -> None:
        self._to_keep -= 1
        self._plain = self._all and not self._to_keep

    def _make_room(self, data: Any, at: int, interface: Interface) -> None:
        """There are more handshakes than are followed."""
        self._end = max(self._end, time_of(data, interface, at))
        for flow in self._replaced:
            self._finish(flow)
        self._replaced = []
        if len(self._open) < MOST_OPEN + _AT_A_TIME:
            return
        for pair in list(islice(self._open, _AT_A_TIME)):
            flow = self._open.pop(pair)
            course = flow[COURSE]
            if course.is_awaited:
                self._await_no_more(pair, flow)
            if course.is_over and course.is_remembered and not flow[KEPT]:
                course.count += 1
                continue
            if not course.is_over:
                self.forgotten += self._end - time_of(flow[LAST], flow[INTERFACE]) < _LONGEST_WAIT_NS
            self._finish(flow)

    def _take_stray(self, pair: bytes, packet: Packet, interface: Interface) -> None:
        if not self._all:
            time = time_of(packet, interface)
            if not self._wanted.has(pair, time) and not self._wanted.has(reverse(pair), time):
                return
        self._tally.stray_resets += 1

    def _await_no_more(self, pair: bytes, flow: Flow) -> None:
        if flow[COURSE].is_awaited:
            self.awaited.remove(ports_of(pair, flow[INTERFACE].order))

    def _finish(self, flow: Flow) -> None:
        course, kept = flow[COURSE], flow[KEPT]
        if course.is_remembered:
            course.count += 1
        else:
            self._tally.add(course)
        if course.may_be_cut_off and self._end - time_of(flow[LAST], flow[INTERFACE]) < RETRANSMISSION_NS:
            self._tally.cut_off(course)
        if kept and not (self._wanted.failed and course.outcome == COMPLETED) and len(self._listed) < self._wanted.limit:
            self._listed.append(kept.handshake())
            if self._wanted.failed:
                self._keep_one_less()

    def result(self, end: int | None) -> dict[str, Any]:
        """Counts of all, and the first of them in detail; `end`: the time of the last packet."""
        self._end = max(self._end, end or 0)
        for flow in [*self._replaced, *self._open.values()]:
            self._finish(flow)
        self._replaced, self._open = [], {}
        for course in self._courses.remembered:
            if course.count:
                self._tally.add(course, course.count)
        listed, self._listed = sorted(self._listed, key=lambda each: each.first)[::-1], []
        records = []
        while listed:  # each is freed when its record is made: both of thousands would be twice the memory
            records.append(listed.pop().record(self._end))
        return {**self._tally.record(), "handshakes": records, "unlisted": self._tally.handshakes - len(records)}


def observe(path: str, wanted: Wanted) -> dict[str, Any]:
    """What a capture file shows. CaptureError, with the path, when nothing can be read."""
    handshakes, collects = Handshakes(wanted), gc.isenabled()
    with Source(path) as source:
        reader = Reader(source, handshakes.awaited.ports, handshakes.takes)
        gc.disable()  # flows are in no circles, and it would look at all of them again and again
        try:
            for captured in reader:
                handshakes.take(captured)
        except CaptureError as error:
            raise CaptureError(f"{path}: {error}") from None
        finally:
            if collects:
                gc.enable()
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
