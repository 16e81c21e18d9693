# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets put together by hand, for the tests of the recorder."""

from __future__ import annotations

import struct

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
CLIENT4, SERVER4 = bytes((192, 0, 2, 11)), bytes((192, 0, 2, 21))
CLIENT6 = bytes.fromhex("20010db8000000000000000000000011")
SERVER6 = bytes.fromhex("20010db8000000000000000000000021")
SYN_OPTIONS = bytes.fromhex("020405b40402080a000000010000000001030307")


def tcp(flags: int = 0x02, options: bytes = SYN_OPTIONS, payload: bytes = b"", sport: int = 40001, dport: int = 5432) -> bytes:
    doff = (20 + len(options)) // 4
    return struct.pack("!HHIIHHHH", sport, dport, 1000, 2000, doff << 12 | flags, 64240, 0, 0) + options + payload


def ipv4(
    payload: bytes, protocol: int = 6, options: bytes = b"", flags_offset: int = 0x4000, src: bytes = CLIENT4, dst: bytes = SERVER4
) -> bytes:
    ihl = 5 + len(options) // 4
    length = ihl * 4 + len(payload)
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | ihl, 0, length & 0xFFFF, 0x1234, flags_offset, 64, protocol, 0, src, dst)
    return header + options + payload


def ipv6(payload: bytes, next_header: int = 6, src: bytes = CLIENT6, dst: bytes = SERVER6) -> bytes:
    return struct.pack("!IHBB16s16s", 6 << 28, len(payload), next_header, 64, src, dst) + payload


def icmp(kind: int, code: int, quote: bytes, rest: int = 0) -> bytes:
    return struct.pack("!BBHI", kind, code, 0, rest) + quote


def arp(operation: int) -> bytes:
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, b"\x02\0\0\0\0\x01", CLIENT4, bytes(6), SERVER4)


def advertisement() -> bytes:
    return struct.pack("!BBHI16s", 136, 0, 0, 6 << 28, SERVER6) + b"\x02\x01\x02\x00\x00\x00\x00\x02"
