# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""All packets of a run, found by their ends or by the ISN of the client whose handshake they may be of. Only what is found is decoded."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Packet, TcpFlags

from .._model.host import Host
from .._model.recording import Endpoint, Ends, Observation, Place, Recording, both_ways

_MODULUS = 1 << 32
MOST_ALIKE = 1000  # packets at one host with the same addresses and ports, or the same ISN, among which those of an attempt are looked for
Flow = frozenset[Endpoint]


@dataclass
class _ByNumber:
    """Where packets are: by ISN, and SYNs by host and source port; and the numbers of SYNs that left from ports that were dialled from."""

    isns: dict[int, list[tuple[Recording, Place]]] = field(default_factory=lambda: defaultdict(list))
    syns: dict[tuple[str, int], list[tuple[Recording, Place]]] = field(default_factory=lambda: defaultdict(list))
    dialled: set[int] = field(default_factory=set)


class PacketIndex:
    """The recordings of hosts together. Adding comes before asking."""

    def __init__(self) -> None:
        self._recordings: list[Recording] = []
        self._order: dict[int, int] = {}
        self._began: dict[tuple[str, int | None], list[float]] = defaultdict(list)
        self._flows: dict[Flow, list[Observation]] = {}
        self._isns: dict[int, list[Observation]] = {}
        self._others: tuple[dict[Flow, list[Observation]], dict[int, list[Observation]]] = (defaultdict(list), defaultdict(list))
        self._numbers: _ByNumber | None = None
        self.cut: dict[object, set[str]] = defaultdict(set)
        """Of a flow or an ISN that was asked for: the hosts with more packets of it than are looked at."""

    def add(self, host: Host) -> None:
        """The packets that a host recorded."""
        for port, started in zip(host.probes.each("local_port"), host.probes.each("started"), strict=True):
            self._began[host.name, port].append(started)
        if host.observations is None:
            return
        self._order[id(host.observations)] = len(self._recordings)
        self._recordings.append(host.observations)
        by_flow, by_isn = self._others
        for seen in host.observations.others:
            for isn in client_isns(seen.packet):
                by_isn[isn].append(seen)
            if flow := flow_of(seen.packet):
                by_flow[flow].append(seen)

    def next_start(self, client: str, port: int | None, start: float) -> float:
        """When a client's next attempt from a port began; infinity where there is none."""
        return min((began for began in self._began[client, port] if began > start), default=math.inf)

    def of_flow(self, flow: Flow) -> list[Observation]:
        """The packets between two ends, and the ICMP errors that quote some."""
        if flow not in self._flows:
            one, *more = flow
            other = more[0] if more else one
            others, ways = self._others[0].get(flow, []), dict.fromkeys(both_ways(one, other))
            known = {id(each) for way in ways for each in self._by_ends.get(way, ())}
            self._flows[flow] = self._first(flow, known, lambda recording: recording.along(ways), others)
        return self._flows[flow]

    def of_isn(self, isn: int) -> list[Observation]:
        """The packets that may be of the handshake of a client with an ISN, by their numbers."""
        if isn not in self._isns:
            found = self._by_number.isns.get(isn, [])
            others = self._others[1].get(isn, [])
            known = {id(recording) for recording, _place in found}
            self._isns[isn] = self._first(isn, known, lambda recording: _made(found, recording), others)
        return self._isns[isn]

    def syns_from(self, host: str, port: int) -> list[Observation]:
        """The SYNs in a host's recording that come from a port."""
        found = self._by_number.syns.get((host, port), [])
        return sorted((seen for recording, place in found[:MOST_ALIKE] for seen in recording.at(place)), key=_time)

    def syn_ports(self, hosts: Iterable[str]) -> Iterator[tuple[str, int]]:
        """(host, source port) of all SYNs in the recordings of some hosts."""
        names = set(hosts)
        return ((host, port) for host, port in self._by_number.syns if host in names)

    @property
    def dialled(self) -> set[int]:
        """The numbers of SYNs that clients of the run sent."""
        return self._by_number.dialled

    def _first(
        self, key: object, known: set[int], of: Callable[[Recording], list[Observation]], others: list[Observation]
    ) -> list[Observation]:
        """What each host has of a key, MOST_ALIKE at most; ``known``: the recordings that have TCP packets of it."""
        kept: list[Observation] = []
        recordings = self._recordings if others else [self._recordings[place] for place in sorted(map(self._order.__getitem__, known))]
        for recording in recordings:
            found = of(recording) if id(recording) in known else []
            if others:
                found = sorted((*found, *(seen for seen in others if seen.host == recording.host)), key=_time)
            if len(found) > MOST_ALIKE:
                self.cut[key].add(recording.host)
            kept += found[:MOST_ALIKE]
        return kept

    @cached_property
    def _by_ends(self) -> Mapping[Ends, Sequence[Recording]]:
        found: dict[Ends, list[Recording]] = defaultdict(list)
        for recording in self._recordings:
            for each in recording.tcp:
                found[each].append(recording)
        return found

    @property
    def _by_number(self) -> _ByNumber:
        if self._numbers is None:
            self._numbers = _ByNumber()
            for recording in self._recordings:
                self._note(recording, self._numbers)
        return self._numbers

    def _note(self, recording: Recording, found: _ByNumber) -> None:
        isns = found.isns
        for each, together in recording.tcp.items():
            port = int.from_bytes(each[-4:-2], "big")
            for place, (seq, ack, flags) in zip(together, recording.numbers(each), strict=True):
                for isn in isns_of(seq, ack, flags):
                    isns[isn].append((recording, place))
                if flags & SYN_BITS == TcpFlags.SYN:
                    found.syns[recording.host, port].append((recording, place))
                    if (recording.host, port) in self._began and recording.left(place):
                        found.dialled.add(seq)


