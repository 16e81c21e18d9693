# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets as bytes (RFC 791, RFC 8200, RFC 9293), and back."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from ._case import Sent

FLAGS = {"syn": 0x02, "syn_ack": 0x12, "ack": 0x10}
RST = 0x04
_TCP = struct.Struct("!HHIIBBHHH")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")


def packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def checksum(data: bytes) -> int:
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF  # 2**16 is 1 modulo 2**16 - 1
    return 0xFFFF - total


def build(sent: Sent) -> bytes:
    """The packet from its IP header on, with right checksums."""
    source, destination, options = packed(sent.source), packed(sent.destination), bytes.fromhex(sent.options)
    offset = (5 + len(options) // 4) << 4
    fields = [sent.source_port, sent.port, sent.sequence, sent.acknowledgement, offset, FLAGS[sent.packet], sent.window, 0, 0]
    tcp = _TCP.pack(*fields) + options
    fields[7] = checksum(source + destination + struct.pack("!HH", 6, len(tcp)) + tcp)
    tcp = _TCP.pack(*fields) + options
    if len(source) == 16:
        return _IPV6.pack(6 << 28 | sent.tos << 20, len(tcp), 6, sent.ttl, source, destination) + tcp
    fragment = 0x4000 if sent.dont_fragment else 0
    begin = (0x45, sent.tos, 20 + len(tcp), sent.identification, fragment, sent.ttl, 6)
    return _IPV4.pack(*begin, checksum(_IPV4.pack(*begin, 0, source, destination)), source, destination) + tcp


class Seen(NamedTuple):
    """A TCP packet, or an ICMP error (`icmp`: type and code) that quotes one, whose sequence number is then told."""

    source: str
    destination: str
    source_port: int = 0
    port: int = 0
    sequence: int = 0
    acknowledgement: int = 0
    flags: int = 0
    icmp: tuple[int, int] | None = None


def parse(packet: bytes) -> Seen | None:
    """What a packet is, from its IP header on; None for anything that tests do not send or provoke."""
    if len(packet) < 40:
        return None
    if packet[0] >> 4 == 4:
        protocol, source, destination, payload = packet[9], packet[12:16], packet[16:20], packet[(packet[0] & 15) * 4 :]
    else:
        protocol, source, destination, payload = packet[6], packet[8:24], packet[24:40], packet[40:]
    return parse_payload(protocol, text(source), text(destination), payload)


def parse_payload(protocol: int, source: str, destination: str, payload: bytes) -> Seen | None:
    if protocol == socket.IPPROTO_TCP and len(payload) >= _TCP.size:
        source_port, port, sequence, acknowledgement, _offset, flags, _window, _sum, _urgent = _TCP.unpack_from(payload)
        return Seen(source, destination, source_port, port, sequence, acknowledgement, flags)
    quoted = payload[8:]
    if protocol in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6) and len(quoted) >= 28:
        at = (quoted[0] & 15) * 4 if quoted[0] >> 4 == 4 else 40
        if len(quoted) >= at + 8:
            return Seen(source, destination, sequence=int.from_bytes(quoted[at + 4 : at + 8], "big"), icmp=(payload[0], payload[1]))
    return None
