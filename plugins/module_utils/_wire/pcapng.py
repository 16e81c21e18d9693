# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Write recorded frames of several vantage points into one pcapng file (draft-ietf-opsawg-pcapng), which Wireshark opens.

Packets have the link type LINUX_SLL2, because frames have no link header: what is known of the link goes into its fields.
"""

from __future__ import annotations

import struct
from typing import Iterable, NamedTuple, Sequence

from .frames import Frame

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_COMMENT, _IF_NAME, _IF_TSRESOL, _EPB_FLAGS, _SHB_USERAPPL = 1, 2, 9, 2, 4
_LINKTYPE_LINUX_SLL2 = 276
_NANOSECONDS = 9
_ARPHRD_ETHER, _ARPHRD_NONE = 1, 0xFFFE  # linux/if_arp.h
_ETH_P_8021Q = 0x8100
_INBOUND, _OUTBOUND = 1, 2
# linux/if_packet.h pkttype: epb_flags, direction and (shifted by 2) unicast, multicast, broadcast, promiscuous
_FLAGS = {0: _INBOUND | 1 << 2, 1: _INBOUND | 3 << 2, 2: _INBOUND | 2 << 2, 3: _INBOUND | 4 << 2, 4: _OUTBOUND}
_SLL2 = struct.Struct("!HHIHBB8s")
_ENHANCED = struct.Struct("<IIIII")  # interface, time, bytes captured and sent


class CapturedPacket(NamedTuple):
    """A frame at a vantage point: `interface` is an index into the interfaces that are written with it."""

    interface: int
    frame: Frame
    comment: str | None


def write(interfaces: Sequence[str], packets: Iterable[CapturedPacket], comment: str = "") -> bytes:
    """The file. `interfaces` are names of vantage points ("db1:eth0"), `comment` describes the whole file."""
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    blocks = [_block(_SECTION, section, (_COMMENT, _text(comment)), (_SHB_USERAPPL, b"threeway.handshake"))]
    for name in interfaces:
        blocks.append(
            _block(
                _INTERFACE, struct.pack("<HHI", _LINKTYPE_LINUX_SLL2, 0, 0), (_IF_NAME, _text(name)), (_IF_TSRESOL, bytes((_NANOSECONDS,)))
            )
        )
    blocks.extend(_packet(packet) for packet in packets)
    return b"".join(blocks)


def _packet(packet: CapturedPacket) -> bytes:
    frame = packet.frame
    protocol, tag = frame.ethertype, b""
    if frame.vlan:
        protocol, tag = _ETH_P_8021Q, struct.pack("!HH", frame.vlan, frame.ethertype)
    hardware = _ARPHRD_ETHER if len(frame.lladdr) == 6 else _ARPHRD_NONE
    header = _SLL2.pack(protocol, 0, frame.ifindex, hardware, frame.pkttype, len(frame.lladdr[:8]), frame.lladdr) + tag
    data = header + frame.data
    body = _ENHANCED.pack(packet.interface, frame.ts_ns >> 32, frame.ts_ns & 0xFFFFFFFF, len(data), len(header) + frame.wire_length)
    flags = struct.pack("<I", _FLAGS.get(frame.pkttype, 0))
    return _block(_PACKET, body + _padded(data), (_COMMENT, _text(packet.comment or "")), (_EPB_FLAGS, flags))


def _block(kind: int, body: bytes, *options: tuple[int, bytes]) -> bytes:
    """One block: its length stands at both ends. Options without a value are left out."""
    present = [struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options if value]
    content = body + b"".join(present) + (bytes(4) if present else b"")
    length = 12 + len(content)
    return struct.pack("<II", kind, length) + content + struct.pack("<I", length)


def _text(text: str) -> bytes:
    """An option's text: at most 65535 bytes of UTF-8."""
    encoded = text.encode("utf-8", "replace")
    return encoded if len(encoded) <= 0xFFFF else encoded[:0xFFFF].decode("utf-8", "ignore").encode("utf-8")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
