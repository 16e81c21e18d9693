# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A handshake under way: its packets as they came, decoded when somebody asks, and the course that they took.

What is counted of a handshake follows from its course: which flags, whose, with data or not. Most handshakes of a capture take one of a
few courses, so that the packets of most need not be decoded.
"""

from __future__ import annotations

from typing import Tuple, Union

from .handshake import Handshake
from .reader import Interface
from .segment import ACK, FIN, RST, SYN, Error, Segment, read

MOST_PACKETS = 24  # that are kept of a handshake before they are decoded
FLAGS = FIN | SYN | RST | ACK
OF_CLIENT, ANSWERS, MOVED, HAS_PAYLOAD, ERROR = 32, 64, 128, 256, 512
"""What else a course says of a packet: sent by the client, acknowledging the SYN alone, ending a stream that had data, with data, and that
it is an ICMP error."""
_EVENT_BITS = 10

Packet = Union[bytes, Tuple[int, Union[Segment, Error]]]
"""The bytes that the file has, up to the end of the TCP header; or time and content."""


def decoded(packet: Packet, interface: Interface) -> tuple[int, Segment | Error | None]:
    """Time and content."""
    if isinstance(packet, tuple):
        return packet
    captured = interface.packet(packet)
    return captured.time_ns, read(captured)


def time_of(packet: Packet, interface: Interface) -> int:
    """In nanoseconds since the epoch."""
    return packet[0] if isinstance(packet, tuple) else interface.time_of(packet)


class Flow:
    """The packets of one handshake."""

    __slots__ = ("_whole", "course", "interface", "isn", "packets", "pair", "seen", "server_isn")

    def __init__(self, pair: bytes, isn: int, interface: Interface, packet: Packet, event: int) -> None:
        self.pair, self.isn, self.interface = pair, isn, interface
        self.server_isn: int | None = None
        self.packets = [packet]
        self.course: int | None = event
        """A number for the kinds of its packets in their order; None when they are too many."""
        self.seen = 0
        """For whoever follows it."""
        self._whole: Handshake | None = None

    def add(self, packet: Packet, interface: Interface, event: int) -> None:
        """One more packet of it."""
        if interface is not self.interface:
            time, what = decoded(packet, interface)
            if what is None:
                return
            packet = (time, what)
        self.packets.append(packet)
        if self.course is not None:
            self.course = self.course << _EVENT_BITS | event
        if len(self.packets) == MOST_PACKETS:
            self.handshake()
            self.course = None

    def last(self) -> int:
        """The time of its last packet."""
        if self.packets:
            return time_of(self.packets[-1], self.interface)
        return 0 if self._whole is None else self._whole.last

    def handshake(self) -> Handshake:
        """All that its packets say."""
        if self._whole is None:
            self._whole = Handshake(self.pair, self.isn)
        for packet in self.packets:
            time, what = decoded(packet, self.interface)
            if isinstance(what, Error):
                self._whole.take_error(time, what)
            elif what is not None:
                of_client = what.pair == self.pair and what.flags & (SYN | ACK | RST) != SYN | ACK
                self._whole.take(time, what, of_client)
        self.packets = []
        return self._whole
