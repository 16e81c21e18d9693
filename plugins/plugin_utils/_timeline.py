# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Match the packets of all vantage points into one timeline per connection attempt.

A packet belongs to an attempt by the client's initial sequence number (ISN), which NAT leaves alone, or by its 4-tuple, which a
sequence-rewriting middlebox leaves alone. Two sightings are the same packet when kind, numbers, IP ID and timestamp agree, or, where
something on the way rewrote those, when kind and time agree.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._packet import Packet, Tcp, TcpFlags
from ansible_collections.threeway.handshake.plugins.plugin_utils._evidence import Host, Probe, Sighting

_MODULUS = 1 << 32
SAME_PACKET_S = 0.5  # sightings of one packet are closer than this once clocks are aligned; retransmissions are 1 s apart
MOST_OF_ATTEMPT = 300  # packets at one host that are matched; honest attempts have a few dozen
MOST_ALIKE = 1000  # packets at one host with the same addresses and ports, or the same ISN, among which those of an attempt are looked for
MOST_TRANSLATIONS = 8  # of one attempt on its way
MOST_SHARING = 10  # attempts with the same addresses and ports, one after the other, or with the same ISN
DOUBLED_S = 0.1  # a packet that was doubled on the way comes again at once
Endpoint = tuple[str, int]


@dataclass
class Row:
    """One packet on its way, with each sighting of it."""

    kind: str  # syn, syn_ack, ack, rst, fin, data, icmp
    sender: str  # client, server, or the address that an ICMP error came from
    packet: Packet
    seen: list[Sighting] = field(default_factory=list)
    transmission: int = 1

    def at(self, host: str, direction: str) -> Sighting | None:
        """The sighting at a host, off the loopback interface where there is a choice. What a bridge of the host takes in comes in."""
        ways = [seen for seen in self.seen if seen.host == host]
        found = [seen for seen in ways if seen.direction == direction or (direction == "in" and seen.bridged)]
        return next((sighting for sighting in found if sighting.interface != "lo"), found[0] if found else None)


@dataclass(frozen=True)
class Clock:
    """How far a host's clock is ahead of the client's, in seconds; ``error`` is half the smallest round trip, ``None`` when only one "
    "way was seen."""

    offset: float
    error: float | None


@dataclass
class Attempt:
    """One connect() with all packets that belong to it; times of rows are the client's."""

    probe: Probe
    isn: int | None
    rows: list[Row]
    clocks: dict[str, Clock]
    cut: frozenset[str] = frozenset()
    """Hosts with more packets of it than are looked at."""

    def of(self, kind: str, sender: str | None = None) -> list[Row]:
        return [row for row in self.rows if row.kind == kind and sender in (None, row.sender)]

    def count(self, kind: str, host: str, direction: str, sender: str | None = None) -> int:
        """How many packets of a kind were seen at a host."""
        return sum(row.at(host, direction) is not None for row in self.of(kind, sender))

    def answered_transmission(self) -> int | None:
        """Which transmission of the SYN the first SYN-ACK answers: its TSecr echoes that SYN's TSval (RFC 7323)."""
        for answer in self.of("syn_ack"):
            echoed = answer.packet.tcp.options.timestamps if answer.packet.tcp else None
            for syn in self.of("syn"):
                sent = syn.packet.tcp.options.timestamps if syn.packet.tcp else None
                if echoed and sent and echoed[1] == sent[0]:
                    return syn.transmission
        return None

    def when(self, sighting: Sighting) -> float:
        """The time of a sighting by the client's clock, in seconds."""
        clock = self.clocks.get(sighting.host)
        return sighting.time - (clock.offset if clock else 0.0)


