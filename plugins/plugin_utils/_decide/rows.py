# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The observations of one connection attempt, grouped into packets, and the clocks of the hosts that saw them.

Two observations are the same packet when kind, numbers, IP ID and timestamp agree, or, where something on the way rewrote those, when kind
and time agree. From there on it is known by what it was rewritten to, but not for ever: what rewrites may do so to all alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property

from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Packet, TcpFlags

from .._model.network_records import LOOPBACK
from .._model.recording import Endpoint, Observation

SAME_PACKET_S = 0.5  # observations of one packet are closer than this once clocks are aligned; retransmissions are 1 s apart
DOUBLED_S = 0.1  # a packet that was doubled on the way comes again at once


OPENING = ("syn", "syn_ack", "rst", "icmp")  # kinds of packets that recorders look at on all ports


@dataclass
class Row:
    """One packet, with each observation of it."""

    kind: str  # syn, syn_ack, ack, rst, fin, data, icmp
    sender: str  # client, server, or the address that an ICMP error came from
    packet: Packet
    seen: list[Observation] = field(default_factory=list)
    _keywords: KW_ONLY
    transmission: int = 1
    strays: list[Observation] = field(default_factory=list)  # at hosts that have no part in the flow
    others: set[tuple[object, ...]] = field(default_factory=set)  # its identities from where something rewrote its numbers
    _at: dict[tuple[str, str], Observation | None] = field(default_factory=dict, repr=False, compare=False)

    def at(self, host: str, direction: str) -> Observation | None:
        """The observation at a host, off the loopback interface where there is a choice. What a bridge of the host takes in comes in.

        Asked when all observations are known.
        """
        key = host, direction
        if key not in self._at:
            ways = [seen for seen in self.everywhere if seen.host == host]
            found = [seen for seen in ways if seen.direction == direction or (direction == "in" and seen.bridged)]
            self._at[key] = next((observation for observation in found if observation.interface != LOOPBACK), found[0] if found else None)
        return self._at[key]

    def stays_at(self, host: str) -> bool:
        """Whether the host's IP sent it to the host alone: by its loopback interface, or by a bridge of whose ports none sent it."""
        left = [seen for seen in self.everywhere if (seen.host, seen.direction) == (host, "out")]
        return bool(left) and all(seen.on_bridge or seen.interface == LOOPBACK for seen in left)

    @cached_property
    def identity(self) -> tuple[object, ...]:
        """The numbers by which its observations are known."""
        return _identity(self.packet)

    @property
    def everywhere(self) -> list[Observation]:
        return [*self.seen, *self.strays] if self.strays else self.seen


@dataclass(frozen=True)
class Clock:
    """How far a host's clock is ahead of the client's, in seconds; ``error`` is half the smallest round trip, ``None`` when only one "
    "way was seen."""

    offset: float
    error: float | None


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


def clocks_of(observations: list[Observation], client: str) -> dict[str, Clock]:
    """Clock offsets of the other hosts, from packets seen both there and at the client (the computation of RFC 5905)."""
    at_client: dict[tuple[object, ...], float] = {}
    for observation in observations:
        if observation.host == client:
            at_client.setdefault(_matching_key(observation), observation.time)
    forward: dict[str, float] = {}
    backward: dict[str, float] = {}
    for observation in observations:
        left = None if observation.host == client else at_client.get(_matching_key(observation))
        if left is None:
            continue
        ahead = observation.time - left
        if observation.packet.tcp and observation.packet.tcp.is_syn_ack:
            backward[observation.host] = max(backward.get(observation.host, ahead), ahead)
        else:
            forward[observation.host] = min(forward.get(observation.host, ahead), ahead)
    clocks = {}
    for host in dict.fromkeys(observation.host for observation in observations if observation.host != client):
        there, back = forward.get(host), backward.get(host)
        if there is not None and back is not None:
            clocks[host] = Clock((there + back) / 2, abs(there - back) / 2)
        elif there is not None or back is not None:
            clocks[host] = _one_way(there if there is not None else back)  # type: ignore[arg-type]
        elif clock := _by_order(observations, client, host):
            clocks[host] = clock
    return clocks


