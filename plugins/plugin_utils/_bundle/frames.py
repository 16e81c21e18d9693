# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Recorded packets with other addresses. What their checksums were, right, wrong or unfinished, they are afterwards. Pure."""

from __future__ import annotations

import struct

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ICMP, ICMPV6, ICMPV6_NEIGHBOUR, TCP, Outline, outline

from .pseudonyms import Pseudonyms

_ONES = 0xFFFF
_TCP_CHECKSUM, _ICMP_CHECKSUM, _IP_CHECKSUM = 16, 2, 10


def replaced(packed: str, pseudonyms: Pseudonyms) -> str:
    """A packed recording; packets that cannot be read are left out, and so is all after headers. DecodeError."""
    frames = []
    for frame in unpack(packed):
        try:
            frames.append(_frame(frame, pseudonyms))
        except (DecodeError, struct.error, IndexError):
            continue
    return pack(frames)


def _frame(frame: Frame, pseudonyms: Pseudonyms) -> Frame:
    where = outline(frame.data, frame.ethertype)
    data = bytearray(frame.data[: where.end])
    if where.version:
        _packet(data, where, pseudonyms)
    else:
        _arp(data, pseudonyms)
    return frame._replace(data=bytes(data), lladdr=pseudonyms.link(frame.lladdr))


def _arp(data: bytearray, pseudonyms: Pseudonyms) -> None:
    for at in (8, 18):
        data[at : at + 6] = pseudonyms.link(bytes(data[at : at + 6]))
        data[at + 6 : at + 10] = pseudonyms.packed(bytes(data[at + 6 : at + 10]))


def _packet(data: bytearray, where: Outline, pseudonyms: Pseudonyms) -> None:
    """The addresses in a packet, and the checksums that cover them."""
    spots = [(where.start + 12, 4), (where.start + 16, 4)] if where.version == 4 else [(where.start + 8, 16), (where.start + 24, 16)]
    ends = slice(spots[0][0], spots[1][0] + spots[1][1])
    before = bytes(data[ends])
    for at, length in spots:
        data[at : at + length] = pseudonyms.packed(bytes(data[at : at + length]))
    after = bytes(data[ends])
    if where.version == 4:
        _mend(data, where.start + _IP_CHECKSUM, before, after)
    if where.fragment:
        return
    if where.protocol == TCP:
        _mend_segment(data, where, before, after)
    elif where.protocol in (ICMP, ICMPV6):
        _message(data, where, pseudonyms, before, after)


def _message(data: bytearray, where: Outline, pseudonyms: Pseudonyms, before: bytes, after: bytes) -> None:
    """ICMP: IPv6's checksum covers the ends of the packet, and each that of what it quotes."""
    start = where.transport
    was = bytes(data[start:])
    if where.quote is not None:
        _packet(data, where.quote, pseudonyms)
    elif where.protocol == ICMPV6 and len(data) > start and data[start] in ICMPV6_NEIGHBOUR:
        _discovery(data, start, pseudonyms)
    now = bytes(data[start:])
    covered = (before, after) if where.protocol == ICMPV6 else (b"", b"")
    _mend(data, start + _ICMP_CHECKSUM, covered[0] + _even(was), covered[1] + _even(now))


def _discovery(data: bytearray, start: int, pseudonyms: Pseudonyms) -> None:
    data[start + 8 : start + 24] = pseudonyms.packed(bytes(data[start + 8 : start + 24]))
    at = start + 24
    while len(data) >= at + 8 and data[at + 1]:
        if data[at] in (1, 2):
            data[at + 2 : at + 8] = pseudonyms.link(bytes(data[at + 2 : at + 8]))
        else:
            data[at + 2 : at + data[at + 1] * 8] = bytes(len(data[at + 2 : at + data[at + 1] * 8]))
        at += data[at + 1] * 8
    del data[at:]


def _mend_segment(data: bytearray, where: Outline, before: bytes, after: bytes) -> None:
    """One that covers the addresses alone, and was left to a device, is a sum and not its complement."""
    at = where.transport + _TCP_CHECKSUM
    if len(data) < at + 2:
        return
    (said,) = struct.unpack_from("!H", data, at)
    length = _segment_length(data, where)
    if length is not None and said == _sum(before + struct.pack("!II", length, TCP)):
        struct.pack_into("!H", data, at, _sum(after + struct.pack("!II", length, TCP)))
    else:
        _mend(data, at, before, after)


def _segment_length(data: bytearray, where: Outline) -> int | None:
    if where.version == 4:
        (total,) = struct.unpack_from("!H", data, where.start + 2)
    else:
        (payload,) = struct.unpack_from("!H", data, where.start + 4)
        total = payload + 40 if payload else 0
    return total - (where.transport - where.start) if total else None


def _mend(data: bytearray, at: int, before: bytes, after: bytes) -> None:
    """RFC 1624: a checksum that was right is right again, and one that was wrong is wrong by as much."""
    if len(data) < at + 2:
        return
    (said,) = struct.unpack_from("!H", data, at)
    total = (~said & _ONES) + (~_sum(before) & _ONES) + _sum(after)
    while total > _ONES:
        total = (total & _ONES) + (total >> 16)
    struct.pack_into("!H", data, at, ~total & _ONES)


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > _ONES:
        total = (total & _ONES) + (total >> 16)
    return total


def _even(data: bytes) -> bytes:
    return data + bytes(len(data) % 2)
