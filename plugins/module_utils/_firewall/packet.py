# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""One packet on its way through a host, as netfilter sees it: headers with possibly unknown bits, metadata, and its connection.

Header layouts: RFC 791, RFC 8200, RFC 9293. Where a question does not have a field, its bits are unknown, and a rule that
asks for them is undecided rather than guessed.
"""

from __future__ import annotations

import copy
import dataclasses
import socket
import struct
import typing as t

from .bits import Partial, Value, simplest
from .evaluation import Action, Change

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
FLAGS = {"syn": SYN, "syn_ack": SYN | ACK, "ack": ACK}
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD

UNTOLD = "the question does not say the {}"


@dataclasses.dataclass(frozen=True)
class Link:
    """A network interface. `kind` is that of rtnetlink (bridge, veth, vrf), None for hardware; `type` an ARPHRD number."""

    index: int
    name: str
    type: int = 1
    group: int = 0
    kind: str | None = None
    master: str | None = None
    mac: str | None = None


class Header:
    """A header's bytes and which of their bits are known."""

    def __init__(self, length: int, why: str) -> None:
        self.bytes, self.known, self.why = bytearray(length), bytearray(length), why

    def copy(self) -> Header:
        other = Header(0, self.why)
        other.bytes, other.known = bytearray(self.bytes), bytearray(self.known)
        return other

    def put(self, offset: int, value: bytes, mask: bytes | None = None) -> None:
        """Make bits known: all of `value`, or those in `mask`."""
        for at, byte in enumerate(value):
            keep = 0xFF if mask is None else mask[at]
            self.bytes[offset + at] = self.bytes[offset + at] & ~keep | byte & keep
            self.known[offset + at] |= keep

    def forget(self, offset: int, length: int) -> None:
        self.bytes[offset : offset + length] = bytes(length)
        self.known[offset : offset + length] = bytes(length)

    def get(self, offset: int, length: int) -> Value | None:
        """None when that is beyond the header's end, where the kernel's load fails and the rule does not match."""
        if offset < 0 or offset + length > len(self.bytes):
            return None
        sure = bytes(self.known[offset : offset + length])
        return simplest(Partial(bytes(self.bytes[offset : offset + length]), sure, self.why))

    def number(self, offset: int, length: int) -> int | None:
        """A big-endian number, None when not all of it is known."""
        value = self.get(offset, length)
        return int.from_bytes(value, "big") if isinstance(value, bytes) else None


class Zone(t.NamedTuple):
    """A connection tracking zone, which may count for one direction of a connection only."""

    id: int
    ways: tuple[str, ...] = ("original", "reply")

    def of(self, way: str) -> int:
        """In which the tuple of one direction is kept (nf_ct_zone_id)."""
        return self.id if way in self.ways else 0


NO_ZONE = Zone(0)


class Tracking:
    """What conntrack knows of the packet's connection; numbers that nobody can know from the question are None."""

    def __init__(self, state: str, direction: str) -> None:
        self.state = state  # new | established | related | invalid | untracked
        self.direction = direction  # original | reply
        self.mark: int | None = 0
        self.zone = NO_ZONE
        self.template = False  # whether it only says how conntrack is to track the packet, as the kernel's templates do
        self.source_translated: bool | None = False  # IPS_SRC_NAT
        self.destination_translated: bool | None = False  # IPS_DST_NAT
        self.source_bound = self.destination_bound = False  # whether NAT has made up its mind, be it to change nothing
        self.original: Ends | None = None  # the original direction's tuple, where it is known


class Ends(t.NamedTuple):
    """Source and destination, packed; ports None where unknown."""

    source: bytes
    source_port: int | None
    destination: bytes
    destination_port: int | None


