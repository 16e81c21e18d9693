# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP segments put together by hand, with checksums that are right unless they are meant not to be."""

from __future__ import annotations

import ipaddress
import struct
import typing as t

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils import packets
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.wire import CLIENT, CLIENT6, SERVER, SERVER6

_TCP = 6


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _segment(client: str, server: str, flags: int, right: bool) -> bytes:
    tcp = packets.tcp(flags=flags)
    ends = b"".join(ipaddress.ip_address(address).packed for address in (client, server))
    value = checksum(ends + struct.pack("!II", len(tcp), _TCP) + tcp)
    return tcp[:16] + struct.pack("!H", value if right else value ^ 0x5555) + tcp[18:]


def segment4(flags: int = 2, options: bytes = b"", ip_checksum: bool = True, tcp_checksum: bool = True) -> bytes:
    """From the client to the server's port, over IPv4."""
    source, destination = (ipaddress.ip_address(address).packed for address in (CLIENT, SERVER))
    packet = packets.ipv4(_segment(CLIENT, SERVER, flags, tcp_checksum), options=options, src=source, dst=destination)
    length = (packet[0] & 15) * 4
    value = checksum(packet[:length])
    return packet[:10] + struct.pack("!H", value if ip_checksum else value ^ 0x5555) + packet[12:]


def segment6(flags: int = 2, extensions: t.Sequence[int] = (), tcp_checksum: bool = True) -> bytes:
    """The same over IPv6, after extension headers that ask for nothing."""
    source, destination = (ipaddress.ip_address(address).packed for address in (CLIENT6, SERVER6))
    body, following = _segment(CLIENT6, SERVER6, flags, tcp_checksum), _TCP
    for extension in reversed(extensions):
        body, following = bytes((following, 0, 1, 4, 0, 0, 0, 0)) + body, extension  # one option: PadN of 6 bytes
    return packets.ipv6(body, following, source, destination)