class Packets:
    """All sightings of a run, found by ISN or by 4-tuple."""

    def __init__(self, hosts: Iterable[Host] = ()) -> None:
        self._by_isn: dict[int, list[Sighting]] = defaultdict(list)
        self._by_flow: dict[frozenset[Endpoint], list[Sighting]] = defaultdict(list)
        self._syns_by_port: dict[tuple[str, int], list[Sighting]] = defaultdict(list)
        self._cut: dict[object, set[str]] = defaultdict(set)
        self._sharing: dict[object, set[int]] = defaultdict(set)
        for host in hosts:
            self.add(host)

    def add(self, host: Host) -> None:
        """The packets that a host recorded."""
        alike: Counter[object] = Counter()

        def note(index: dict[Any, list[Sighting]], key: Any, sighting: Sighting) -> None:
            alike[key] += 1
            if alike[key] <= MOST_ALIKE:
                index[key].append(sighting)
            else:
                self._cut[key].add(host.name)

        for sighting in host.sightings or ():
            if sighting.packet.tcp and sighting.packet.tcp.is_syn:
                note(self._syns_by_port, (host.name, sighting.packet.tcp.sport), sighting)
            for isn in _client_isns(sighting.packet):
                note(self._by_isn, isn, sighting)
            flow = _flow(sighting.packet)
            if flow:
                note(self._by_flow, flow, sighting)

    def attempt(self, probe: Probe, client: str) -> Attempt:
        """The attempt that ``probe`` describes, with its packets from every host."""
        if probe.local_address is None or probe.local_port is None:
            return Attempt(probe, None, [], {})
        local: Endpoint = (probe.local_address, probe.local_port)
        flow = frozenset((local, (probe.address, probe.port)))
        if self._shared(client, flow, probe):
            return Attempt(probe, None, [], {}, frozenset((client,)))
        by_flow = [sighting for sighting in self._by_flow.get(flow, ()) if sighting.host != client or _within(probe, sighting)]
        isn = _isn(by_flow, client)
        if isn is None:  # the client may translate addresses on its own way out, and keep the port
            isn = _isn([seen for seen in self._syns_by_port[client, probe.local_port] if _within(probe, seen)], client)
        if isn is not None and self._shared(client, isn, probe):
            return Attempt(probe, None, [], {}, frozenset((client,)))
        found = {id(sighting): sighting for sighting in by_flow}
        cut = set(self._cut.get(flow, ()))
        if isn is not None:
            found.update({id(sighting): sighting for sighting in self._by_isn[isn]})
            cut |= self._cut.get(isn, set())
            translated = list(dict.fromkeys(filter(None, (_flow(seen.packet) for seen in self._by_isn[isn]))))
            cut |= {seen.host for seen in self._by_isn[isn]} if len(translated) > MOST_TRANSLATIONS else set()
            for other in translated[:MOST_TRANSLATIONS]:  # behind the ACK only the 4-tuple tells
                found.update({id(seen): seen for seen in self._by_flow[other] if seen.host != client or _within(probe, seen)})
        sightings, more = _first(found.values())
        clients = {local} | {(s.packet.src, s.packet.tcp.sport) for s in sightings if s.packet.tcp and s.packet.tcp.is_syn}
        clocks = _clocks(sightings, client)
        rows = _rows(sightings, clients, clocks)
        _number_transmissions(rows)
        return Attempt(probe, isn, rows, clocks, more.union(cut))

    def _shared(self, client: str, key: object, probe: Probe) -> bool:
        """Whether more attempts claim the same packets than where ports are used again; several flows may ask for the same attempt."""
        known = self._sharing[client, key]
        if id(probe) in known:
            return False
        if len(known) < MOST_SHARING:
            known.add(id(probe))
            return False
        return True


def _first(found: Collection[Sighting]) -> tuple[list[Sighting], frozenset[str]]:
    """The first packets at each host, as many as any honest attempt has, and the hosts that have more."""
    kept: Counter[str] = Counter()
    sightings, cut = [], set()
    for sighting in sorted(found, key=lambda each: each.time) if len(found) > MOST_OF_ATTEMPT else found:
        kept[sighting.host] += 1
        if kept[sighting.host] <= MOST_OF_ATTEMPT:
            sightings.append(sighting)
        else:
            cut.add(sighting.host)
    return sightings, frozenset(cut)


def _within(probe: Probe, sighting: Sighting) -> bool:
    """An ephemeral port may serve two attempts one after the other: only the packets of this one count."""
    end = probe.started + max(probe.elapsed_ms or 0.0, probe.late_ms or 0.0) / 1000 + 2.5
    return probe.started - 0.05 <= sighting.time <= end


def _isn(sightings: list[Sighting], client: str) -> int | None:
    """The client's ISN, from its own recording where there is one."""
    syns = [s for s in sightings if s.packet.tcp and s.packet.tcp.is_syn]
    own = [s for s in syns if s.host == client]
    first = min(own or syns, key=lambda sighting: sighting.time, default=None)
    return first.packet.tcp.seq if first and first.packet.tcp else None


def _client_isns(packet: Packet) -> set[int]:
    """The client ISNs of the handshakes that a packet may belong to."""
    if packet.tcp:
        return _segment_isns(packet.tcp)
    quote = packet.icmp.quote if packet.icmp else None
    if quote is None:
        return set()
    if quote.tcp:
        return _segment_isns(quote.tcp)
    return set() if quote.seq is None else {quote.seq, (quote.seq - 1) % _MODULUS}


def _segment_isns(tcp: Tcp) -> set[int]:
    before_seq, before_ack = (tcp.seq - 1) % _MODULUS, (tcp.ack - 1) % _MODULUS
    if tcp.is_syn:
        return {tcp.seq}
    if tcp.is_syn_ack:
        return {before_ack}
    return {before_seq, before_ack} if tcp.flags & TcpFlags.ACK else {before_seq}


def _flow(packet: Packet) -> frozenset[Endpoint] | None:
    quote = packet.icmp.quote if packet.icmp else None
    if packet.tcp:
        return frozenset(((packet.src, packet.tcp.sport), (packet.dst, packet.tcp.dport)))
    if quote and quote.sport is not None and quote.dport is not None:
        return frozenset(((quote.src, quote.sport), (quote.dst, quote.dport)))
    return None


