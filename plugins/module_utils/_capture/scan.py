# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The inner loop over the packets of a capture: pass over those that are of no handshake, and hand on those that are.

Of a busy capture nearly all are passed over. Each costs one unpacking of fields at fixed places, and comparisons: this is what takes
the time, so it does nothing else. It recognises TCP over IPv4 without options, tags and fragments; whatever it does not recognise, it
leaves to others.
"""

from __future__ import annotations

import struct
from typing import Any, Callable, Container, NamedTuple, Tuple

from .links import Simple

_BEGINS_OR_ENDS = 7  # FIN, SYN, RST
_SYN, _SYN_OR_RST = 2, 6
_IPV4, _TCP = 0x45, 6
_FRAGMENT = 0x3FFF  # more fragments, and the offset
PCAP_HEADER, BLOCK_HEADER, BLOCK_LEAST = 16, 28, 32
ENHANCED_PACKET = 6
MOST_LENGTH = 262144 + 256  # libpcap's MAXIMUM_SNAPLEN, and a header
READ_AHEAD = 256
"""How many bytes the fields of a packet may lie behind its beginning, at most."""


class Scan(NamedTuple):
    """How to look at the packets of one interface."""

    fields: struct.Struct
    """Of every packet: see the loops."""
    numbers: struct.Struct
    """Of those that are handed on: length of the IP packet, fragment, addresses and ports, numbers, length of the TCP header."""
    kind: bytes
    """Ethertype or its like."""
    header: int
    """How long the file's own header of a packet is."""
    start: int
    """Where the IP header begins within the packet."""
    time: struct.Struct
    """Both parts of the time."""


_Take = Callable[[bytes, int, int, int, int, bytes, Any], None]
Take = Tuple[_Take, _Take]
"""Called for SYNs and SYN-ACKs, and for others, with addresses and ports, sequence and acknowledgement number, flags, bytes of payload,
the file's bytes up to the end of the TCP header, and the interface."""
Place = Tuple[int, int, int]
"""Where the loop ended, at a packet to be looked at or at the end of the data; the packet before; how many were passed over."""


def pcap_scan(order: str, simple: Simple, header: int = PCAP_HEADER) -> Scan:
    """For records of pcap, whose header is so long."""
    return _scan(f"{order}8xI{header - 12}x", header, simple, struct.Struct(order + "II"))


def block_scan(order: str, simple: Simple) -> Scan:
    """For enhanced packet blocks of pcapng."""
    return _scan(f"{order}III8xI4x", BLOCK_HEADER, simple, struct.Struct(order + "12xII"))


def _scan(before: str, header: int, simple: Simple, time: struct.Struct) -> Scan:
    """Behind the file's header, the fields are kind, version, protocol, both ports as one number, flags."""
    between = simple.start - simple.at - len(simple.kind)
    fields = struct.Struct(f"{before}{simple.at}x{len(simple.kind)}s{between}xB8xB10xI9xB")
    numbers = struct.Struct(f"!{header + simple.start}x2xH2xH4x12sIIB")
    return Scan(fields, numbers, simple.kind, header, simple.start, time)


def pass_over(data: bytes, at: int, end: int, interface: Any, awaited: Container[int], take: Take | None) -> Place:
    """Pass over records of pcap. `awaited`: ports, of which any packet is handed on."""
    scan = interface.scan
    unpack, plain, header, numbers, start = scan.fields.unpack_from, scan.kind, scan.header, scan.numbers.unpack_from, scan.start
    take_syn, take_other = take or (None, None)
    last, count = at, 0
    while at < end:
        length, kind, version, protocol, ports, flags = unpack(data, at)
        if flags & _BEGINS_OR_ENDS or ports in awaited or kind != plain or version != _IPV4 or protocol != _TCP:
            if take_syn is None or take_other is None or kind != plain or version != _IPV4 or protocol != _TCP:
                break
            whole, fragment, pair, seq, ack, size = numbers(data, at)
            size = (size >> 4) * 4
            if fragment & _FRAGMENT or size < 20 or not whole or not start + 20 + size <= length <= MOST_LENGTH:
                break
            (take_syn if flags & _SYN_OR_RST == _SYN else take_other)(
                pair, seq, ack, flags, whole - 20 - size, data[at : at + header + start + 20 + size], interface
            )
        last = at
        at += length + header
        count += 1
    return at, last, count


def pass_over_blocks(data: bytes, at: int, end: int, interface: Any, awaited: Container[int], take: Take | None) -> Place:
    """The same for blocks of pcapng, as long as they are packets of one interface."""
    scan, own = interface.scan, interface.number
    unpack, plain, header, numbers, start = scan.fields.unpack_from, scan.kind, scan.header, scan.numbers.unpack_from, scan.start
    take_syn, take_other = take or (None, None)
    last, count = at, 0
    while at < end:
        block, size, number, length, kind, version, protocol, ports, flags = unpack(data, at)
        if block != ENHANCED_PACKET or number != own or size < BLOCK_LEAST or size % 4:
            break
        if flags & _BEGINS_OR_ENDS or ports in awaited or kind != plain or version != _IPV4 or protocol != _TCP:
            if take_syn is None or take_other is None or kind != plain or version != _IPV4 or protocol != _TCP:
                break
            whole, fragment, pair, seq, ack, tcp = numbers(data, at)
            tcp = (tcp >> 4) * 4
            if fragment & _FRAGMENT or tcp < 20 or not whole or not start + 20 + tcp <= length <= min(MOST_LENGTH, size - BLOCK_LEAST):
                break
            if at + size > len(data):
                break  # it may be cut off
            (take_syn if flags & _SYN_OR_RST == _SYN else take_other)(
                pair, seq, ack, flags, whole - 20 - tcp, data[at : at + header + start + 20 + tcp], interface
            )
        last = at
        at += size
        count += 1
    return at, last, count
