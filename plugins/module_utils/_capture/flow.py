# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A handshake under way: its packets as they came, decoded when somebody asks, and the course that they took.

What is counted of a handshake follows from its course: which flags, whose, with data or not. Most handshakes of a capture take one of a
few courses, so that the packets of most need not be decoded.

There is one for each SYN of a capture. It is a list and not an object, which would take five times as long to make.
"""

from __future__ import annotations

from typing import Any, List, Tuple, Union

from .handshake import Handshake
from .reader import Interface
from .segment import ACK, FIN, RST, SYN, Error, Segment, read

MOST_PACKETS = 24  # of a handshake that are kept, and that a course has
FLAGS = FIN | SYN | RST | ACK
OF_CLIENT, ANSWERS, MOVED, HAS_PAYLOAD, ERROR = 32, 64, 128, 256, 512
"""What else a course says of a packet: sent by the client, acknowledging the SYN alone, ending a stream that had data, with data, and that
it is an ICMP error."""
EVENT_BITS = 10
LONGEST = 1 << EVENT_BITS * (MOST_PACKETS - 2)
"""A course that is less can take one more packet: it begins with a SYN, which is not 0."""
TOO_LONG = 1 << EVENT_BITS * (MOST_PACKETS + 1)
"""The course of a handshake with more packets."""

Packet = Union[bytes, Tuple[int, Union[Segment, Error]]]
"""The bytes that the file has, up to the end of the TCP header; or time and content."""

PAIR, ISN, INTERFACE, SERVER_ISN, SEEN, COURSE, WHOLE, PACKETS = range(8)
"""The places in a flow: addresses and ports, and initial sequence number of the client; where it was captured; initial sequence number of
the server; what was seen, see below; a number for the kinds of its packets in their order; all that the packets say that were decoded; and
those that were not, of which there may be any number."""
Flow = List[Any]

ASKED, ANSWERED, AWAITED, CLIENT_ACKED, SERVER_ACKED, KEPT, LEFT_OUT = 1, 2, 4, 8, 16, 32, 64
"""Of SEEN: SYN, SYN-ACK, that more packets are awaited, and first ACKs; that the handshake may be listed, so that its packets are kept; and
that it is over and others have been left out since."""


def decoded(packet: Packet, interface: Interface) -> tuple[int, Segment | Error | None]:
    """Time and content."""
    if isinstance(packet, tuple):
        return packet
    captured = interface.packet(packet)
    return captured.time_ns, read(captured)


def time_of(packet: Packet, interface: Interface, at: int = 0) -> int:
    """In nanoseconds since the epoch; `at`: where it begins in the bytes."""
    return packet[0] if isinstance(packet, tuple) else interface.time_of(packet, at)


def add(flow: Flow, packet: Packet, interface: Interface, event: int) -> None:
    """One more packet of it."""
    course = flow[COURSE]
    if flow[SEEN] & LEFT_OUT and course < LONGEST:
        flow[COURSE] = course << EVENT_BITS | event
        return
    if interface is not flow[INTERFACE]:
        time, what = decoded(packet, interface)
        if what is None:
            return
        packet = (time, what)
    if course < LONGEST:
        flow[COURSE] = course << EVENT_BITS | event
    elif course < TOO_LONG:
        handshake(flow)
        flow[COURSE] = TOO_LONG
    flow.append(packet)
    if len(flow) == PACKETS + MOST_PACKETS:
        handshake(flow)


def last(flow: Flow) -> int:
    """The time of its last packet, where none was left out."""
    if len(flow) > PACKETS:
        return time_of(flow[-1], flow[INTERFACE])
    return 0 if flow[WHOLE] is None else flow[WHOLE].last


def handshake(flow: Flow) -> Handshake:
    """All that its packets say; where some were left out, what follows from its course, without times and options."""
    if flow[SEEN] & LEFT_OUT:
        flow[SEEN] &= ~LEFT_OUT
        flow[WHOLE] = supposed(flow[COURSE], flow[PAIR], flow[ISN], flow[SERVER_ISN])
    whole: Handshake = flow[WHOLE] or Handshake(flow[PAIR], flow[ISN])
    for packet in flow[PACKETS:]:
        time, what = decoded(packet, flow[INTERFACE])
        if isinstance(what, Error):
            whole.take_error(time, what)
        elif what is not None:
            of_client = what.pair == whole.pair and what.flags & (SYN | ACK | RST) != SYN | ACK
            whole.take(time, what, of_client)
    flow[WHOLE] = whole
    del flow[PACKETS:]
    return whole


def supposed(course: int, pair: bytes = b"", isn: int = 0, server_isn: int | None = None) -> Handshake:
    """A handshake that takes this course: its outcome, state and completeness are those of all others that do."""
    whole = Handshake(pair, isn)
    for place in reversed(range(0, course.bit_length(), EVENT_BITS)):
        event = course >> place & (1 << EVENT_BITS) - 1
        flags = event & FLAGS
        if event & ERROR:
            whole.take_error(0, Error(pair=pair, seq=isn, version=4, type=3, code=0, sender="", mtu=None))
            continue
        of_client = event & OF_CLIENT or flags & (SYN | ACK | RST) == SYN
        begin = (isn if of_client else server_isn) or 0
        seq = begin if flags & (SYN | RST) == SYN else begin + (2 if event & MOVED else 1)
        ack = isn + 1 if event & ANSWERS else isn
        segment = Segment(
            pair=pair, seq=seq % 2**32, ack=ack % 2**32, flags=flags, ttl=0, options=b"", payload=1 if event & HAS_PAYLOAD else 0
        )
        whole.take(0, segment, bool(of_client))
    return whole