def _made(found: list[tuple[Recording, Place]], recording: Recording) -> list[Observation]:
    """Those of one recording, in the order of its clock."""
    places = recording.in_order(place for of, place in found if of is recording)
    return [seen for place in places for seen in recording.at(place)]


def _time(seen: Observation) -> float:
    return seen.time


SYN_BITS = TcpFlags.SYN | TcpFlags.ACK | TcpFlags.RST


def client_isns(packet: Packet) -> set[int]:
    """The client ISNs of the handshakes that a packet may belong to."""
    if packet.tcp:
        return isns_of(packet.tcp.seq, packet.tcp.ack, packet.tcp.flags)
    quote = packet.icmp.quote if packet.icmp else None
    if quote is None:
        return set()
    if quote.tcp:
        return isns_of(quote.tcp.seq, quote.tcp.ack, quote.tcp.flags)
    return set() if quote.seq is None else {quote.seq, (quote.seq - 1) % _MODULUS}


def isns_of(seq: int, ack: int, flags: int) -> set[int]:
    """That of a SYN is its own number, a SYN-ACK acknowledges it, of other packets either number may come next to it."""
    kind = flags & SYN_BITS
    if kind == TcpFlags.SYN:
        return {seq}
    if kind == TcpFlags.SYN | TcpFlags.ACK:
        return {(ack - 1) % _MODULUS}
    return {(seq - 1) % _MODULUS, (ack - 1) % _MODULUS} if flags & TcpFlags.ACK else {(seq - 1) % _MODULUS}


def flow_of(packet: Packet) -> Flow | None:
    """The two ends of a packet, or of the one that an ICMP error quotes."""
    quote = packet.icmp.quote if packet.icmp else None
    if packet.tcp:
        return frozenset(((packet.src, packet.tcp.sport), (packet.dst, packet.tcp.dport)))
    if quote and quote.sport is not None and quote.dport is not None:
        return frozenset(((quote.src, quote.sport), (quote.dst, quote.dport)))
    return None
