# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Where packets of a capture file were captured, and one packet of it."""

from __future__ import annotations

import struct
from typing import NamedTuple, cast

from .links import NO_WAY, Network, network, refusal, simple
from .scan import BLOCK_HEADER, PCAP_HEADER, Scan, block_scan, pcap_scan

_IF_NAME, _IF_TSRESOL, _IF_FILTER, _IF_TSOFFSET = 2, 9, 11, 14


class Captured(NamedTuple):
    """A packet of a file, without what is after its headers."""

    time_ns: int
    interface: Interface
    frame: bytes
    wire_length: int
    way: int

    def network(self) -> Network | None:
        """Where its network layer is; None when there is none that is read."""
        return network(self.interface.link, self.frame)


class Interface:
    """Where packets of a file were captured."""

    def __init__(self, number: int, link: int, order: str, block: bool, name: str = "", header: int = PCAP_HEADER) -> None:
        self.number, self.link, self.name = number, link, name
        self.order = order
        """In which `ports_of` makes a number of ports: that of the file's first interface."""
        self.place = 0
        """In `Reader.interfaces`; `number` is that within its section."""
        self.refused = refusal(link)
        self.filtered = False
        self.dropped = 0
        self.ticks, self.offset_ns = 10**6, 0
        self.scan: Scan | None = None
        self.start = 0
        if self.refused is None:
            found = simple(link, order)
            self.start, self.kind, self.kind_at = found.start, found.kind, found.at
            self.scan = block_scan(order, found) if block else pcap_scan(order, found, header)

    def describe(self, options: dict[int, bytes], order: str) -> None:
        """Take the options of its block in a pcapng file."""
        self.name = options.get(_IF_NAME, b"").decode("utf-8", "replace").rstrip("\0")[:200]
        self.filtered = _IF_FILTER in options
        resolution = options.get(_IF_TSRESOL, b"\x06")[:1] or b"\x06"
        self.ticks = 2 ** (resolution[0] & 0x7F) if resolution[0] & 0x80 else 10 ** min(resolution[0], 30)
        offset = options.get(_IF_TSOFFSET, b"")
        self.offset_ns = struct.unpack(order + "q", offset)[0] * 10**9 if len(offset) == 8 else 0

    def time_ns(self, ticks: int) -> int:
        """Since the epoch."""
        return ticks * 10**9 // self.ticks + self.offset_ns

    def time_of(self, begin: bytes, at: int = 0) -> int:
        """The time of a packet of which these are the file's bytes."""
        scan = cast(Scan, self.scan)
        high, low = scan.time.unpack_from(begin, at)
        return self.time_ns(high << 32 | low if scan.header == BLOCK_HEADER else high * self.ticks + low)

    def packet(self, begin: bytes) -> Captured:
        """The packet of which these are the file's bytes, up to the end of its TCP header."""
        header = cast(Scan, self.scan).header
        return Captured(self.time_of(begin), self, begin[header:], len(begin) - header, NO_WAY)
