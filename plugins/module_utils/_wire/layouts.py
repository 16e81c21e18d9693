# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Headers as tables: a struct format each, and the record whose fields it fills."""

from __future__ import annotations

import struct
from typing import Callable, Generic, NamedTuple, TypeVar

from .._errors import DecodeError

_T = TypeVar("_T")


class Header(Generic[_T]):
    """One header as a table: a struct format and the record whose fields it fills."""

    def __init__(self, name: str, layout: str, record: Callable[..., _T]) -> None:
        self.name, self.struct, self.record = name, struct.Struct(layout), record

    def read(self, data: bytes, offset: int) -> _T:
        if len(data) < offset + self.struct.size:
            raise DecodeError(f"{self.name} has {self.struct.size} bytes, here are {max(0, len(data) - offset)}")
        return self.record(*self.struct.unpack_from(data, offset))


class _Ipv4(NamedTuple):
    version_ihl: int
    tos: int
    total_length: int
    ip_id: int
    flags_offset: int
    ttl: int
    protocol: int
    checksum: int
    src: bytes
    dst: bytes


class _Ipv6(NamedTuple):
    version_class_flow: int
    payload_length: int
    next_header: int
    hop_limit: int
    src: bytes
    dst: bytes


class _Tcp(NamedTuple):
    sport: int
    dport: int
    seq: int
    ack: int
    offset_flags: int
    window: int
    checksum: int
    urgent: int


class _Icmp(NamedTuple):
    type: int
    code: int
    checksum: int
    rest: int


class _Neighbour(NamedTuple):
    type: int
    code: int
    checksum: int
    flags: int
    target: bytes


class _Arp(NamedTuple):
    hardware: int
    protocol: int
    hardware_length: int
    protocol_length: int
    operation: int
    sender_mac: bytes
    sender: bytes
    target_mac: bytes
    target: bytes


IPV4 = Header("an IPv4 header", "!BBHHHBBH4s4s", _Ipv4)
IPV6 = Header("an IPv6 header", "!IHBB16s16s", _Ipv6)
TCP_HEADER = Header("a TCP header", "!HHIIHHHH", _Tcp)
ICMP_HEADER = Header("an ICMP header", "!BBHI", _Icmp)
NEIGHBOUR = Header("a neighbour discovery message", "!BBHI16s", _Neighbour)
ARP = Header("an ARP message", "!HHBBH6s4s6s4s", _Arp)
