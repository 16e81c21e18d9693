# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The inner loop over the packets of a capture: pass over those that are of no handshake.

Of a busy capture that is nearly all of them. Each costs one unpacking of fields at fixed places, and comparisons: this is what takes
the time, so it does nothing else. Whatever it does not recognise, it leaves to others.
"""

from __future__ import annotations

import struct
from typing import Container, NamedTuple, Tuple

from .links import Simple

_BEGINS_OR_ENDS = 7  # FIN, SYN, RST
_IPV4, _TCP = 0x45, 6  # without IP options
PCAP_HEADER, BLOCK_HEADER, BLOCK_LEAST = 16, 28, 32
ENHANCED_PACKET = 6
READ_AHEAD = 256
"""How many bytes the fields of a packet may lie behind its beginning, at most."""


class Scan(NamedTuple):
    """How to look at the packets of one interface."""

    fields: struct.Struct
    kind: bytes


Place = Tuple[int, int, int]
"""Where the loop ended, at a packet to be looked at or at the end of the data; the packet before; how many were passed over."""


def pcap_scan(order: str, simple: Simple, header: int = PCAP_HEADER) -> Scan:
    """For records of pcap, whose header is so long."""
    return Scan(struct.Struct(f"{order}8xI{header - 12}x{_packet(simple)}"), simple.kind)


def block_scan(order: str, simple: Simple) -> Scan:
    """For enhanced packet blocks of pcapng."""
    return Scan(struct.Struct(f"{order}III16x{_packet(simple)}"), simple.kind)


def _packet(simple: Simple) -> str:
    """Fields of a captured packet: kind, version, protocol, addresses and ports as one text, flags."""
    between = simple.start - simple.at - len(simple.kind)
    return f"{simple.at}x{len(simple.kind)}s{between}xB8xB2x12s9xB"


def pass_over(data: bytes, at: int, end: int, scan: Scan, header: int, watched: Container[bytes]) -> Place:
    """Pass over records of pcap. `watched`: addresses and ports of which any packet is to be looked at."""
    unpack, plain = scan.fields.unpack_from, scan.kind
    last, count = at, 0
    while at < end:
        length, kind, version, protocol, pair, flags = unpack(data, at)
        if kind != plain or version != _IPV4 or protocol != _TCP or flags & _BEGINS_OR_ENDS or pair in watched:
            break
        last = at
        at += length + header
        count += 1
    return at, last, count


def pass_over_blocks(data: bytes, at: int, end: int, scan: Scan, interface: int, watched: Container[bytes]) -> Place:
    """The same for blocks of pcapng, as long as they are packets of one interface."""
    unpack, plain = scan.fields.unpack_from, scan.kind
    last, count = at, 0
    while at < end:
        block, length, number, kind, version, protocol, pair, flags = unpack(data, at)
        if kind != plain or version != _IPV4 or protocol != _TCP or flags & _BEGINS_OR_ENDS or pair in watched:
            break
        if block != ENHANCED_PACKET or number != interface or length < BLOCK_LEAST:
            break
        last = at
        at += length
        count += 1
    return at, last, count
