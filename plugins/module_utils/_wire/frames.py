# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Recorded frames, and the text encoding in which they travel from host to controller."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from typing import Iterable, Iterator, NamedTuple, Tuple

from .._errors import DecodeError

MAX_PACKETS = 20_000  # of a recording
MAX_BYTES = 32 << 20  # of memory that a recording's packets take in the recorder; packed they take less
MAX_WIRE_LENGTH = 1 << 24  # the largest packets of Linux have 512 KiB

_HEADER = struct.Struct("!QIHHBBIH")
HEAD = _HEADER.size
LLADDR = 17  # where the length of the link address is in it; the data follows that
_WAY = struct.Struct("!8xI4xB")


class Frame(NamedTuple):
    """A packet as a host saw it, without its link header and cut after its headers."""

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
    raw = inflate(unwrap(packed))
    return [frame_at(raw, at) for at, _head in heads(raw)]


def unwrap(packed: str) -> bytes:
    """The compressed bytes of a packed recording. Raises DecodeError for anything that is no base64."""
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise DecodeError(f"the frames of this recording cannot be unpacked: {error}") from error


def inflate(compressed: bytes) -> bytes:
    """The bytes of a packed recording. Raises DecodeError for anything that is not whole, or that is too large."""
    try:
        inflater = zlib.decompressobj()
        raw = inflater.decompress(compressed, MAX_BYTES)
    except zlib.error as error:
        raise DecodeError(f"the frames of this recording cannot be unpacked: {error}") from error
    if inflater.unconsumed_tail:
        raise DecodeError(f"this recording unpacks to more than {MAX_BYTES} bytes")
    if not inflater.eof or inflater.unused_data:
        raise DecodeError("the frames of this recording are not complete, or something follows them")
    return raw


Head = Tuple[int, int, int, int, int, int, int, int]
"""What stands before the link address and the data of a frame: the fields of a Frame, with lengths in place of bytes."""


def heads(raw: bytes) -> Iterator[tuple[int, Head]]:
    """Where each frame begins in inflated bytes, and its head. Raises DecodeError for anything that `pack` did not write."""
    at, count, whole, size = 0, 0, len(raw), _HEADER.size
    header = _HEADER.unpack_from
    try:
        while at < whole:
            head = header(raw, at)
            if head[6] > MAX_WIRE_LENGTH:
                raise DecodeError(f"a frame of this recording claims to be of a packet of {head[6]} bytes")
            count += 1
            if count > MAX_PACKETS:
                raise DecodeError(f"this recording has more than {MAX_PACKETS} packets")
            begun, at = at, at + size + head[5] + head[7]
            if at > whole:
                raise DecodeError(f"the last frame of this recording lacks {at - whole} bytes")
            yield begun, head
    except struct.error as error:
        raise DecodeError(f"the last frame of this recording is cut off: {error}") from error


def frame_at(raw: bytes, at: int) -> Frame:
    """The frame at a place."""
    ts_ns, ifindex, ethertype, vlan, pkttype, lladdr_length, wire_length, length = _HEADER.unpack_from(raw, at)
    lladdr = at + _HEADER.size
    data = lladdr + lladdr_length
    fields = (ts_ns, ifindex, ethertype, vlan, pkttype, raw[lladdr:data], wire_length, raw[data : data + length])
    return Frame._make(fields)


def ts_of(raw: bytes, at: int) -> int:
    """When the frame at a place was seen."""
    return int.from_bytes(raw[at : at + 8], "big")


def way_of(raw: bytes, at: int) -> tuple[int, int]:
    """Of the frame at a place: ifindex, pkttype."""
    ifindex, pkttype = _WAY.unpack_from(raw, at)
    return ifindex, pkttype
