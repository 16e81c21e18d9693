# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Decode the headers of a handshake: IPv4, IPv6, TCP with its options, ICMP errors with their quotes, ARP and neighbour discovery.

Pure functions over bytes. Data may end after the headers, as recorded frames do. Nothing but DecodeError is raised.
"""

from __future__ import annotations

import functools
import ipaddress
import struct

from .._errors import DecodeError
from .headers import ETH_P_ARP, ETH_P_IP, ICMP, ICMP_ERRORS, ICMPV6, ICMPV6_NEIGHBOUR, IPV6_FRAGMENT, TCP, Outline, ipv6_extensions, outline
from .layouts import ARP, ICMP_HEADER, IPV4, IPV6, NEIGHBOUR, TCP_HEADER
from .packet import Icmp, Neighbour, Packet, Quote, Tcp
from .tcp_options import NO_OPTIONS, decode_options

_SPORT_DPORT_SEQ = struct.Struct("!HHI")
# Of IPv4 without options TOS, length, ID, fragmentation, TTL, addresses; and of TCP ports, numbers, offset and flags, window.
_PLAIN = struct.Struct("!xBHHHBxxx4s4sHHIIHH4x")
_FRAGMENT, _LEAST_OFFSET = 0x3FFF, 0x5000  # more fragments, offset; 20 bytes
_ARP_OPERATIONS: dict[int, str] = {1: "request", 2: "reply"}


def decode(data: bytes, ethertype: int) -> Packet:
    """Decode a network-layer packet without its link header. Raises DecodeError when a header is cut off or contradicts itself."""
    data = bytes(data)
    if ethertype == ETH_P_IP and len(data) >= _PLAIN.size and data[0] == 0x45 and data[9] == TCP:
        packet = _plain(data)
        if packet is not None:
            return packet
    return any_packet(data, ethertype)


def _plain(data: bytes) -> Packet | None:
    """Nearly every packet of a recording, read at once: TCP in IPv4 without options. None of a fragment, or where a header is wrong."""
    tos, total, ip_id, fragmented, ttl, src, dst, sport, dport, seq, ack, offset_flags, window = _PLAIN.unpack_from(data)
    if fragmented & _FRAGMENT or offset_flags < _LEAST_OFFSET:
        return None
    header = (offset_flags >> 12) * 4
    options = decode_options(data[40 : 20 + header], header - 20) if header > 20 else NO_OPTIONS
    payload = max(0, total - 20 - header) if total else None
    tcp = Tcp(
        sport=sport,
        dport=dport,
        seq=seq,
        ack=ack,
        flags=offset_flags & 0x1FF,
        window=window,
        options=options,
        payload_length=payload,
    )
    return Packet(
        version=4,
        src=_address(src),
        dst=_address(dst),
        ttl=ttl,
        tos=tos,
        ip_id=ip_id,
        df=bool(fragmented & 0x4000),
        protocol=TCP,
        length=total or None,
        tcp=tcp,
    )


def any_packet(data: bytes, ethertype: int) -> Packet:
    """The same of any packet, header by header."""
    where = outline(data, ethertype)
    if ethertype == ETH_P_ARP:
        return _arp(data)
    if where.protocol == TCP and not where.fragment:
        return _ip(data, where, tcp=_tcp(data, where.transport, _payload(data, where)))
    packet = _ip(data, where)
    if where.fragment:
        return packet
    if len(data) <= where.transport:
        return packet
    if where.protocol == ICMPV6 and where.version == 6 and data[where.transport] in ICMPV6_NEIGHBOUR:
        return packet._replace(neighbour=_discovery(data, where.transport, packet))
    if where.protocol == (ICMP if where.version == 4 else ICMPV6):
        return packet._replace(icmp=_icmp(data, where))
    return packet


def _ip(data: bytes, where: Outline, tcp: Tcp | None = None) -> Packet:
    if where.version == 4:
        ip4 = IPV4.read(data, where.start)
        return Packet(
            version=4,
            src=_address(ip4.src),
            dst=_address(ip4.dst),
            ttl=ip4.ttl,
            tos=ip4.tos,
            ip_id=ip4.ip_id,
            df=bool(ip4.flags_offset & 0x4000),
            protocol=ip4.protocol,
            length=_length(data, where),
            tcp=tcp,
        )
    ip6 = IPV6.read(data, where.start)
    ip_id = None
    for number, at, _following, _behind in ipv6_extensions(data, where.start + 40, ip6.next_header):
        if number == IPV6_FRAGMENT:
            ip_id = int.from_bytes(data[at + 4 : at + 8], "big")
    return Packet(
        version=6,
        src=_address(ip6.src),
        dst=_address(ip6.dst),
        ttl=ip6.hop_limit,
        tos=ip6.version_class_flow >> 20 & 0xFF,
        ip_id=ip_id,
        df=True,
        protocol=where.protocol,
        length=_length(data, where),
        tcp=tcp,
    )


def _length(data: bytes, where: Outline) -> int | None:
    """Bytes of the packet, by its IP header."""
    at = where.start + (2 if where.version == 4 else 4)
    length = int.from_bytes(data[at : at + 2], "big")
    return length + (0 if where.version == 4 else 40) if length else None


def _payload(data: bytes, where: Outline) -> int | None:
    """Bytes after the IP headers, by the IP header."""
    length = _length(data, where)
    return None if length is None else length - (where.transport - where.start)


def _tcp(data: bytes, offset: int, length: int | None) -> Tcp:
    tcp = TCP_HEADER.read(data, offset)
    header = (tcp.offset_flags >> 12) * 4
    if header < 20:
        raise DecodeError(f"a TCP header has at least 20 bytes, this one claims {header}")
    options = decode_options(data[offset + 20 : offset + header], header - 20) if header > 20 else NO_OPTIONS
    payload = None if length is None else max(0, length - header)
    return Tcp(
        sport=tcp.sport,
        dport=tcp.dport,
        seq=tcp.seq,
        ack=tcp.ack,
        flags=tcp.offset_flags & 0x1FF,
        window=tcp.window,
        options=options,
        payload_length=payload,
    )


def _icmp(data: bytes, where: Outline) -> Icmp:
    icmp = ICMP_HEADER.read(data, where.transport)
    quote = _quote(data, where.quote) if where.quote and icmp.type in ICMP_ERRORS[where.protocol] else None
    mtu = None
    if (where.protocol, icmp.type, icmp.code) == (ICMP, 3, 4):
        mtu = icmp.rest & 0xFFFF
    elif (where.protocol, icmp.type) == (ICMPV6, 2):
        mtu = icmp.rest
    return Icmp(icmp.type, icmp.code, mtu, quote)


def _quote(data: bytes, where: Outline) -> Quote:
    ip = _ip(data, where)
    sport = dport = seq = tcp = None
    if where.protocol == TCP and not where.fragment and len(data) >= where.transport + _SPORT_DPORT_SEQ.size:
        sport, dport, seq = _SPORT_DPORT_SEQ.unpack_from(data, where.transport)
        try:
            whole = _tcp(data, where.transport, _payload(data, where))
        except DecodeError:
            pass  # routers may quote as little as 8 bytes (RFC 792)
        else:
            tcp = None if whole.options.malformed else whole
    return Quote(
        version=ip.version,
        src=ip.src,
        dst=ip.dst,
        ttl=ip.ttl,
        ip_id=ip.ip_id,
        df=ip.df,
        protocol=ip.protocol,
        sport=sport,
        dport=dport,
        seq=seq,
        tcp=tcp,
    )


def _arp(data: bytes) -> Packet:
    arp = ARP.read(data, 0)
    if (arp.protocol, arp.hardware_length, arp.protocol_length) != (0x0800, 6, 4):
        raise DecodeError(f"ARP for protocol 0x{arp.protocol:04x} with {arp.hardware_length}-byte link addresses is not ARP for IPv4")
    if arp.operation not in _ARP_OPERATIONS:
        raise DecodeError(f"ARP operation {arp.operation} is neither request (1) nor reply (2)")
    sender, target = _address(arp.sender), _address(arp.target)
    neighbour = Neighbour(_ARP_OPERATIONS[arp.operation], sender, mac(arp.sender_mac), target, 0)
    return Packet(
        version=0,
        src=sender,
        dst=target,
        ttl=0,
        tos=0,
        ip_id=None,
        df=False,
        protocol=0,
        length=None,
        neighbour=neighbour,
    )


def _discovery(data: bytes, offset: int, packet: Packet) -> Neighbour:
    """RFC 4861, 4.3, 4.4 and 4.6.1: a solicitation has the source's link address (option 1), an advertisement the target's (2)."""
    message = NEIGHBOUR.read(data, offset)
    solicitation = message.type == 135
    wanted, lladdr, at = (1 if solicitation else 2), None, offset + 24
    while len(data) >= at + 8 and data[at + 1]:
        if data[at] == wanted:
            lladdr = mac(data[at + 2 : at + 8])
        at += data[at + 1] * 8
    target = _address(message.target)
    if solicitation:
        return Neighbour("request", packet.src, lladdr, target, 0)
    return Neighbour("reply", target, lladdr, packet.dst, message.flags >> 29)


@functools.lru_cache(4096)
def _address(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed))


def mac(address: bytes) -> str:
    """'02:00:5e:10:00:01' for six bytes."""
    return ":".join(f"{octet:02x}" for octet in address)
