# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Recorded frames, and the text encoding in which they travel from host to controller."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from typing import Iterable, NamedTuple

from .._errors import DecodeError

MAX_PACKETS = 20_000  # of a recording
MAX_BYTES = 32 << 20  # of memory that a recording's packets take in the recorder; packed they take less
MAX_WIRE_LENGTH = 1 << 24  # the largest packets of Linux have 512 KiB

_HEADER = struct.Struct("!QIHHBBIH")


class Frame(NamedTuple):
    """A packet as a host saw it, without its link header and cut behind its headers."""

    ts_ns: int  # since the epoch, by the kernel's clock
    ifindex: int
    ethertype: int
    vlan: int  # identifier of the tag that is not part of the data, 0: none
    pkttype: int  # linux/if_packet.h: 0 to this host, 1 broadcast, 2 multicast, 3 to others, 4 outgoing
    lladdr: bytes  # of the sender
    wire_length: int  # of the whole network-layer packet
    data: bytes


def pack(frames: Iterable[Frame]) -> str:
    """base64(zlib(frames)): each one a fixed header, its link address and its data."""
    raw = b"".join(
        _HEADER.pack(*frame[:5], len(frame.lladdr), frame.wire_length, len(frame.data)) + frame.lladdr + frame.data for frame in frames
    )
    return base64.b64encode(zlib.compress(raw)).decode("ascii")


def unpack(packed: str) -> list[Frame]:
    """The frames of a packed recording. Raises DecodeError for anything that `pack` did not write, or that is too large."""
    raw = inflate(packed)
    return [frame_at(raw, place.at) for place in places(raw)]


class Place(NamedTuple):
    """Where a frame is in inflated bytes, and what tells whether it is worth making."""

    ts_ns: int
    at: int
    ifindex: int
    ethertype: int
    pkttype: int
    data: int  # where the packet begins
    end: int


def inflate(packed: str) -> bytes:
    """The bytes of a packed recording. Raises DecodeError for anything that is not whole, or that is too large."""
    try:
        inflater = zlib.decompressobj()
        raw = inflater.decompress(base64.b64decode(packed, validate=True), MAX_BYTES)
    except (binascii.Error, zlib.error, ValueError, TypeError) as error:
        raise DecodeError(f"the frames of this recording cannot be unpacked: {error}") from error
    if inflater.unconsumed_tail:
        raise DecodeError(f"this recording unpacks to more than {MAX_BYTES} bytes")
    if not inflater.eof or inflater.unused_data:
        raise DecodeError("the frames of this recording are not complete, or something follows them")
    return raw


def places(raw: bytes) -> list[Place]:
    """Where the frames are in inflated bytes. Raises DecodeError for anything that `pack` did not write."""
    found: list[Place] = []
    at, whole, size = 0, len(raw), _HEADER.size
    header, make = _HEADER.unpack_from, Place._make
    try:
        while at < whole:
            ts_ns, ifindex, ethertype, _vlan, pkttype, lladdr_length, wire_length, length = header(raw, at)
            data = at + size + lladdr_length
            end = data + length
            if wire_length > MAX_WIRE_LENGTH:
                raise DecodeError(f"a frame of this recording claims to be of a packet of {wire_length} bytes")
            if len(found) == MAX_PACKETS:
                raise DecodeError(f"this recording has more than {MAX_PACKETS} packets")
            found.append(make((ts_ns, at, ifindex, ethertype, pkttype, data, end)))
            at = end
    except struct.error as error:
        raise DecodeError(f"the last frame of this recording is cut off: {error}") from error
    if at != whole:
        raise DecodeError(f"the last frame of this recording lacks {at - whole} bytes")
    return found


def frame_at(raw: bytes, at: int) -> Frame:
    """The frame at a place."""
    ts_ns, ifindex, ethertype, vlan, pkttype, lladdr_length, wire_length, length = _HEADER.unpack_from(raw, at)
    lladdr = at + _HEADER.size
    data = lladdr + lladdr_length
    fields = (ts_ns, ifindex, ethertype, vlan, pkttype, raw[lladdr:data], wire_length, raw[data : data + length])
    return Frame._make(fields)
