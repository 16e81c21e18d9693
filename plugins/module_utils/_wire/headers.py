# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find where the headers of a packet end: just enough for a host to keep headers and nothing else.

The recorder imports this at every call, so it stays small; `packet.py` reads the fields.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple

from .._errors import DecodeError

ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 0x0800, 0x0806, 0x86DD  # linux/if_ether.h
ETH_P_VLAN = (0x8100, 0x88A8)
ICMP, TCP, ICMPV6 = 1, 6, 58  # IANA protocol numbers
IPV6_FRAGMENT, IPV6_AH = 44, 51
IPV6_EXTENSIONS = frozenset((0, 43, IPV6_FRAGMENT, IPV6_AH, 60, 135, 139, 140))  # RFC 7045; ESP (50) hides what follows it
ICMP_ERRORS = {ICMP: frozenset((3, 11, 12)), ICMPV6: frozenset((1, 2, 3, 4))}  # RFC 792, RFC 4443: they quote a packet
ICMPV6_NEIGHBOUR = frozenset((135, 136))  # RFC 4861: solicitation, advertisement
ARP_LENGTH = 28  # for Ethernet and IPv4


class Outline(NamedTuple):
    """Offsets within a packet; all are byte offsets from where the outline started to look."""

    version: int  # 4 or 6, 0 for ARP
    start: int  # of the network header
    protocol: int  # of what follows the IP headers
    transport: int  # where that begins
    fragment: int  # offset within the datagram in bytes: when it is not 0, there is no transport header here
    end: int  # of the headers, never beyond the data
    quote: Outline | None  # the packet that an ICMP error quotes, when enough of it is there


def outline(data: bytes, ethertype: int) -> Outline:
    """Find the headers of a network-layer packet. Raises DecodeError when the network header is not whole or not of its kind."""
    if ethertype == ETH_P_IP:
        return _ipv4(data, 0, True)
    if ethertype == ETH_P_IPV6:
        return _ipv6(data, 0, True)
    if ethertype == ETH_P_ARP:
        if len(data) < ARP_LENGTH:
            raise DecodeError(f"an ARP message for IPv4 has {ARP_LENGTH} bytes, this one has {len(data)}")
        return Outline(version=0, start=0, protocol=0, transport=0, fragment=0, end=ARP_LENGTH, quote=None)
    raise DecodeError(f"ethertype 0x{ethertype:04x} is neither IPv4, IPv6 nor ARP")


def header_length(data: bytes, ethertype: int) -> int:
    """How many bytes of a packet are headers.

    TCP: with its options. ICMP errors: up to the end of the quoted TCP header, as far as quoted. ARP and neighbour discovery: the
    whole message. Anything else: the IP headers.
    """
    return outline(data, ethertype).end


def _ipv4(data: bytes, start: int, quotes: bool) -> Outline:
    if len(data) < start + 20:
        raise DecodeError(f"an IPv4 header has at least 20 bytes, here are {len(data) - start}")
    if data[start] >> 4 != 4 or data[start] & 15 < 5:
        raise DecodeError(f"0x{data[start]:02x} does not begin an IPv4 header")
    fragment = ((data[start + 6] & 0x1F) << 8 | data[start + 7]) * 8
    return _transport(data, 4, start, data[start + 9], start + (data[start] & 15) * 4, fragment, quotes)


def _ipv6(data: bytes, start: int, quotes: bool) -> Outline:
    if len(data) < start + 40:
        raise DecodeError(f"an IPv6 header has 40 bytes, here are {len(data) - start}")
    if data[start] >> 4 != 6:
        raise DecodeError(f"0x{data[start]:02x} does not begin an IPv6 header")
    protocol, offset, fragment = data[start + 6], start + 40, 0
    for number, at, following, beyond in ipv6_extensions(data, offset, protocol):
        if number == IPV6_FRAGMENT:
            fragment = data[at + 2] << 8 | (data[at + 3] & 0xF8)
        protocol, offset = following, beyond
    return _transport(data, 6, start, protocol, offset, fragment, quotes)


def ipv6_extensions(data: bytes, offset: int, number: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (number, offset, next header, offset after it) of each extension header that has begun within the data."""
    while number in IPV6_EXTENSIONS and len(data) >= offset + 8:
        if number == IPV6_FRAGMENT:
            length = 8
        elif number == IPV6_AH:  # RFC 4302: in words of 4 bytes, less 2
            length = (data[offset + 1] + 2) * 4
        else:
            length = (data[offset + 1] + 1) * 8
        yield number, offset, data[offset], offset + length
        if number == IPV6_FRAGMENT and (data[offset + 2] or data[offset + 3] & 0xF8):
            return  # what follows is the middle of something
        number, offset = data[offset], offset + length


def _transport(data: bytes, version: int, start: int, protocol: int, offset: int, fragment: int, quotes: bool) -> Outline:
    end, quote = offset, None
    if fragment:
        pass
    elif protocol == TCP:
        # A quote may end anywhere after the sequence number; its header is then as long as what is there.
        end = offset + max(20, (data[offset + 12] >> 4) * 4) if len(data) > offset + 12 else offset + 20
    elif protocol in ICMP_ERRORS and quotes and len(data) >= offset + 8:
        kind = data[offset]
        if kind in ICMP_ERRORS[protocol]:
            try:
                quote = (_ipv4 if protocol == ICMP else _ipv6)(data, offset + 8, False)
            except DecodeError:
                end = offset + 8
            else:
                end = quote.end
        elif protocol == ICMPV6 and kind in ICMPV6_NEIGHBOUR:
            end = len(data)
    return Outline(
        version=version, start=start, protocol=protocol, transport=offset, fragment=fragment, end=min(end, len(data)), quote=quote
    )