def _by_order(observations: Sequence[Observation], client: str, host: str) -> Clock | None:
    """The clock of a host whose packets have other numbers than the client's, if it is far from the client's.

    One SYN and one SYN-ACK at each of them, which both say the same of the clocks, are the same handshake.
    """
    ahead: dict[str, float] = {}
    for kind in ("syn", "syn_ack"):
        alike = [[seen for seen in observations if seen.host == name and kind_of(seen.packet) == kind] for name in (client, host)]
        if any(len({_identity(seen.packet) for seen in each}) != 1 for each in alike):
            return None
        left, came = (min(seen.time for seen in each) for each in alike)
        ahead[kind] = came - left
    offset, error = sum(ahead.values()) / 2, abs(ahead["syn"] - ahead["syn_ack"]) / 2
    return Clock(offset, error) if error < SAME_PACKET_S / 2 < abs(offset) else None


def _one_way(ahead: float) -> Clock:
    """One direction gives the offset only up to the delay: small differences are taken for delay, large ones for the clock."""
    return Clock(ahead if abs(ahead) > SAME_PACKET_S / 2 else 0.0, None)


def _matching_key(observation: Observation) -> tuple[object, ...]:
    return (kind_of(observation.packet), *_identity(observation.packet))


def rows_of(observations: Sequence[Observation], clients: set[Endpoint], clocks: dict[str, Clock]) -> list[Row]:
    """Group observations into packets, in the order of the client's clock."""
    rows: list[Row] = []
    by_kind: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for observation in sorted(observations, key=lambda each: _when(each, clocks)):
        kind, sender = kind_of(observation.packet), _sender(observation.packet, clients)
        row = _row_of(observation, by_kind[kind, sender], clocks)
        if row:
            row.seen.append(observation)
        else:
            rows.append(Row(kind, sender, observation.packet, [observation]))
            by_kind[kind, sender].append(rows[-1])
    return rows


def attach(strays: Sequence[Observation], rows: Sequence[Row], clients: set[Endpoint], clocks: dict[str, Clock]) -> list[Row]:
    """Note other hosts' observations at the packets that they are of; those of no packet are returned, as packets of their own."""
    by_kind: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[row.kind, row.sender].append(row)
    unknown: list[Observation] = []
    for observation in sorted(strays, key=lambda each: _when(each, clocks)):
        found = _row_of(observation, by_kind[kind_of(observation.packet), _sender(observation.packet, clients)], clocks)
        (found.strays if found else unknown).append(observation)
    return rows_of(unknown, clients, clocks)


def _row_of(observation: Observation, alike: Sequence[Row], clocks: dict[str, Clock]) -> Row | None:
    """The packet of which this is one more observation, of those of its kind; from here on it is known by its numbers there as well."""

    def near(row: Row) -> bool:
        tolerance = SAME_PACKET_S + sum(clocks[seen.host].error or 0.0 for seen in (observation, row.seen[-1]) if seen.host in clocks)
        return abs(_when(observation, clocks) - _when(row.seen[-1], clocks)) < tolerance

    identity, unique = _identity(observation.packet), _is_unique(observation.packet)
    for row in alike:
        known = row.identity == identity
        if (known and unique) or ((known or identity in row.others) and near(row) and _at_once(row, observation)):
            return row
    renumbered = next((row for row in alike if all(other.host != observation.host for other in row.everywhere) and near(row)), None)
    if renumbered:
        renumbered.others.add(identity)
    return renumbered


def _when(observation: Observation, clocks: dict[str, Clock]) -> float:
    return observation.time - (clocks[observation.host].offset if observation.host in clocks else 0.0)


def _at_once(row: Row, observation: Observation) -> bool:
    """Whether it may be the same packet once more: elsewhere, or doubled on the way."""
    again = [other for other in row.everywhere if _same_place(observation, other)]
    return all(abs(observation.time - other.time) < DOUBLED_S for other in again)


def _is_unique(packet: Packet) -> bool:
    """Whether a retransmission of the packet would differ from it: by its timestamp or its IP ID."""
    return bool(packet.tcp and packet.tcp.options.timestamps) or bool(packet.tcp and packet.ip_id)


def _same_place(one: Observation, other: Observation) -> bool:
    return (one.host, one.interface, one.direction) == (other.host, other.interface, other.direction)


def number_transmissions(rows: list[Row]) -> None:
    sent: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        sent[row.kind, row.sender] += 1
        row.transmission = sent[row.kind, row.sender]
