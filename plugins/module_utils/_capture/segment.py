# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What a captured packet says about a handshake: a TCP segment, or an ICMP error that quotes one."""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

from .._errors import DecodeError
from .._wire.headers import ICMP, ICMP_ERRORS, ICMPV6, TCP, outline
from .interface import Captured

FIN, SYN, RST, ACK = 1, 2, 4, 16
_NUMBERS = struct.Struct("!IIBB")
_IPV4_PAIR = struct.Struct("4s4s2s2s").unpack
_SIMPLE_START = struct.Struct("!xxH4xBB2x12sIIBB")  # from the IPv4 header on


class Segment(NamedTuple):
    """A TCP segment. `pair`: both addresses, then both ports, those of the sender first."""

    pair: bytes
    seq: int
    ack: int
    flags: int
    ttl: int
    options: bytes
    payload: int


class Error(NamedTuple):
    """An ICMP error about a TCP segment, whose addresses, ports and sequence number it quotes."""

    pair: bytes
    seq: int
    version: int
    type: int
    code: int
    sender: str
    mtu: int | None


def reverse(pair: bytes) -> bytes:
    """The pair of packets in the other direction."""
    if len(pair) == 12:
        source, target, from_port, to_port = _IPV4_PAIR(pair)
        return target + source + to_port + from_port  # type: ignore[no-any-return]
    width = len(pair) // 2 - 2
    return pair[width : 2 * width] + pair[:width] + pair[-2:] + pair[-4:-2]


def endpoints(pair: bytes) -> tuple[str, int, str, int]:
    """Source address and port, destination address and port."""
    width = len(pair) // 2 - 2
    source, target = (str(ipaddress.ip_address(pair[at : at + width])) for at in (0, width))
    return source, int.from_bytes(pair[-4:-2], "big"), target, int.from_bytes(pair[-2:], "big")


def read(captured: Captured) -> Segment | Error | None:
    """None for all other packets, and for those of which too little was captured."""
    interface, frame = captured.interface, captured.frame
    start, kind = interface.start, interface.kind
    if len(frame) >= start + 40 and frame[start] == 0x45 and frame[interface.kind_at : interface.kind_at + len(kind)] == kind:
        length, ttl, protocol, pair, seq, ack, offset, flags = _SIMPLE_START.unpack_from(frame, start)
        if protocol == TCP and not frame[start + 6] & 0x3F and not frame[start + 7]:
            size = (offset >> 4) * 4
            if size < 20:
                return None
            options = frame[start + 40 : start + 20 + size] if size > 20 else b""
            payload = (length or captured.wire_length - start) - 20 - size
            return Segment(pair=pair, seq=seq, ack=ack, flags=flags, ttl=ttl, options=options, payload=payload)
    return _read_any(captured)


def _read_any(captured: Captured) -> Segment | Error | None:
    where = captured.network()
    if where is None:
        return None
    data = captured.frame[where.start :]
    try:
        found = outline(data, where.ethertype)
    except DecodeError:
        return None
    if found.version == 0 or found.fragment:
        return None
    ttl = data[8] if found.version == 4 else data[7]
    if found.protocol == TCP:
        if len(data) < found.transport + 20:
            return None
        seq, ack, offset, flags = _NUMBERS.unpack_from(data, found.transport + 4)
        size = (offset >> 4) * 4
        if size < 20:
            return None
        length = int.from_bytes(data[2:4], "big") if found.version == 4 else int.from_bytes(data[4:6], "big") + 40
        whole = length if length > (40 if found.version == 6 else 0) else captured.wire_length - where.start
        pair = _pair(data, found.version, 0, found.transport)
        return Segment(
            pair=pair,
            seq=seq,
            ack=ack,
            flags=flags,
            ttl=ttl,
            options=data[found.transport + 20 : found.transport + size],
            payload=whole - found.transport - size,
        )
    quote = found.quote
    if quote is None or quote.protocol != TCP or quote.fragment or len(data) < quote.transport + 8:
        return None
    kind, code = data[found.transport], data[found.transport + 1]
    if kind not in ICMP_ERRORS[ICMP if found.version == 4 else ICMPV6]:
        return None
    rest = int.from_bytes(data[found.transport + 4 : found.transport + 8], "big")
    mtu = rest & 0xFFFF if (found.version, kind, code) == (4, 3, 4) else rest if (found.version, kind) == (6, 2) else None
    sender = str(ipaddress.ip_address(data[12:16] if found.version == 4 else data[8:24]))
    seq = int.from_bytes(data[quote.transport + 4 : quote.transport + 8], "big")
    return Error(
        pair=_pair(data, quote.version, quote.start, quote.transport),
        seq=seq,
        version=found.version,
        type=kind,
        code=code,
        sender=sender,
        mtu=mtu,
    )


def _pair(data: bytes, version: int, start: int, transport: int) -> bytes:
    addresses = data[start + 12 : start + 20] if version == 4 else data[start + 8 : start + 40]
    return addresses + data[transport : transport + 4]
