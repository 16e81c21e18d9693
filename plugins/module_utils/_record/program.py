# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Filters for a cooked packet socket, which also cut packets behind their headers."""

from __future__ import annotations

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
)

PACKET_HOST, PACKET_OUTGOING = 0, 4  # linux/if_packet.h
_LOOPBACK_IFINDEX = 1  # linux/net.h: in every network namespace
SYN, RST = 2, 4
_WIDE = 256  # bytes of a packet whose headers are found in Python

_OF_TCP, _OF_QUOTE, _OF_NEIGHBOUR = range(3)  # what the packet is, in memory word _KIND
_KIND, _SPEAKER, _SUBJECT = range(3)  # memory words; the addresses' last 32 bits


def of_flows(ports: frozenset[int] | None, addresses: frozenset[bytes], everything: bool) -> bpf.Program:
    """`everything`: there are addresses, but too many to look them up, so do as if each one matched."""
    program = bpf.Program()
    _find_headers(program)
    if ports is not None:
        _look_for_port(program, ports, "port matches", "reject")
    program.label("port matches")
    program.do(bpf.LD_MEM, _KIND)
    program.when(bpf.JEQ, _OF_QUOTE, "accept quote")
    if addresses:
        program.do(bpf.LDB_X, 13)
        program.when(bpf.JSET, SYN | RST, "accept tcp", "by address")
    else:
        program.jump("accept tcp")

    program.label("neighbour message")
    program.do(bpf.LDW, bpf.AD_PKTTYPE)
    program.switch({PACKET_HOST: "accept wide", PACKET_OUTGOING: "accept wide"}, "accept wide" if everything else "by address")

    program.label("by address")
    _look_for_address(program, addresses, "address matches")
    program.label("address matches")
    program.do(bpf.LD_MEM, _KIND)
    program.when(bpf.JEQ, _OF_NEIGHBOUR, "accept wide", "accept tcp")
    _accept(program)
    return program


def beside(ports: frozenset[int], peers: frozenset[bytes]) -> bpf.Program:
    """Of TCP on other ports, what opens or refuses connections of peers, and the ICMP errors about those."""
    program = bpf.Program()
    _find_headers(program)
    _look_for_port(program, ports, "reject", "other port")
    program.label("other port")
    program.do(bpf.LD_MEM, _KIND)
    program.when(bpf.JEQ, _OF_QUOTE, "by address")
    program.do(bpf.LDB_X, 13)
    program.when(bpf.JSET, SYN | RST, "by address", "reject")
    program.label("by address")
    _look_for_address(program, peers, "address matches")
    program.label("address matches")
    program.do(bpf.LD_MEM, _KIND)
    program.when(bpf.JEQ, _OF_QUOTE, "accept quote", "accept tcp")
    program.label("neighbour message")
    program.jump("reject")
    _accept(program)
    return program


def _find_headers(program: bpf.Program) -> None:
    """Go on, for TCP and ICMP errors that quote it, with the offset of the TCP header in register x; for ARP and neighbour discovery at
    label "neighbour message". What it is, and its addresses (of an error, those of the packet that it quotes), is in memory then."""
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
    _remember(program, _SPEAKER, bpf.LDW_X, 8 + 12)
    _remember(program, _SUBJECT, bpf.LDW_X, 8 + 16)
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
    _remember(program, _SPEAKER, bpf.LDW, 48 + 8 + 12)
    _remember(program, _SUBJECT, bpf.LDW, 48 + 24 + 12)
    program.do(bpf.LDX_K, 88)
    program.do(bpf.LDB, 48 + 6)
    program.switch({TCP: "quote", **dict.fromkeys(sorted(IPV6_EXTENSIONS), "accept wide")}, "reject")

    program.label("quote")
    _remember(program, _KIND, bpf.LD_K, _OF_QUOTE)
    program.jump("headers found")
    program.label("tcp")
    _remember(program, _KIND, bpf.LD_K, _OF_TCP)
    program.jump("headers found")

    program.label("arp")
    _remember(program, _SPEAKER, bpf.LDW, 14)
    _remember(program, _SUBJECT, bpf.LDW, 24)
    program.jump("of neighbours")
    program.label("neighbour discovery")
    _remember(program, _SUBJECT, bpf.LDW, 48 + 12)
    program.label("of neighbours")
    _remember(program, _KIND, bpf.LD_K, _OF_NEIGHBOUR)
    program.jump("neighbour message")
    program.label("headers found")


def _look_for_port(program: bpf.Program, ports: frozenset[int], found: str, missing: str) -> None:
    """Go on by whether the source or the destination port is one of them."""
    program.do(bpf.LDH_X, 0)
    program.search(sorted(ports), found, "by destination port")
    program.label("by destination port")
    program.do(bpf.LDH_X, 2)
    program.search(sorted(ports), found, missing)


def _look_for_address(program: bpf.Program, addresses: frozenset[bytes], found: str) -> None:
    """Go on where either address is one of them. The last 32 bits distinguish IPv6 addresses well enough; Python compares all of them."""
    words = sorted({int.from_bytes(address[-4:], "big") for address in addresses})
    program.do(bpf.LD_MEM, _SPEAKER)
    program.search(words, found, "by other address")
    program.label("by other address")
    program.do(bpf.LD_MEM, _SUBJECT)
    program.search(words, found, "reject")


def _accept(program: bpf.Program) -> None:
    """The ends of a filter. What it returns is how many bytes are wanted: up to the end of the TCP header."""
    program.label("accept quote")
    program.do(bpf.LD_LEN)
    program.do(bpf.SUB_X)
    program.when(bpf.JGE, 13, "accept tcp", "accept wide")  # RFC 792 wants no more than 8 bytes to be quoted
    program.label("accept tcp")
    program.do(bpf.LDB_X, 12)
    program.do(bpf.AND, 0xF0)
    program.do(bpf.RSH, 2)
    program.do(bpf.ADD_X)
    program.do(bpf.RET_A)
    program.label("accept wide")
    program.do(bpf.RET, _WIDE)
    program.label("reject")
    program.do(bpf.RET, 0)


def _remember(program: bpf.Program, word: int, code: int, k: int) -> None:
    """Load something and store it in a word of the filter's memory."""
    program.do(code, k)
    program.do(bpf.ST, word)