class Packet:
    """Mutable: rules rewrite it. `copy()` for another try."""

    def __init__(self, kind: str, source: bytes, destination: bytes) -> None:
        self.kind = kind  # syn | syn_ack | ack
        self.family = 4 if len(source) == 4 else 6
        self.direction = "in"  # in | out | forward
        self.iif: Link | None = None
        self.oif: Link | None = None
        self.port_in: Link | None = None  # of the bridge `iif`, where the frame is for another machine
        self.mark: int | None = 0
        self.uid: int | None = None  # of the socket that sends it; None: unknown or none
        self.gid: int | None = None
        self.has_socket: bool | None = False  # whether a local socket sends it, so that meta skuid and -m owner have an answer
        self.pkttype: str | None = "host"  # host | broadcast | multicast | otherhost
        self.state = "new"  # what conntrack will find
        self.tracking: Tracking | None = None  # None before conntrack has seen it
        self.zone = NO_ZONE  # in which conntrack will look for it
        self.opened_in: Zone | None = None  # that of its connection, where conntrack looks for it in another one and does not find it
        self.link = Header(14, UNTOLD.format("link header"))
        network, transport = Header(20 if self.family == 4 else 40, ""), Header(20, "")
        network.why = UNTOLD.format("IP header's other fields: give header")
        transport.why = UNTOLD.format("TCP header's other fields: give header")
        self.network, self.transport = network, transport
        self.options: bytes | None = None  # TCP options as on the wire, None when unknown
        self.length: int | None = None  # of the whole packet from the network header on
        self.rerouted: dict[str, t.Any] | None = None  # what the kernel says of its way once rules have changed its mark
        self.changes: list[Change] = []  # what rules did to it, in order
        self.generation = 0  # raised by every change of a field that rules can ask for
        if self.family == 4:
            network.put(0, b"\x45")
            network.put(6, b"\x00\x00", b"\x3f\xff")  # no fragment; whether DF is set is unknown
            network.put(9, bytes([socket.IPPROTO_TCP]))
        else:
            network.put(0, b"\x60", b"\xf0")
            network.put(6, bytes([socket.IPPROTO_TCP]))
        self.rewrite(source=source, destination=destination)
        transport.put(12, b"\x00", b"\x0f")  # reserved bits
        transport.put(13, bytes([FLAGS[kind]]))  # without ECN-setup flags
        transport.put(18, b"\x00\x00")  # urgent pointer
        self.changes.clear()
        self.generation = 0

    @property
    def source(self) -> bytes:
        at, size = (12, 4) if self.family == 4 else (8, 16)
        return bytes(self.network.bytes[at : at + size])

    @property
    def destination(self) -> bytes:
        at, size = (16, 4) if self.family == 4 else (24, 16)
        return bytes(self.network.bytes[at : at + size])

    @property
    def source_port(self) -> int | None:
        return self.transport.number(0, 2)

    @property
    def destination_port(self) -> int | None:
        return self.transport.number(2, 2)

    @property
    def iif_known(self) -> bool:
        """Whether it is known by which interface it comes, or that it comes by none: where no route leads back, it is not."""
        return self.iif is not None or self.direction == "out"

    @property
    def oif_known(self) -> bool:
        """Whether it is known by which interface it leaves, or that it does not."""
        return self.oif is not None or self.direction == "in"

    @property
    def flags(self) -> int:
        return self.transport.bytes[13]

    @property
    def ends(self) -> Ends:
        return Ends(self.source, self.source_port, self.destination, self.destination_port)

    def rewrite(
        self,
        source: bytes | None = None,
        destination: bytes | None = None,
        source_port: int | None = None,
        destination_port: int | None = None,
    ) -> None:
        """Give it other ends; addresses packed."""
        first, second = (12, 16) if self.family == 4 else (8, 24)
        for at, address in ((first, source), (second, destination)):
            if address is not None:
                self.network.put(at, address)
        for at, port in ((0, source_port), (2, destination_port)):
            if port is not None:
                self.transport.put(at, struct.pack("!H", port))
        self.generation += 1

    def spend_hop(self) -> None:
        """Lower the TTL or hop limit, as is done before the forward hook (ip_forward, ip6_forward)."""
        at = 8 if self.family == 4 else 7
        hops = self.network.number(at, 1)
        if hops:
            self.network.put(at, bytes([hops - 1]))
            self.generation += 1
        checksum = self.network.number(10, 2) if self.family == 4 else None
        if checksum is not None:
            checksum += 0x0100
            self.network.put(10, struct.pack("!H", (checksum + (checksum >= 0xFFFF)) & 0xFFFF))

    def put_in_zone(self, zone: Zone) -> None:
        """Give it a template for conntrack, where it has neither been tracked nor been given one: it is new then, until it is tracked."""
        self.zone, self.tracking = zone, Tracking("new", "original")
        self.tracking.zone, self.tracking.template = zone, True
        self.changed(Action("zone", str(zone.id)))

    def changed(self, what: Action) -> None:
        """A rule changed it."""
        self.changes.append(Change(what))
        self.generation += 1

    def connection(self, marked: bool, translated: bool) -> Tracking:
        """What conntrack has of its connection when it first sees the packet; whether earlier packets may have changed that."""
        tracking = Tracking(self.state, "reply" if self.kind == "syn_ack" else "original")
        tracking.zone = self.zone
        if self.state == "new":
            tracking.original = self.ends
        elif self.state in ("established", "related"):
            tracking.mark = None if marked else 0
            if translated:
                tracking.source_translated = tracking.destination_translated = None
            elif tracking.direction == "original":
                tracking.original = self.ends
            else:
                source, source_port, destination, destination_port = self.ends
                tracking.original = Ends(destination, destination_port, source, source_port)
        return tracking

    def tracked_end(self, destination: bool) -> tuple[bytes, int | None]:
        """Address and port from which NAT goes out: those of the connection, which rules that rewrite the packet do not change."""
        ends = (self.tracking.original if self.tracking else None) or self.ends
        return (ends.destination, ends.destination_port) if destination else (ends.source, ends.source_port)

    def copy(self) -> Packet:
        other = copy.copy(self)
        other.link, other.network, other.transport = self.link.copy(), self.network.copy(), self.transport.copy()
        other.tracking = copy.copy(self.tracking)
        other.changes = list(self.changes)
        return other


def text(address: bytes) -> str:
    """A packed address as people write it."""
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
