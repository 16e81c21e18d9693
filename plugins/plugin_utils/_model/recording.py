# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The packets that one host recorded. Those of TCP are sorted by their ends at once, and decoded when somebody looks at them.

Of a fleet, nearly all packets are of handshakes that are well: of these it is enough to know that they are there, and as they were sent.
"""

from __future__ import annotations

import ipaddress
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, overload

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import (
    HEAD,
    LLADDR,
    Frame,
    frame_at,
    heads,
    inflate,
    ts_of,
    unwrap,
    way_of,
)
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_IP, ETH_P_IPV6, TCP
from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Packet

from .network_records import LOOPBACK

INCOMING, OUTGOING = 0, 4  # linux/if_packet.h PACKET_HOST, PACKET_OUTGOING
_DIRECTIONS = {INCOMING: "in", 1: "in", 2: "in", 3: "other", OUTGOING: "out"}  # linux/if_packet.h PACKET_*
_NUMBERS = struct.Struct("!IIxB")  # sequence number, acknowledgement number, flags: after the ports of a TCP header
# Version and length, fragments, protocol, addresses and ports, data offset; of IPv6 version, protocol, and so on.
_IPV4 = struct.Struct("!B5xHxB2x12s8xB")
_IPV6 = struct.Struct("!B5xBx36s8xB")
_LEAST_IPV4, _LEAST_IPV6, _LEAST_OFFSET = 40, 60, 0x50  # a TCP header has 20 bytes at least
_FRAGMENT = 0x3FFF  # more fragments, offset
Endpoint = tuple[str, int]
Ends = bytes
"""Source address, destination address, source port, destination port, as they stand in a packet."""
IPV4_ENDS = 12
Place = int
"""Where a frame begins in the inflated bytes of a recording."""


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
    on_bridge: bool = False  # it went out by a bridge, of which a port is to send it


def both_ways(one: Endpoint, other: Endpoint) -> tuple[Ends, Ends]:
    """How the packets between two ends begin, forth and back. ValueError for what is no address."""
    here, there = _packed(one[0]), _packed(other[0])
    near, far = one[1].to_bytes(2, "big"), other[1].to_bytes(2, "big")
    return here + there + near + far, there + here + far + near


@lru_cache(4096)
def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


class _Part(NamedTuple):
    """What one answer of the host recorded, which begins at ``base`` of all that it recorded."""

    base: int
    packed: bytes
    interfaces: Mapping[str, str]
    bridges: frozenset[str]
    bridge_ports: frozenset[str]

    def name(self, ifindex: int) -> str:
        known = self.interfaces.get(str(ifindex))
        return f"if{ifindex}" if known is None else known


class _Opened(NamedTuple):
    """All frames, inflated, and where those of plain TCP are, by their ends and in the order of the clock."""

    raw: bytes
    tcp: dict[Ends, list[Place]]


class Recording(Sequence[Observation]):
    """All observations of one host, in the order of its clock; and its TCP packets by their ends, without decoding them.

    What it has of plain TCP can be closed: it stays packed until somebody asks again.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.others: list[Observation] = []
        """Of all packets that are not plain TCP."""
        self._parts: list[_Part] = []
        self._opened: _Opened | None = None
        self._made: dict[Place, list[Observation]] = {}
        self._all: list[Observation] | None = None

    @property
    def tcp(self) -> Mapping[Ends, Sequence[Place]]:
        """Plain TCP: without IP options, and no fragments."""
        return self._open().tcp

    @property
    def raw(self) -> bytes:
        """All frames, inflated."""
        return self._open().raw

    def close(self) -> None:
        """Keep no more of plain TCP than what it can be made from again."""
        self._opened, self._all = None, None
        self._made.clear()

    def _open(self) -> _Opened:
        if self._opened is None:
            self._opened = _Opened(b"", {})
            for part in self._parts:
                self._opened, _left = self._with(self._opened, inflate(part.packed))
        return self._opened

    def add(
        self,
        packed: str,
        interfaces: Mapping[str, str],
        is_bridge: Callable[[str], bool] = lambda _name: False,
        is_bridge_port: Callable[[str], bool] = lambda _name: False,
    ) -> int:
        """Note packed frames; a host that records as client and as server returns some twice. How many cannot be decoded. DecodeError."""
        before, compressed = self._open(), unwrap(packed)
        self._opened, left = self._with(before, inflate(compressed))
        names = interfaces.values()
        bridges, ports = frozenset(filter(is_bridge, names)), frozenset(filter(is_bridge_port, names))
        self._parts.append(_Part(len(before.raw), compressed, interfaces, bridges, ports))
        self._all, undecodable = None, 0
        for place in left:
            try:
                self.others += self.at(place)
            except DecodeError:
                undecodable += 1
        self.others.sort(key=_time)
        return undecodable

    def _with(self, before: _Opened, raw: bytes) -> tuple[_Opened, list[Place]]:
        """What was opened before with more frames; and where those of these are that are not plain TCP. DecodeError."""
        tcp: dict[Ends, list[Place]] = defaultdict(list)
        left: list[Place] = []
        known = self._identities(before) if before.raw else ()
        base, last, in_order = len(before.raw), 0, not before.raw
        ipv4, ipv6 = _IPV4.unpack_from, _IPV6.unpack_from
        for at, (ts_ns, ifindex, ethertype, _vlan, _pkttype, lladdr, _wire, length) in heads(raw):
            data = at + HEAD + lladdr
            if ts_ns < last:
                in_order = False
            last = ts_ns
            if known and (ts_ns, ifindex, raw[data : data + length]) in known:
                continue
            if ethertype == ETH_P_IP and length >= _LEAST_IPV4:
                version, fragment, protocol, each, offset = ipv4(raw, data)
                if version == 0x45 and protocol == TCP and not fragment & _FRAGMENT and offset >= _LEAST_OFFSET:
                    tcp[each].append(base + at)
                    continue
            elif ethertype == ETH_P_IPV6 and length >= _LEAST_IPV6:
                version, protocol, each, offset = ipv6(raw, data)
                if version >> 4 == 6 and protocol == TCP and offset >= _LEAST_OFFSET:
                    tcp[each].append(base + at)
                    continue
            left.append(base + at)
        opened = _Opened(before.raw + raw, dict(tcp))
        for each, places in before.tcp.items():
            opened.tcp[each] = [*places, *opened.tcp.get(each, ())]
        if not in_order:
            for together in (*opened.tcp.values(), left):
                together.sort(key=lambda place: (ts_of(opened.raw, place), place))  # as `in_order`, of what is not opened yet
        return opened, left

    def _identities(self, before: _Opened) -> set[tuple[int, int, bytes]]:
        """By what the frames are known that are there already."""
        frames = [frame_at(before.raw, place) for together in before.tcp.values() for place in together]
        return {(frame.ts_ns, frame.ifindex, frame.data) for frame in (*frames, *(seen.frame for seen in self.others))}

    def at(self, place: Place) -> list[Observation]:
        """The observations of one packet: two on the loopback interface, where the recorder keeps one of them."""
        found = self._made.get(place)
        if found is None:
            frame = frame_at(self.raw, place)
            packet = decode(frame.data, frame.ethertype)
            part = self._part(place)
            interface = part.name(frame.ifindex)
            directions = ("out", "in") if interface == LOOPBACK else (_DIRECTIONS.get(frame.pkttype, "other"),)
            bridged = directions == ("other",) and interface in part.bridge_ports
            found = self._made[place] = [
                Observation(
                    host=self.host,
                    interface=interface,
                    direction=direction,
                    time=frame.ts_ns / 1e9,
                    packet=packet,
                    frame=frame,
                    bridged=bridged,
                    on_bridge=direction == "out" and interface in part.bridges,
                )
                for direction in directions
            ]
        return found

    def interface(self, ifindex: int) -> str | None:
        """The name of an interface, where all answers of the host agree about it."""
        names = {part.name(ifindex) for part in self._parts}
        return names.pop() if len(names) == 1 else None

    def left(self, place: Place) -> bool:
        """Whether a packet left the host, as those on its loopback interface do."""
        ifindex, pkttype = way_of(self.raw, place)
        return pkttype == OUTGOING or self._part(place).name(ifindex) == LOOPBACK

    def _part(self, place: Place) -> _Part:
        last = self._parts[-1]
        return last if last.base <= place else next(part for part in reversed(self._parts) if part.base <= place)

    def numbers(self, each: Ends) -> list[tuple[int, int, int]]:
        """Of the packets of plain TCP with the same ends: sequence number, acknowledgement number, and the flags that RFC 9293 has."""
        raw, numbers = self.raw, _NUMBERS.unpack_from
        behind = HEAD + (24 if len(each) == IPV4_ENDS else 44)
        return [numbers(raw, place + behind + raw[place + LLADDR]) for place in self.tcp.get(each, ())]

    def along(self, ways: Iterable[Ends]) -> list[Observation]:
        """The TCP packets with any of some ends."""
        tcp = self.tcp
        return [seen for place in self.in_order([place for way in ways for place in tcp.get(way, ())]) for seen in self.at(place)]

    def in_order(self, found: Iterable[Place]) -> list[Place]:
        """By the host's clock."""
        raw = self.raw
        return sorted(found, key=lambda place: (ts_of(raw, place), place))

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
        return bool(self.others or self.tcp)

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
