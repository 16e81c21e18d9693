# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A handshake under way: how far it came, and its packets where it may be listed.

There is one for each SYN of a capture. It is a list and not an object, which would take five times as long to make.
"""

from __future__ import annotations

from typing import Any, List, Tuple, Union

from .handshake import Handshake
from .interface import Interface
from .segment import ACK, RST, SYN, Error, Segment, read

MOST_PACKETS = 24  # of a handshake that are kept before they are decoded

Packet = Union[bytes, Tuple[int, Union[Segment, Error]]]
"""The bytes that the file has, up to the end of the TCP header; or time and content."""

COURSE, ISN, SERVER_ISN, LAST, INTERFACE, KEPT = range(6)
"""The places in a flow: how far it came; initial sequence numbers of client and server; the packet that a retransmission would follow, the
last SYN-ACK or SYN, and where that was captured; its packets, or None."""
Flow = List[Any]


class Kept:
    """The packets of a handshake that may be listed, decoded when somebody asks."""

    __slots__ = ("_interface", "_packets", "_whole")

    def __init__(self, pair: bytes, isn: int, interface: Interface) -> None:
        self._interface, self._whole = interface, Handshake(pair, isn)
        self._packets: list[Packet] = []

    def add(self, packet: Packet, interface: Interface) -> None:
        """One more."""
        if interface is not self._interface:
            time, what = _decoded(packet, interface)
            if what is None:
                return
            packet = (time, what)
        self._packets.append(packet)
        if len(self._packets) == MOST_PACKETS:
            self.handshake()

    def handshake(self) -> Handshake:
        """All that they say."""
        whole = self._whole
        for packet in self._packets:
            time, what = _decoded(packet, self._interface)
            if isinstance(what, Error):
                whole.take_error(time, what)
            elif what is not None:
                of_client = what.pair == whole.pair and what.flags & (SYN | ACK | RST) != SYN | ACK
                whole.take(time, what, of_client)
        self._packets = []
        return whole


def _decoded(packet: Packet, interface: Interface) -> tuple[int, Segment | Error | None]:
    """Time and content."""
    if isinstance(packet, tuple):
        return packet
    captured = interface.packet(packet)
    return captured.time_ns, read(captured)


def time_of(packet: Packet, interface: Interface, at: int = 0) -> int:
    """In nanoseconds since the epoch; `at`: where it begins in the bytes."""
    return packet[0] if isinstance(packet, tuple) else interface.time_of(packet, at)
