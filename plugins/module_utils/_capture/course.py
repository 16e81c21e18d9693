# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What the packets of a handshake come to: which flags, whose, with data or not. What is counted of a handshake follows from that.

There are few courses that most handshakes of a capture take, so that each is worked out once, and the packets of most handshakes need not
be decoded.
"""

from __future__ import annotations

from typing import Any, Iterable

from .handshake import ABORTED, COMPLETED, REFUSED, UNACKNOWLEDGED, UNANSWERED, Handshake
from .segment import ACK, FIN, RST, SYN, Error, Segment

FLAGS = FIN | SYN | RST | ACK
OF_CLIENT, ANSWERS, MOVED, HAS_PAYLOAD, ERROR = 32, 64, 128, 256, 512
"""What else an event says of a packet: sent by the client, acknowledging the SYN alone, ending a stream that had data, with data, and that
it is an ICMP error."""
MOST_COURSES = 2000
"""That are remembered. No more than a few hundred are of use."""
_FOREVER = 2**80


class Course:
    """How far a handshake came."""

    __slots__ = (
        *("again", "bits", "count", "events", "is_asked", "is_awaited", "is_over"),
        *("is_remembered", "key", "may_be_cut_off", "next", "outcome", "state"),
    )

    def __init__(self, events: tuple[int, ...], whole: Handshake, is_awaited: bool, key: Any) -> None:
        self.next: dict[int, Course] = {}
        """By one more packet, how far the handshake then came, where that was asked before."""
        self.events, self.key = events, key
        self.outcome, self.state, self.bits = whole.outcome(_FOREVER), whole.state(), whole.bits
        self.again = max(0, len(whole.syns) - 1), max(0, len(whole.syn_acks) - 1)
        self.is_asked = bool(whole.syns)
        self.is_awaited = is_awaited
        """Whether the next packets matter, whatever their flags are: after a SYN-ACK, for the ACK and the first data."""
        self.may_be_cut_off = self.outcome in (UNANSWERED, UNACKNOWLEDGED) and len(whole.syn_acks or whole.syns) == 1
        self.is_over = self.outcome in (COMPLETED, REFUSED, ABORTED)
        self.is_remembered = False
        self.count = 0
        """How many handshakes are over that came so far."""


class Courses:
    """Those of one capture."""

    def __init__(self) -> None:
        self.none = Course((), Handshake(b"", 0), False, None)
        self._known: dict[Any, Course] = {}

    @property
    def remembered(self) -> Iterable[Course]:
        """Those that have a number of handshakes; others are counted one by one."""
        return self._known.values()

    def after(self, course: Course, event: int) -> Course:
        """The course that one more packet makes of it. Between a handshake and its end few packets are looked at, so that none counts."""
        if not (event & (FIN | SYN | RST | ERROR) or course.is_awaited):
            course.next[event] = course
            return course
        events = (*course.events, event)
        whole = supposed(events)
        answered = event & (SYN | RST | ACK) == SYN | ACK and len(whole.syn_acks) == 1
        is_awaited = answered or (course.is_awaited and not event & (RST | HAS_PAYLOAD))
        key = (*whole.course(), is_awaited)
        if key == course.key:
            course.next[event] = course
            return course
        found = self._known.get(key)
        if found is None:
            found = Course(events, whole, is_awaited, key)
            if len(self._known) >= MOST_COURSES:
                return found
            self._known[key] = found
            found.is_remembered = True
        course.next[event] = found
        return found


def supposed(events: tuple[int, ...]) -> Handshake:
    """A handshake of such packets: all of them have its outcome, state and completeness."""
    whole = Handshake(b"", 0)
    for event in events:
        flags = event & FLAGS
        if event & ERROR:
            whole.take_error(0, Error(pair=b"", seq=0, version=4, type=3, code=0, sender="", mtu=None))
            continue
        of_client = bool(event & OF_CLIENT) or flags & (SYN | ACK | RST) == SYN
        seq = 0 if flags & (SYN | RST) == SYN else 2 if event & MOVED else 1
        segment = Segment(
            pair=b"", seq=seq, ack=1 if event & ANSWERS else 0, flags=flags, ttl=0, options=b"", payload=1 if event & HAS_PAYLOAD else 0
        )
        whole.take(0, segment, of_client)
    return whole
