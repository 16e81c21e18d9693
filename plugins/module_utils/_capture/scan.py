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
import sys
from itertools import repeat
from operator import length_hint
from typing import Any, Callable, Container, NamedTuple, Sequence, Tuple

from .links import Simple

_BEGINS_OR_ENDS = tuple(flags & 7 != 0 for flags in range(256))
"""Whether flags have FIN, SYN or RST."""
_LENGTHS = tuple((byte >> 4) * 4 for byte in range(256))
"""How long a TCP header is whose 13th byte this is."""
_IPV4, _TCP = 0x45, 6
_FRAGMENT = 0x3FFF  # more fragments, and the offset
PCAP_HEADER, BLOCK_HEADER, BLOCK_LEAST = 16, 28, 32
ENHANCED_PACKET = 6
MOST_LENGTH = 262144 + 256  # libpcap's MAXIMUM_SNAPLEN, and a header
READ_AHEAD = 256
"""How many bytes the fields of a packet may lie after its beginning, at most."""


class Scan(NamedTuple):
    """How to look at the packets of one interface."""

    fields: struct.Struct
    """Of every packet: see the loops."""
    numbers: struct.Struct
    """Of those that are handed on: length of the IP packet, fragment, addresses and ports, numbers, length of the TCP header."""
    kind: int | bytes
    """Ethertype or its like, as `fields` has it."""
    header: int
    """How long the file's own header of a packet is."""
    start: int
    """Where the IP header begins within the packet."""
    time: struct.Struct
    """Both parts of the time."""
    captured: struct.Struct
    """How many bytes of the packet were captured."""


Take = Sequence[Callable[[bytes, int, int, int, int, int, Any, int, int, Any], None]]
"""By flags, what to call, with addresses and ports, sequence and acknowledgement number, flags, bytes of payload, both ports as one number,
data, where the packet begins there and where its TCP header ends, and the interface."""
Place = Tuple[int, int, int]
"""Where the loop ended, at a packet to be looked at or at the end of the data; the packet before; how many were passed over."""


def pcap_scan(order: str, simple: Simple, header: int = PCAP_HEADER) -> Scan:
    """For records of pcap, whose header is so long."""
    return _scan(order, f"8xI{header - 12}x", header, simple, "II", "8xI")


def block_scan(order: str, simple: Simple) -> Scan:
    """For enhanced packet blocks of pcapng."""
    return _scan(order, "III16x", BLOCK_HEADER, simple, "12xII", "20xI")


def _scan(order: str, before: str, header: int, simple: Simple, time: str, captured: str) -> Scan:
    """After the file's header, the fields are kind, version, protocol, both ports as one number, flags."""
    form = {0: "0s", 2: "H", 4: "I"}[len(simple.kind)]
    (kind,) = struct.unpack(order + form, simple.kind)
    between = simple.start - simple.at - len(simple.kind)
    fields = struct.Struct(f"{order}{before}{simple.at}x{form}{between}xB8xB10xI9xB")
    numbers = struct.Struct(f"!{header + simple.start}x2xH2xH4x12sIIB")
    return Scan(
        fields=fields,
        numbers=numbers,
        kind=kind,
        header=header,
        start=simple.start,
        time=struct.Struct(order + time),
        captured=struct.Struct(order + captured),
    )


def pass_over(data: bytes, at: int, end: int, interface: Any, awaited: Container[int], take: Take | None) -> Place:
    """Pass over records of pcap. `awaited`: ports, of which any packet is handed on."""
    scan = interface.scan
    unpack, kind, header, numbers = scan.fields.unpack_from, scan.kind, scan.header, scan.numbers.unpack_from
    begins_or_ends, lengths, plain, before = _BEGINS_OR_ENDS, _LENGTHS, scan.start + 20, header + scan.start + 20
    ipv4, tcp, last, counter = _IPV4, _TCP, at, _counter()
    for _packet in counter:
        if at >= end:
            break
        length, found, version, protocol, ports, flags = unpack(data, at)
        if found != kind or version != ipv4 or protocol != tcp:
            break
        if begins_or_ends[flags] or ports in awaited:
            if take is None:
                break
            whole, fragment, pair, seq, ack, head = numbers(data, at)
            head = lengths[head]
            if fragment & _FRAGMENT or head < 20 or not whole or not plain + head <= length <= MOST_LENGTH:
                break
            take[flags](pair, seq, ack, flags, whole - 20 - head, ports, data, at, at + before + head, interface)
        last = at
        at += length + header
    return at, last, _passed(counter)


def pass_over_blocks(data: bytes, at: int, end: int, interface: Any, awaited: Container[int], take: Take | None) -> Place:
    """The same for blocks of pcapng, as long as they are packets of one interface."""
    scan, own = interface.scan, interface.number
    unpack, kind, numbers, captured = scan.fields.unpack_from, scan.kind, scan.numbers.unpack_from, scan.captured.unpack_from
    begins_or_ends, lengths, plain, before = _BEGINS_OR_ENDS, _LENGTHS, scan.start + 20, scan.header + scan.start + 20
    ipv4, tcp, packet, least, last, counter = _IPV4, _TCP, ENHANCED_PACKET, BLOCK_LEAST, at, _counter()
    for _packet in counter:
        if at >= end:
            break
        block, size, number, found, version, protocol, ports, flags = unpack(data, at)
        if block != packet or number != own or found != kind or version != ipv4 or protocol != tcp or size & 3 or size < least:
            break
        if begins_or_ends[flags] or ports in awaited:
            if take is None:
                break
            whole, fragment, pair, seq, ack, head = numbers(data, at)
            head, (length,) = lengths[head], captured(data, at)
            if fragment & _FRAGMENT or head < 20 or not whole or not plain + head <= length <= min(MOST_LENGTH, size - least):
                break
            if at + size > len(data):
                break  # it may be cut off
            take[flags](pair, seq, ack, flags, whole - 20 - head, ports, data, at, at + before + head, interface)
        last = at
        at += size
    return at, last, _passed(counter)


def _counter() -> repeat[None]:
    """To go round as often as somebody wants, and to know afterwards how often: a number that is added to takes a tenth of the time."""
    return repeat(None, sys.maxsize)


def _passed(counter: repeat[None]) -> int:
    """The last turn ended the loop."""
    return sys.maxsize - length_hint(counter) - 1
