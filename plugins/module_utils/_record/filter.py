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
from .._wire.headers import (
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    ETH_P_VLAN,
    ICMP,
    ICMP_ERRORS,
    ICMPV6,
    ICMPV6_NEIGHBOUR,
    IPV6_EXTENSIONS,
    IPV6_FRAGMENT,
    TCP,
    Outline,
)

PACKET_HOST, PACKET_OUTGOING = 0, 4  # linux/if_packet.h
_LOOPBACK_IFINDEX = 1  # linux/net.h: in every network namespace
_SYN, _RST = 2, 4
_WIDE = 256  # bytes of a packet whose headers are found in Python


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
            or bool(data[tcp + 13] & (_SYN | _RST))
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
        program = _program(ports, addresses, everything=addresses != selection.addresses).assemble()
        if len(program) <= bpf.MAX_INSTRUCTIONS:
            break
    return program


_OF_TCP, _OF_QUOTE, _OF_NEIGHBOUR = range(3)  # what the packet is, in memory word _KIND
_KIND, _SPEAKER, _SUBJECT = range(3)  # memory words; the addresses' last 32 bits


def _program(ports: frozenset[int] | None, addresses: frozenset[bytes], everything: bool) -> bpf.Program:
    """Register x holds the offset of the TCP header in question.

    `everything`: there are addresses, but too many to look them up, so do as if each one matched.
    """
    program = bpf.Program()

    # What is sent over lo is received over lo: one observation is enough (libpcap leaves it out too).
    program.do(bpf.LDW, bpf.AD_PKTTYPE)
    program.when(bpf.JEQ, PACKET_OUTGOING, no="by ethertype")
    program.do(bpf.LDW, bpf.AD_IFINDEX)
    program.when(bpf.JEQ, _LOOPBACK_IFINDEX, "reject")
    program.label("by ethertype")
    program.do(bpf.LDW, bpf.AD_PROTOCOL)
    program.switch({ETH_P_IP: "ipv4", ETH_P_IPV6: "ipv6", ETH_P_ARP: "arp", **dict.fromkeys(ETH_P_VLAN, "tagged")}, "reject")

    # A tag is metadata, except on the way out through a device that does not insert tags itself: there it is part of the link header.
    # A second tag is data on reception; the VLAN device that takes it off shows the packet.
    program.label("tagged")
    program.do(bpf.LDW, bpf.AD_PKTTYPE)
    program.when(bpf.JEQ, PACKET_OUTGOING, no="reject")
    program.do(bpf.LDB, 0)
    program.do(bpf.RSH, 4)
    program.switch({4: "ipv4", 6: "ipv6", 0: "arp"}, "reject")

    program.label("ipv4")
    program.do(bpf.LDH, 6)
    program.when(bpf.JSET, 0x1FFF, "reject")  # a non-first fragment
    program.do(bpf.LDX_IHL, 0)
    _remember(program, _SPEAKER, bpf.LDW, 12)
    _remember(program, _SUBJECT, bpf.LDW, 16)
    program.do(bpf.LDB, 9)
    program.switch({TCP: "tcp", ICMP: "icmp"}, "reject")

    program.label("icmp")
    program.do(bpf.LDB_X, 0)
    program.switch(dict.fromkeys(sorted(ICMP_ERRORS[ICMP]), "icmp quote"), "reject")
    program.label("icmp quote")
    program.do(bpf.LDB_X, 8 + 9)
    program.switch({TCP: "icmp quotes tcp"}, "reject")
    program.label("icmp quotes tcp")
    program.do(bpf.LDB_X, 8)
    program.do(bpf.AND, 15)
    program.do(bpf.LSH, 2)
    program.do(bpf.ADD_X)
    program.do(bpf.ADD, 8)
    program.do(bpf.TAX)
    program.jump("quote")

    program.label("ipv6")
    program.do(bpf.LDX_K, 40)
    _remember(program, _SPEAKER, bpf.LDW, 8 + 12)
    _remember(program, _SUBJECT, bpf.LDW, 24 + 12)
    program.do(bpf.LDB, 6)
    program.switch(
        {
            TCP: "tcp",
            ICMPV6: "icmpv6",
            IPV6_FRAGMENT: "ipv6 fragment",
            **dict.fromkeys(sorted(IPV6_EXTENSIONS - {IPV6_FRAGMENT}), "accept wide"),
        },
        "reject",
    )
    program.label("ipv6 fragment")
    program.do(bpf.LDH, 40 + 2)
    program.when(bpf.JSET, 0xFFF8, "reject")
    program.do(bpf.LDX_K, 48)
    program.do(bpf.LDB, 40)
    program.switch({TCP: "tcp"}, "reject")

    program.label("icmpv6")
    program.do(bpf.LDB, 40)
    program.switch(
        {**dict.fromkeys(sorted(ICMP_ERRORS[ICMPV6]), "icmpv6 quote"), **dict.fromkeys(sorted(ICMPV6_NEIGHBOUR), "neighbour discovery")},
        "reject",
    )
    program.label("icmpv6 quote")
    program.do(bpf.LDX_K, 88)
    program.do(bpf.LDB, 48 + 6)
    program.switch({TCP: "quote", **dict.fromkeys(sorted(IPV6_EXTENSIONS), "accept wide")}, "reject")

    program.label("quote")
    _remember(program, _KIND, bpf.LD_K, _OF_QUOTE)
    program.jump("by port")
    program.label("tcp")
    _remember(program, _KIND, bpf.LD_K, _OF_TCP)
    program.label("by port")
    if ports is not None:
        program.do(bpf.LDH_X, 0)
        program.search(sorted(ports), "port matches", "by destination port")
        program.label("by destination port")
        program.do(bpf.LDH_X, 2)
        program.search(sorted(ports), "port matches", "reject")
    program.label("port matches")
    program.do(bpf.LD_MEM, _KIND)
    program.when(bpf.JEQ, _OF_QUOTE, "accept quote")
    if addresses:
        program.do(bpf.LDB_X, 13)
        program.when(bpf.JSET, _SYN | _RST, "accept tcp", "by address")
    else:
        program.jump("accept tcp")

    program.label("arp")
    _remember(program, _SPEAKER, bpf.LDW, 14)
    _remember(program, _SUBJECT, bpf.LDW, 24)
    program.jump("neighbour message")
    program.label("neighbour discovery")
    _remember(program, _SUBJECT, bpf.LDW, 48 + 12)
    program.label("neighbour message")
    _remember(program, _KIND, bpf.LD_K, _OF_NEIGHBOUR)
    program.do(bpf.LDW, bpf.AD_PKTTYPE)
    program.switch({PACKET_HOST: "accept wide", PACKET_OUTGOING: "accept wide"}, "accept wide" if everything else "by address")

    program.label("by address")
    # The last 32 bits distinguish IPv6 addresses well enough; Selection.wants compares all of them.
    words = sorted({int.from_bytes(address[-4:], "big") for address in addresses})
    program.do(bpf.LD_MEM, _SPEAKER)
    program.search(words, "address matches", "by other address")
    program.label("by other address")
    program.do(bpf.LD_MEM, _SUBJECT)
    program.search(words, "address matches", "reject")
    program.label("address matches")
    program.do(bpf.LD_MEM, _KIND)
    program.when(bpf.JEQ, _OF_NEIGHBOUR, "accept wide", "accept tcp")

    program.label("accept quote")
    program.do(bpf.LD_LEN)
    program.do(bpf.SUB_X)
    program.when(bpf.JGE, 13, "accept tcp", "accept wide")  # RFC 792 wants no more than 8 bytes to be quoted
    program.label("accept tcp")
    # What a filter returns is how many bytes are wanted: up to the end of the TCP header.
    program.do(bpf.LDB_X, 12)
    program.do(bpf.AND, 0xF0)
    program.do(bpf.RSH, 2)
    program.do(bpf.ADD_X)
    program.do(bpf.RET_A)
    program.label("accept wide")
    program.do(bpf.RET, _WIDE)
    program.label("reject")
    program.do(bpf.RET, 0)
    return program


def _remember(program: bpf.Program, word: int, code: int, k: int) -> None:
    """Load something and store it in a word of the filter's memory."""
    program.do(code, k)
    program.do(bpf.ST, word)
