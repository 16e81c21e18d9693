# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Select the packets to record: a kernel filter that also cuts them after their headers, and the same selection in Python.

The filter runs on a cooked packet socket (AF_PACKET, SOCK_DGRAM), where offset 0 is the network header on every kind of link. Whatever it
accepts is a superset of what `Selection.wants` accepts; the difference is small and sorted out before anything is kept for good:
IPv6 extension headers, IPv6 addresses that end alike, and specifications that are too large for 4096 instructions.
"""

from __future__ import annotations

import ipaddress
from typing import Iterable, NamedTuple

from .._wire import bpf
from .._wire.headers import ICMPV6, ICMPV6_NEIGHBOUR, TCP, Outline
from . import program
from .program import PACKET_HOST, PACKET_OUTGOING, RST, SYN


class Selection(NamedTuple):
    """What to record: TCP from or to one of `ports` when it is SYN or RST or has one of `addresses` (packed) at one end, ICMP errors
    that quote TCP with one of the ports, this host's own ARP and neighbour discovery, and others' when it is about the addresses.

    SYN and RST count whatever their addresses, because address translation changes those. Without addresses, the port alone decides.
    """

    ports: frozenset[int]
    addresses: frozenset[bytes]

    @classmethod
    def of(cls, ports: Iterable[int], addresses: Iterable[str]) -> Selection:
        """From port numbers and address literals. Raises ValueError."""
        ports = frozenset(ports)
        for port in ports:
            if not 0 < port < 65536:
                raise ValueError(f"port {port} is not between 1 and 65535")
        return cls(ports, frozenset(ipaddress.ip_address(address).packed for address in addresses))

    def wants(self, data: bytes, where: Outline, pkttype: int) -> bool:
        """The choice for one packet whose headers have been found."""
        if is_neighbour_message(data, where):
            return pkttype in (PACKET_HOST, PACKET_OUTGOING) or not self.addresses.isdisjoint(neighbour_addresses(data, where))
        tcp = tcp_offset(data, where)
        if tcp is None or self.ports.isdisjoint(tcp_ports(data, tcp)):
            return False
        return (
            where.quote is not None
            or not self.addresses
            or bool(data[tcp + 13] & (SYN | RST))
            or not self.addresses.isdisjoint(ip_addresses(data, where))
        )


def ip_addresses(data: bytes, where: Outline) -> tuple[bytes, bytes]:
    """Source and destination of an IP header, packed."""
    if where.version == 4:
        return data[where.start + 12 : where.start + 16], data[where.start + 16 : where.start + 20]
    return data[where.start + 8 : where.start + 24], data[where.start + 24 : where.start + 40]


def tcp_offset(data: bytes, where: Outline) -> int | None:
    """Where the TCP header begins: that of the packet, or the one that an ICMP error quotes (of which 8 bytes are there)."""
    inner = where.quote or where
    needed = 8 if where.quote else 20
    return inner.transport if inner.protocol == TCP and not inner.fragment and len(data) >= inner.transport + needed else None


def tcp_ports(data: bytes, tcp: int) -> tuple[int, int]:
    """Source and destination of the TCP header at an offset."""
    return data[tcp] << 8 | data[tcp + 1], data[tcp + 2] << 8 | data[tcp + 3]


def is_neighbour_message(data: bytes, where: Outline) -> bool:
    """Whether it is ARP, a neighbour solicitation or an advertisement, and whole enough to have its addresses."""
    if where.version == 0:
        return True
    return (
        where.version == 6
        and where.protocol == ICMPV6
        and not where.fragment
        and len(data) >= where.transport + 24
        and data[where.transport] in ICMPV6_NEIGHBOUR
    )


def neighbour_addresses(data: bytes, where: Outline) -> tuple[bytes, bytes]:
    """Who speaks and about whom, packed."""
    if where.version == 0:
        return data[14:18], data[24:28]
    return data[where.start + 8 : where.start + 24], data[where.transport + 8 : where.transport + 24]


def kernel_filter(selection: Selection) -> list[tuple[int, int, int, int]]:
    """The filter for the kernel: exact if that fits into 4096 instructions, else without addresses, else without ports as well."""
    for ports, addresses in ((selection.ports, selection.addresses), (selection.ports, frozenset()), (None, frozenset())):
        assembled = program.of_flows(ports, addresses, everything=addresses != selection.addresses).assemble()
        if len(assembled) <= bpf.MAX_INSTRUCTIONS:
            break
    return assembled