def kind_of(packet: Packet) -> str:
    """The place of a packet in a handshake."""
    tcp = packet.tcp
    if tcp is None:
        return "icmp"
    if tcp.is_rst:
        return "rst"
    if tcp.is_syn:
        return "syn"
    if tcp.is_syn_ack:
        return "syn_ack"
    if tcp.flags & TcpFlags.FIN:
        return "fin"
    return "data" if tcp.payload_length else "ack"


def _sender(packet: Packet, clients: set[Endpoint]) -> str:
    if packet.tcp is None:
        return packet.src
    if packet.tcp.is_syn or (packet.src, packet.tcp.sport) in clients:
        return "client"
    return "server"


def _identity(packet: Packet) -> tuple[object, ...]:
    tcp = packet.tcp
    if tcp is None:
        quote = packet.icmp.quote if packet.icmp else None
        return (packet.src, packet.ip_id, quote and (quote.seq, quote.ip_id))
    return (tcp.seq, tcp.ack, tcp.flags, packet.ip_id, tcp.options.timestamps)


def _clocks(sightings: list[Sighting], client: str) -> dict[str, Clock]:
    """Clock offsets of the other hosts, from packets seen both there and at the client (the computation of RFC 5905)."""
    at_client: dict[tuple[object, ...], float] = {}
    for sighting in sightings:
        if sighting.host == client:
            at_client.setdefault(_matching_key(sighting), sighting.time)
    forward: dict[str, float] = {}
    backward: dict[str, float] = {}
    for sighting in sightings:
        if sighting.host == client or _matching_key(sighting) not in at_client:
            continue
        ahead = sighting.time - at_client[_matching_key(sighting)]
        if sighting.packet.tcp and sighting.packet.tcp.is_syn_ack:
            backward[sighting.host] = max(backward.get(sighting.host, ahead), ahead)
        else:
            forward[sighting.host] = min(forward.get(sighting.host, ahead), ahead)
    clocks = {}
    for host in {sighting.host for sighting in sightings} - {client}:
        there, back = forward.get(host), backward.get(host)
        if there is not None and back is not None:
            clocks[host] = Clock((there + back) / 2, abs(there - back) / 2)
        elif there is not None or back is not None:
            clocks[host] = _one_way(there if there is not None else back)  # type: ignore[arg-type]
    return clocks


def _one_way(ahead: float) -> Clock:
    """One way tells the offset only up to the delay: small differences are taken for delay, large ones for the clock."""
    return Clock(ahead if abs(ahead) > SAME_PACKET_S / 2 else 0.0, None)


def _matching_key(sighting: Sighting) -> tuple[object, ...]:
    return (kind_of(sighting.packet), *_identity(sighting.packet))


def _rows(sightings: list[Sighting], clients: set[Endpoint], clocks: dict[str, Clock]) -> list[Row]:
    """Group sightings into packets, in the order of the client's clock."""

    def when(sighting: Sighting) -> float:
        return sighting.time - (clocks[sighting.host].offset if sighting.host in clocks else 0.0)

    def near(sighting: Sighting, row: Row) -> bool:
        tolerance = SAME_PACKET_S + sum(clocks[seen.host].error or 0.0 for seen in (sighting, row.seen[-1]) if seen.host in clocks)
        return abs(when(sighting) - when(row.seen[-1])) < tolerance

    rows: list[Row] = []
    by_kind: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for sighting in sorted(sightings, key=when):
        kind, sender = kind_of(sighting.packet), _sender(sighting.packet, clients)
        alike = by_kind[kind, sender]
        same = [row for row in alike if _same(row, sighting) and (_is_unique(sighting.packet) or near(sighting, row))]
        changed = [row for row in alike if near(sighting, row) and all(other.host != sighting.host for other in row.seen)]
        if same or changed:
            (same or changed)[0].seen.append(sighting)
        else:
            rows.append(Row(kind, sender, sighting.packet, [sighting]))
            alike.append(rows[-1])
    return rows


def _same(row: Row, sighting: Sighting) -> bool:
    """Whether it may be the same packet once more: elsewhere, or doubled on the way."""
    if _identity(row.packet) != _identity(sighting.packet):
        return False
    again = [other for other in row.seen if _same_place(sighting, other)]
    return _is_unique(sighting.packet) or all(abs(sighting.time - other.time) < DOUBLED_S for other in again)


def _is_unique(packet: Packet) -> bool:
    """Whether a retransmission of the packet would differ from it: by its timestamp or its IP ID."""
    return bool(packet.tcp and packet.tcp.options.timestamps) or bool(packet.tcp and packet.ip_id)


def _same_place(one: Sighting, other: Sighting) -> bool:
    return (one.host, one.interface, one.direction) == (other.host, other.interface, other.direction)


def _number_transmissions(rows: list[Row]) -> None:
    sent: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        sent[row.kind, row.sender] += 1
        row.transmission = sent[row.kind, row.sender]
