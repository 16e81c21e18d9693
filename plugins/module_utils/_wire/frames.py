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
    try:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(base64.b64decode(packed, validate=True), MAX_BYTES)
    except (binascii.Error, zlib.error, ValueError, TypeError) as error:
        raise DecodeError(f"the frames of this recording cannot be unpacked: {error}") from error
    if inflate.unconsumed_tail:
        raise DecodeError(f"this recording unpacks to more than {MAX_BYTES} bytes")
    if not inflate.eof or inflate.unused_data:
        raise DecodeError("the frames of this recording are not complete, or something follows them")
    frames: list[Frame] = []
    at = 0
    try:
        while at < len(raw):
            ts_ns, ifindex, ethertype, vlan, pkttype, lladdr_length, wire_length, length = _HEADER.unpack_from(raw, at)
            lladdr = at + _HEADER.size
            data = lladdr + lladdr_length
            at = data + length
            if wire_length > MAX_WIRE_LENGTH:
                raise DecodeError(f"a frame of this recording claims to be of a packet of {wire_length} bytes")
            if len(frames) == MAX_PACKETS:
                raise DecodeError(f"this recording has more than {MAX_PACKETS} packets")
            frames.append(
                Frame(
                    ts_ns=ts_ns,
                    ifindex=ifindex,
                    ethertype=ethertype,
                    vlan=vlan,
                    pkttype=pkttype,
                    lladdr=raw[lladdr:data],
                    wire_length=wire_length,
                    data=raw[data:at],
                )
            )
    except struct.error as error:
        raise DecodeError(f"the last frame of this recording is cut off: {error}") from error
    if at != len(raw):
        raise DecodeError(f"the last frame of this recording lacks {at - len(raw)} bytes")
    return frames
