# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The packets that one host recorded. Those of TCP are sorted by their ends at once, and decoded when somebody looks at them.

Of a fleet, nearly all packets are of handshakes that are well: of these it is enough to know that they are there, and as they were sent.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, overload

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, Place, frame_at, places
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_IP, ETH_P_IPV6, TCP
from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Packet

from .network_records import LOOPBACK

_DIRECTIONS = {0: "in", 1: "in", 2: "in", 3: "other", 4: "out"}  # linux/if_packet.h PACKET_*
NUMBERS = struct.Struct("!IIH")  # sequence number, acknowledgement number, data offset and flags: behind the ports of a TCP header
Endpoint = tuple[str, int]
Ends = bytes
"""Source address, destination address, source port, destination port, as they stand in a packet."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One packet at one vantage point; ``time`` by that host's clock."""

    host: str
    interface: str
    direction: str
    time: float
    packet: Packet
    frame: Frame
    bridged: bool = False  # it came in on a port of a bridge, for a machine behind another port


def ends(source: Endpoint, destination: Endpoint) -> Ends:
    """How the packets from one end to another begin. ValueError for what is no address."""
    return b"%b%b%b" % (_packed(source[0]), _packed(destination[0]), struct.pack("!HH", source[1], destination[1]))


@lru_cache(4096)
def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


class _Part(NamedTuple):
    """What one answer of the host recorded, which begins at ``base``."""

    base: int
    interfaces: Mapping[str, str]
    bridge_ports: frozenset[str]

    def name(self, ifindex: int) -> str:
        return self.interfaces.get(str(ifindex), f"if{ifindex}")


class Recording(Sequence[Observation]):
    """All observations of one host, in the order of its clock; and its TCP packets by their ends, without decoding them."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.tcp: dict[Ends, list[Place]] = {}
        """Plain TCP: without IP options, and no fragments."""
        self.others: list[Observation] = []
        """Of all other packets."""
        self._raw = b""
        self._parts: list[_Part] = []
        self._made: dict[int, list[Observation]] = {}
        self._all: list[Observation] | None = None

    def add(self, raw: bytes, interfaces: Mapping[str, str], is_bridge_port: Callable[[str], bool] = lambda _name: False) -> int:
        """Note inflated frames; a host that records as client and as server returns some twice. How many cannot be decoded. DecodeError."""
        found = sorted(places(raw))
        if self._raw:
            known = {_identity(self._raw, place) for sorted_ in self.tcp.values() for place in sorted_}
            known |= {(seen.frame.ts_ns, seen.frame.ifindex, seen.frame.data) for seen in self.others}
            found = [place for place in found if _identity(raw, place) not in known]
        base, undecodable, tcp = len(self._raw), 0, self.tcp
        self._raw += raw
        self._parts.append(_Part(base, interfaces, frozenset(filter(is_bridge_port, interfaces.values()))))
        self._all = None
        for place in found:
            _ts_ns, at, _ifindex, ethertype, _pkttype, data, end = place
            if base:
                place = place._replace(at=base + at, data=base + data, end=base + end)
            # The first byte tells version and length of an IPv4 header, the bytes 6 and 7 fragments; a TCP header has 20 bytes at least.
            if (
                ethertype == ETH_P_IP
                and end - data >= 40
                and raw[data] == 0x45
                and raw[data + 9] == TCP
                and not raw[data + 6] & 0x3F
                and not raw[data + 7]
                and raw[data + 32] >= 0x50
            ):
                tcp.setdefault(raw[data + 12 : data + 24], []).append(place)
            elif ethertype == ETH_P_IPV6 and end - data >= 60 and raw[data] >> 4 == 6 and raw[data + 6] == TCP and raw[data + 52] >= 0x50:
                tcp.setdefault(raw[data + 8 : data + 44], []).append(place)
            else:
                try:
                    self.others += self.at(place)
                except DecodeError:
                    undecodable += 1
        if base:
            for together in tcp.values():
                together.sort()
        self.others.sort(key=_time)
        return undecodable

    def at(self, place: Place) -> list[Observation]:
        """The observations of one packet: two on the loopback interface, where the recorder keeps one of them."""
        found = self._made.get(place.at)
        if found is None:
            frame = frame_at(self._raw, place.at)
            packet = decode(frame.data, frame.ethertype)
            part = self._part(place)
            interface = part.name(place.ifindex)
            directions = ("out", "in") if interface == LOOPBACK else (_DIRECTIONS.get(frame.pkttype, "other"),)
            bridged = directions == ("other",) and interface in part.bridge_ports
            found = self._made[place.at] = [
                Observation(
                    host=self.host,
                    interface=interface,
                    direction=direction,
                    time=frame.ts_ns / 1e9,
                    packet=packet,
                    frame=frame,
                    bridged=bridged,
                )
                for direction in directions
            ]
        return found

    def interface(self, place: Place) -> str:
        """The name of the interface that a packet passed."""
        return self._part(place).name(place.ifindex)

    def _part(self, place: Place) -> _Part:
        last = self._parts[-1]
        return last if last.base <= place.at else next(part for part in reversed(self._parts) if part.base <= place.at)

    def flags(self, place: Place) -> int:
        """Of a plain TCP packet: the flags that RFC 9293 has."""
        return self._raw[place.data + (33 if place.ethertype == ETH_P_IP else 53)]

    def header(self, place: Place) -> tuple[bytes, bytes]:
        """Of a plain TCP packet: what its IP header says beside addresses, TTL and checksum, and its TCP header without its checksum.

        A network card may compute that behind the recorder of who sends.
        """
        raw, data = self._raw, place.data
        ip, tcp = (8, data + 20) if place.ethertype == ETH_P_IP else (7, data + 40)
        return raw[data : data + ip], raw[tcp : tcp + 16] + raw[tcp + 18 : place.end]

    def ttl(self, place: Place) -> int:
        """Of a plain TCP packet."""
        return self._raw[place.data + (8 if place.ethertype == ETH_P_IP else 7)]

    def numbers(self, place: Place) -> tuple[int, int, int]:
        """Of a plain TCP packet: sequence number, acknowledgement number, flags."""
        sequence, acknowledgement, flags = NUMBERS.unpack_from(self._raw, place.data + (24 if place.ethertype == ETH_P_IP else 44))
        return sequence, acknowledgement, flags & 0x1FF

    def between(self, one: Endpoint, other: Endpoint) -> list[Observation]:
        """The TCP packets of two ends to each other."""
        there, back = (self.tcp.get(each, []) for each in (ends(one, other), ends(other, one)))
        found = sorted((*there, *back)) if there and back and one != other else there or back
        return [seen for place in found for seen in self.at(place)]

    @property
    def whole(self) -> list[Observation]:
        """Everything, decoded."""
        if self._all is None:
            made = [seen for together in self.tcp.values() for place in together for seen in self.at(place)]
            self._all = sorted((*made, *self.others), key=_time)
        return self._all

    def __len__(self) -> int:
        return len(self.whole)

    def __bool__(self) -> bool:
        return bool(self.tcp or self.others)

    def __iter__(self) -> Iterator[Observation]:
        return iter(self.whole)

    @overload
    def __getitem__(self, index: int) -> Observation: ...

    @overload
    def __getitem__(self, index: slice) -> list[Observation]: ...

    def __getitem__(self, index: int | slice) -> Observation | list[Observation]:
        return self.whole[index]


def _time(seen: Observation) -> float:
    return seen.time


def _identity(raw: bytes, place: Place) -> tuple[int, int, bytes]:
    return place.ts_ns, place.ifindex, raw[place.data : place.end]
