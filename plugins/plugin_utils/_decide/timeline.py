# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Match the packets of all vantage points into one timeline per connection attempt.

A packet belongs to an attempt by the client's initial sequence number (ISN), which NAT leaves alone, or by its 4-tuple, which a
sequence-rewriting middlebox leaves alone.

Only the hosts that have a part in a flow say what its packets are. What others recorded is kept beside it: it may be a mistake or a lie,
and must not change how far these handshakes came.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace

from .._model.host import Host
from .._model.probe_records import Probe
from .._model.recording import Endpoint, Observation
from .packet_index import PacketIndex, client_isns, flow_of
from .rows import Clock, Row, attach, clocks_of, number_transmissions, rows_of

MOST_OF_ATTEMPT = 300  # packets at one host that are matched; honest attempts have a few dozen
MOST_TRANSLATIONS = 8  # of one attempt on its way
MOST_SHARING = 10  # attempts with the same addresses and ports, one after the other, or with the same ISN


@dataclass
class Attempt:
    """One connect() with all packets that belong to it; times of rows are the client's."""

    probe: Probe
    isn: int | None
    rows: list[Row]
    clocks: dict[str, Clock]
    _keywords: KW_ONLY
    cut: frozenset[str] = frozenset()
    """Hosts with more packets of it than are looked at."""
    strays: list[Row] = field(default_factory=list)
    """Packets that only hosts without a part in the flow recorded."""
    _of: dict[tuple[str, str | None], list[Row]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def everything(self) -> list[Row]:
        """What anybody recorded, in the order of the client's clock."""
        return sorted((*self.rows, *self.strays), key=lambda row: self.when(row.everywhere[0])) if self.strays else self.rows

    def of(self, kind: str, sender: str | None = None) -> list[Row]:
        found = self._of.get((kind, sender))
        if found is None:
            found = self._of[kind, sender] = [row for row in self.rows if row.kind == kind and sender in (None, row.sender)]
        return found

    def hears(self, host: str, direction: str) -> bool:
        """Whether a recorder there looks at all of its packets: on another port than the one dialled, as behind an address translation, it
        records those that open a connection or refuse it."""
        syn = next((seen for row in self.of("syn") if (seen := row.at(host, direction))), None)
        return syn is None or syn.packet.tcp is None or syn.packet.tcp.dport == self.probe.port

    def count(self, kind: str, host: str, direction: str, sender: str | None = None) -> int:
        """How many packets of a kind were seen at a host."""
        return sum(row.at(host, direction) is not None for row in self.of(kind, sender))

    def counted(self, kind: str, host: Host, direction: str, sender: str | None = None) -> int:
        """How many of them were seen before the host's counters were read: these may have counted them."""
        until = host.counters_until
        return sum((seen := row.at(host.name, direction)) is not None and seen.time <= until for row in self.of(kind, sender))

    def answered_transmission(self) -> int | None:
        """Which transmission of the SYN the first SYN-ACK answers: its TSecr echoes that SYN's TSval (RFC 7323)."""
        for answer in self.of("syn_ack"):
            echoed = answer.packet.tcp.options.timestamps if answer.packet.tcp else None
            for syn in self.of("syn"):
                sent = syn.packet.tcp.options.timestamps if syn.packet.tcp else None
                if echoed and sent and echoed[1] == sent[0]:
                    return syn.transmission
        return None

    def when(self, observation: Observation) -> float:
        """The time of an observation by the client's clock, in seconds."""
        clock = self.clocks.get(observation.host)
        return observation.time - (clock.offset if clock else 0.0)


class Packets:
    """All observations of a run, and which attempt they are of."""

    def __init__(self, hosts: Iterable[Host] = ()) -> None:
        self._index = PacketIndex()
        self._sharing: dict[object, set[int]] = defaultdict(set)
        for host in hosts:
            self.add(host)

    def add(self, host: Host) -> None:
        """The packets that a host recorded."""
        self._index.add(host)

    def attempt(self, probe: Probe, client: str, parties: Collection[str]) -> Attempt:
        """The attempt that ``probe`` describes, with its packets from every host; ``parties``: those that have a part in the flow."""
        if probe.local_address is None or probe.local_port is None:
            return Attempt(probe, None, [], {})
        local: Endpoint = (probe.local_address, probe.local_port)
        flow = frozenset((local, (probe.address, probe.port)))
        if self._shared(client, flow, probe):
            return Attempt(probe, None, [], {}, cut=frozenset((client,)))

        begun, ended = _span(probe)
        next_one = self._index.next_start(client, probe.local_port, probe.started)

        def of_probe(observations: Iterable[Observation]) -> list[Observation]:
            return [seen for seen in observations if seen.host != client or (begun <= seen.time <= ended and seen.time < next_one)]

        by_flow = of_probe(self._index.of_flow(flow))
        isn = _isn([seen for seen in by_flow if seen.host in parties], client)
        if isn is None:  # the client may translate addresses on its own way out, and keep the port
            isn = _isn(of_probe(self._index.syns_from(client, probe.local_port)), client)
        if isn is not None and self._shared(client, isn, probe):
            return Attempt(probe, None, [], {}, cut=frozenset((client,)))
        by_isn = self._index.of_isn(isn) if isn is not None else []
        found = {id(observation): observation for observation in (*by_flow, *by_isn)}
        cut = {name for key in (flow, isn) for name in self._index.cut.get(key, ())}
        flows, more = _translated([seen for seen in by_isn if seen.host in parties])
        translated = [other for other in flows if other != flow]
        for other in translated:  # after the ACK only the 4-tuple identifies it
            found.update({id(seen): seen for seen in of_probe(self._index.of_flow(other))})
        alike = (seen for each in (flow, *translated) for seen in self._index.of_flow(each))
        again = {seq for seen in alike if (seq := _syn(seen)) is not None} - {isn}
        others = self._index.dialled & again if again else again
        observations, most = _first(_of_connection(found.values(), isn, others, client) if others else found.values())
        own = [seen for seen in observations if seen.host in parties]
        strays = [seen for seen in observations if seen.host not in parties]
        clients = {local} | {(s.packet.src, s.packet.tcp.sport) for s in own if s.packet.tcp and s.packet.tcp.is_syn}
        clocks = clocks_of(observations, client)
        rows = rows_of(own, clients, clocks)
        apart = attach(strays, rows, clients, clocks)
        number_transmissions(rows)
        number_transmissions(apart)
        return Attempt(probe, isn, rows, clocks, cut=frozenset(cut.union(more, most).intersection(parties)), strays=apart)

    def ports_of(self, probes: Sequence[Probe], parties: Collection[str]) -> list[Probe]:
        """Handshakes that another program made, which does not report their ports, with those of the connections that came from the client.

        Only where there are as many of these as handshakes, which began one after the other, is it known which is which.
        """
        first = probes[0]
        if first.local_address is None or not any(probe.via for probe in probes):
            return list(probes)
        seen: dict[str, dict[int, float]] = defaultdict(dict)
        for host, port in self._index.syn_ports(parties):
            for each in self._index.syns_from(host, port):
                packet = each.packet
                if packet.tcp and (packet.src, packet.dst, packet.tcp.dport) == (first.local_address, first.address, first.port):
                    seen[host][port] = min(each.time, seen[host].get(port, each.time))
        ports = {port for times in seen.values() for port in times}
        whole = next((times for times in seen.values() if len(times) == len(ports)), {})
        if len(whole) != len(probes):
            return list(probes)
        in_order = sorted(probes, key=lambda probe: probe.started)
        return [replace(probe, local_port=port) for probe, port in zip(in_order, sorted(whole, key=whole.__getitem__), strict=True)]

    def _shared(self, client: str, key: object, probe: Probe) -> bool:
        """Whether more attempts claim the same packets than where ports are used again; several flows may ask for the same attempt."""
        known = self._sharing[client, key]
        if id(probe) in known:
            return False
        if len(known) < MOST_SHARING:
            known.add(id(probe))
            return False
        return True


def _translated(observations: Iterable[Observation]) -> tuple[list[frozenset[Endpoint]], set[str]]:
    """The addresses and ports that an ISN was seen with, and the hosts that report more of them than any path has."""
    found: dict[str, dict[frozenset[Endpoint], None]] = defaultdict(dict)
    for observation in observations:
        if flow := flow_of(observation.packet):
            found[observation.host][flow] = None
    flows = dict.fromkeys(flow for flows_seen in found.values() for flow in list(flows_seen)[:MOST_TRANSLATIONS])
    return list(flows), {host for host, flows_seen in found.items() if len(flows_seen) > MOST_TRANSLATIONS}


def _first(found: Collection[Observation]) -> tuple[list[Observation], frozenset[str]]:
    """The first packets at each host, as many as any honest attempt has, and the hosts that have more."""
    kept: Counter[str] = Counter()
    observations, cut = [], set()
    for observation in sorted(found, key=lambda each: each.time) if len(found) > MOST_OF_ATTEMPT else found:
        kept[observation.host] += 1
        if kept[observation.host] <= MOST_OF_ATTEMPT:
            observations.append(observation)
        else:
            cut.add(observation.host)
    return observations, frozenset(cut)


def _of_connection(observations: Iterable[Observation], isn: int | None, others: set[int], client: str) -> list[Observation]:
    """Those at other hosts that are of the connection with an ISN, and of none with the same addresses and ports before it or after it.

    Where a SYN came, those until the next connection's are its own; elsewhere those whose numbers are.
    """
    by_host: dict[str, list[Observation]] = defaultdict(list)
    for seen in observations:
        by_host[seen.host].append(seen)
    kept = by_host.pop(client, [])
    for there in by_host.values():
        syns = [(seen.time, seq) for seen in there if (seq := _syn(seen)) is not None]
        began = min((time for time, seq in syns if seq == isn), default=None)
        ended = min((time for time, seq in syns if seq in others and began is not None and time > began), default=math.inf)
        foreign = began is None and any(seq in others for _time, seq in syns)
        for seen in there:
            numbers = client_isns(seen.packet)
            if isn in numbers or not (foreign or numbers & others or seen.time >= ended or seen.time < (began or 0.0)):
                kept.append(seen)
    return kept


def _syn(observation: Observation) -> int | None:
    """The number of a SYN; None of any other packet."""
    tcp = observation.packet.tcp
    return tcp.seq if tcp and tcp.is_syn else None


def _span(probe: Probe) -> tuple[float, float]:
    """An ephemeral port may serve two attempts one after the other: only the packets of this one count."""
    return probe.started - 0.05, probe.started + max(probe.elapsed_ms or 0.0, probe.late_ms or 0.0) / 1000 + 2.5


def _isn(observations: list[Observation], client: str) -> int | None:
    """The client's ISN, from its own recording where there is one."""
    syns = [s for s in observations if s.packet.tcp and s.packet.tcp.is_syn]
    own = [s for s in syns if s.host == client]
    first = min(own or syns, key=lambda observation: observation.time, default=None)
    return first.packet.tcp.seq if first and first.packet.tcp else None
