# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The packets of some flows' handshakes in a capture, as frames without payload: what a recorder would have kept of them."""

from __future__ import annotations

import ipaddress
from typing import Iterable, NamedTuple

from .._errors import DecodeError
from .._wire.frames import MAX_PACKETS, MAX_WIRE_LENGTH, Frame
from .._wire.headers import header_length
from .awaited import Awaited, ports_of
from .handshake import Handshake
from .interface import Captured
from .reader import Reader
from .segment import ACK, RST, SYN, Error, Segment, endpoints, read, reverse
from .source import CaptureError, Source

MOST_HANDSHAKES = 2000
_MOST_TIME = 1 << 63  # nanoseconds since the epoch
MOST_OF_HANDSHAKE = 60  # packets of one connection


class Selected(NamedTuple):
    """What a capture has of the flows."""

    handshakes: list[Handshake]
    frames: list[Frame]
    """`ifindex`: the place of the interface in `interfaces`."""
    interfaces: list[str]
    begins: float | None
    ends: float | None
    dropped: int
    notes: list[str]


class _Selection:
    def __init__(self, ports: Iterable[int], networks: Iterable[str]) -> None:
        self._ports = frozenset(ports)
        self._networks = [ipaddress.ip_network(each) for each in networks]
        self._known: dict[str, bool] = {}
        self._counts: dict[bytes, int] = {}
        self.handshakes: dict[bytes, Handshake] = {}
        self.all: list[Handshake] = []
        self.frames: list[Frame] = []
        self.awaited = Awaited()
        self.full = self.untimed = False

    def take(self, captured: Captured) -> None:
        found = read(captured)
        if found is None:
            return
        if isinstance(found, Error):
            pair = next((each for each in (found.pair, reverse(found.pair)) if each in self.handshakes), None)
            if pair is not None:
                self.handshakes[pair].take_error(captured.time_ns, found)
        else:
            pair = self._pair(captured, found)
        if pair is not None:
            self._keep(pair, captured)

    def _pair(self, captured: Captured, segment: Segment) -> bytes | None:
        """The client's addresses and ports, where the segment is of a handshake that is wanted."""
        back = reverse(segment.pair)
        if segment.flags & SYN and not segment.flags & RST:
            of_client = not segment.flags & ACK
            pair = segment.pair if of_client else back
            isn = segment.seq if of_client else (segment.ack - 1) % 2**32
            known = self.handshakes.get(pair)
            if known is None or (of_client and known.isn != isn):
                if not self._wants(pair):
                    return None
                if len(self.all) >= MOST_HANDSHAKES:
                    self.full = True
                    return None
                known = self.handshakes[pair] = Handshake(pair, isn)
                self.all.append(known)
                if not 0 < self._counts.get(pair, 0) < MOST_OF_HANDSHAKE:
                    self.awaited.add(ports_of(pair, captured.interface.order))
                self._counts[pair] = 0
        else:
            of_client = segment.pair in self.handshakes
            pair = segment.pair if of_client else back
            known = self.handshakes.get(pair)
            if known is None:
                return None
        known.take(captured.time_ns, segment, of_client)
        return pair

    def _wants(self, pair: bytes) -> bool:
        client, _port, server, port = endpoints(pair)
        return port in self._ports and (not self._networks or self._is_known(client) or self._is_known(server))

    def _is_known(self, address: str) -> bool:
        if address not in self._known:
            self._known[address] = any(ipaddress.ip_address(address) in network for network in self._networks)
        return self._known[address]

    def _keep(self, pair: bytes, captured: Captured) -> None:
        self._counts[pair] += 1
        if self._counts[pair] == MOST_OF_HANDSHAKE:
            self.awaited.remove(ports_of(pair, captured.interface.order))
        if self._counts[pair] > MOST_OF_HANDSHAKE:
            return
        if len(self.frames) >= MAX_PACKETS:
            self.full = True
            return
        where = captured.network()
        if where is None:
            return
        if not 0 <= captured.time_ns < _MOST_TIME:
            self.untimed = True
            return
        data = captured.frame[where.start :]
        try:
            data = data[: header_length(data, where.ethertype)]
        except DecodeError:
            return
        length = min(max(captured.wire_length - where.start, len(data)), MAX_WIRE_LENGTH)
        way = where.pkttype if captured.way < 0 else captured.way
        self.frames.append(
            Frame(
                ts_ns=captured.time_ns,
                ifindex=captured.interface.place,
                ethertype=where.ethertype,
                vlan=where.vlan,
                pkttype=max(way, -1),
                lladdr=where.lladdr[:8],
                wire_length=length,
                data=data,
            )
        )


def select(path: str, ports: Iterable[int], networks: Iterable[str]) -> Selected:
    """Handshakes with these ports of which an end is in these networks (any, if there are none). CaptureError, with the path.

    A frame's `pkttype` is -1 where the capture does not say which way it went.
    """
    selection = _Selection(ports, networks)
    with Source(path) as source:
        reader = Reader(source, selection.awaited.ports)
        try:
            for captured in reader:
                selection.take(captured)
        except CaptureError as error:
            raise CaptureError(f"{path}: {error}") from None
    notes = list(reader.complaints)
    if selection.full:
        notes.append(f"only the first {len(selection.all)} handshakes and {len(selection.frames)} packets of the flows are read")
    if selection.untimed:
        notes.append("packets with impossible times are left out")
    return Selected(
        handshakes=selection.all,
        frames=selection.frames,
        interfaces=[each.name for each in reader.interfaces],
        begins=None if reader.first_ns is None else reader.first_ns / 1e9,
        ends=None if reader.last_ns is None else reader.last_ns / 1e9,
        dropped=sum(each.dropped for each in reader.interfaces),
        notes=notes,
    )
