# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The headers of handshakes as records, which decode.py reads: IP, TCP, ICMP errors with their quotes, ARP and neighbour discovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .tcp_options import TcpOptions

_OVERRIDE = 1


class TcpFlags:
    """Bits of `Tcp.flags` (RFC 9293, RFC 3168; AE: RFC 9768, formerly NS)."""

    FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, AE = (1 << bit for bit in range(9))
    NAMES = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE")

    @classmethod
    def names(cls, flags: int) -> list[str]:
        """['SYN', 'ACK'] for 0x12."""
        return [name for bit, name in enumerate(cls.NAMES) if flags >> bit & 1]


class Tcp(NamedTuple):  # made for each packet of a recording, as `Packet` is
    """A TCP header. `payload_length` is computed from the IP length, in bytes; None when the IP header does not say it (jumbograms)."""

    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    window: int
    options: TcpOptions
    payload_length: int | None

    @property
    def is_syn(self) -> bool:
        """The first packet of a handshake."""
        return self.flags & (TcpFlags.SYN | TcpFlags.ACK | TcpFlags.RST) == TcpFlags.SYN

    @property
    def is_syn_ack(self) -> bool:
        """The second packet of a handshake."""
        return self.flags & (TcpFlags.SYN | TcpFlags.ACK | TcpFlags.RST) == TcpFlags.SYN | TcpFlags.ACK

    @property
    def is_rst(self) -> bool:
        """A refusal or an abort."""
        return bool(self.flags & TcpFlags.RST)


@dataclass(frozen=True)
class Quote:
    """The packet that an ICMP error answers. Ports and `seq` are there from 8 quoted bytes on, `tcp` when its whole header is quoted."""

    version: int
    src: str
    dst: str
    ttl: int
    ip_id: int | None
    df: bool
    protocol: int
    sport: int | None
    dport: int | None
    seq: int | None
    tcp: Tcp | None


@dataclass(frozen=True)
class Icmp:
    """An ICMP or ICMPv6 message (`Packet.version` says which). `mtu` belongs to "fragmentation needed" and "packet too big"."""

    type: int
    code: int
    mtu: int | None
    quote: Quote | None


@dataclass(frozen=True)
class Neighbour:
    """An ARP message, or a neighbour solicitation or advertisement.

    request: `sender` (link address `sender_mac`) asks who has `target`. reply: `sender` is at `sender_mac`, sent to `target`.
    `flags` are those of an advertisement: 4 router, 2 solicited, 1 override.
    """

    operation: str
    sender: str
    sender_mac: str | None
    target: str
    flags: int

    @property
    def for_others(self) -> bool:
        """Whether a proxy sends it, or one of several that have an anycast address: an advertisement without override (RFC 4861, 7.2.4)."""
        return self.operation == "reply" and ":" in self.sender and not self.flags & _OVERRIDE


class Packet(NamedTuple):
    """A network-layer packet. `version` is 4, 6 or 0 (ARP, where `src` and `dst` are the sender and target addresses).

    `ip_id` is the identification of IPv4, or that of an IPv6 fragment header. A fragment that is not the first one has no
    transport header. `length` is that of the packet by its IP header, in bytes.
    """

    version: int
    src: str
    dst: str
    ttl: int
    tos: int
    ip_id: int | None
    df: bool
    protocol: int
    length: int | None
    tcp: Tcp | None = None
    icmp: Icmp | None = None
    neighbour: Neighbour | None = None
