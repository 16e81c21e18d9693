# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The short way of flows that are plainly well, which in a fleet are nearly all.

Every attempt connected, SYN, SYN-ACK and ACK were recorded at both ends, once and alike, and nothing that any detector of anomalies or
any rule for completed handshakes looks at is unusual at either end. Such a flow needs neither a timeline nor the catalogue to be ``ok``,
without a cause and without a remark. Whatever is unusual in the least sends it the long way, which decides: the answer is the same.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import SLOW_MS

from .._model.glimpses import backwards, glimpses
from .._model.host import Host
from .._model.recording import Ends, Recording, both_ways
from .._plan.declared import Declared
from .._plan.plan import Entry
from .fleet import Fleet
from .observed import parties
from .packet_index import client_isns, flow_of, isns_of
from .usual_attempts import Ports, Usual, answered_as_usual, attempts_of, left_as_usual
from .usual_ends import UsualEnd

_MOST_ATTEMPTS = 100


class PlainlyWell:
    """Which entries of a run are plainly well, and how long their attempts took.

    Hosts are noted one after the other, those that dial before those that only answer: of what each one recorded no more is kept than what
    is compared. No entry between two hosts that are to be looked at ``closely`` is among them.
    """

    def __init__(self, entries: Sequence[Entry], declared: Declared, closely: Container[str] = ()) -> None:
        self._entries, self._declared, self._closely = entries, declared, closely
        self._of_client, self._of_server = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
        self._parts = defaultdict[str, list[int]](list)
        for number, entry in enumerate(entries):
            self._of_client[entry.client].append(number)
            if entry.server is not None and entry.server != entry.client:
                self._of_server[entry.server].append(number)
            for name in (entry.client, *entry.via, entry.server):
                if name is not None:
                    self._parts[name].append(number)
        self._dialled = Counter((entry.flow, entry.client, entry.address, entry.port) for entry in entries)
        self._usual: dict[int, Usual] = {}
        self._ways = array("q")  # hashes of how all attempts begin
        self._ends = Counter[str]()  # how many ways packets go in the recording of a host
        self._quoted, self._numbers = set[Ends](), array("I")  # of attempts and ISNs in packets that are no TCP
        self._quoting = set[str]()  # hosts that have such
        self._dialling = set[str]()  # those of which it is known what they dialled
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._later: list[tuple[UsualEnd, Mapping[Ends, bytes]]] = []
        """What hosts that dial saw, until it can be said what they answered."""

    def order(self, hosts: Iterable[str]) -> list[str]:
        """The hosts in the order in which they are to be noted."""
        return sorted(hosts, key=lambda name: name not in self._of_client)

    def note(self, host: Host) -> bool:
        """What a host saw. Whether all entries are plainly well that it has a part in, as far as that is known."""
        seen = dict[Ends, bytes]()
        if host.observations is not None:
            seen = glimpses(host.observations)
            self._ends[host.name] = len(host.observations.tcp)
            self._note_quoted(host.observations)
        end = UsualEnd(host, self._declared)
        if host.name not in self._of_client:
            self._note_server(end, seen)
        else:
            self._note_client(end, seen)
            if host.name in self._of_server:
                self._later.append((end, seen))
        usual = all(number in self._usual or self._entries[number].client not in self._dialling for number in self._parts[host.name])
        if usual and host.observations is not None:
            host.observations.close()
        return usual

    def times(self, fleet: Fleet) -> list[Sequence[float] | None]:
        """How many milliseconds the attempts of each entry took that is plainly well; None of any other. When all hosts are noted."""
        for end, seen in self._later:
            self._note_server(end, seen)
        self._later.clear()
        known = {
            number: found
            for number, found in self._usual.items()
            if found.answered and all(_have_alone(fleet, self._entries[number], local) for local in found.locals)
        }
        strange = self._quoted.union(*(ways for _recording, ways in self._beside(known, fleet)))
        again = _more_than_once(self._ways)
        for number, found in [*known.items()] if strange or again else ():
            ways = [way for way, _seen in found.attempts()]
            if any(hash(way) in again or way in strange or backwards(way) in strange for way in ways):
                del known[number]
        # Packets of no such entry may be of one all the same, translated. Two such entries may have the same number: of many, some do.
        numbers = {*self._numbers}
        for recording, beside in self._beside(known, fleet):
            numbers.update(isn for each in beside for packet in recording.numbers(each) for isn in isns_of(*packet))
        well = (known.get(number) for number in range(len(self._entries)))
        return [found.elapsed_ms if found and (not numbers or numbers.isdisjoint(found.isns())) else None for found in well]

    def concerned(self, times: Sequence[Sequence[float] | None]) -> set[str]:
        """The hosts with a part in any other entry than those with `times`, or with a packet that is of none of these."""
        others = (entry for entry, each in zip(self._entries, times, strict=True) if each is None)
        beside = self._recorded_beside((number, each) for number, each in enumerate(times) if each is not None)
        return {*self._quoting, *beside, *(name for entry in others for name, _role in parties(entry))}

    def _note_quoted(self, recording: Recording) -> None:
        """Note the packets that ICMP errors quote: they may be of attempts."""
        for seen in recording.others:
            numbers, flow = client_isns(seen.packet), flow_of(seen.packet)
            self._numbers.extend(numbers)
            if flow:
                one, *more = flow
                self._quoted.update(both_ways(one, more[0] if more else one))
            if numbers or flow:
                self._quoting.add(recording.host)

    def _note_client(self, client: UsualEnd, seen: Mapping[Ends, bytes]) -> None:
        tried, ports, slow = attempts_of(client.host.probes), Ports(client.host), _names_that_took_long(client.host)
        self._dialling.add(client.host.name)
        for number in self._of_client[client.host.name]:
            entry = self._entries[number]
            attempts = tried.get(entry.dial, [])
            self._ways.extend(hash(each.way) for each in attempts)
            if (
                client.whole
                and entry.server is not None
                and entry.server != entry.client
                and not (entry.client in self._closely and entry.server in self._closely)
                and not (entry.via or entry.source or entry.expect != "open" or entry.address in slow)
                and self._dialled[entry.flow, entry.client, entry.address, entry.port] == 1
                and 0 < len(attempts) <= _MOST_ATTEMPTS
                and (found := left_as_usual(entry, client, attempts, seen, ports)) is not None
            ):
                found.locals = self._known.setdefault(found.locals, found.locals)
                self._usual[number] = found

    def _note_server(self, server: UsualEnd, seen: Mapping[Ends, bytes]) -> None:
        for number in self._of_server[server.host.name]:
            found = self._usual.get(number)
            if found is not None:
                found.answered = server.whole and answered_as_usual(self._entries[number], server, found, seen)
                if not found.answered:
                    del self._usual[number]

    def _recorded_beside(self, known: Iterable[tuple[int, Sequence[float]]]) -> list[str]:
        """The hosts that recorded packets of none of these entries, of which it is known how long their attempts took."""
        counted = Counter[str]()
        for number, elapsed_ms in known:
            entry = self._entries[number]  # which has no more parties than its ends
            counted[entry.client] += 2 * len(elapsed_ms)
            counted[entry.server or ""] += 2 * len(elapsed_ms)
        return [name for name, count in self._ends.items() if count != counted[name]]

    def _beside(self, known: Mapping[int, Usual], fleet: Fleet) -> Iterator[tuple[Recording, set[Ends]]]:
        """The ends of recorded packets that belong to none of these entries."""
        for name in self._recorded_beside((number, found.elapsed_ms) for number, found in known.items()) if known else ():
            recording, numbers = fleet.hosts[name].observations, [number for number in self._parts[name] if number in known]
            if recording is not None:
                own = {way for number in numbers for forth, _seen in known[number].attempts() for way in (forth, backwards(forth))}
                yield recording, recording.tcp.keys() - own


def _have_alone(fleet: Fleet, entry: Entry, local: str) -> bool:
    """Whether no other host has the address of either end."""

    def looked_up() -> bool:
        ends = ((entry.client, local), (entry.server, entry.address))
        owners = [(owner.host.name, end) for end, address in ends for owner in fleet.owners(address)]
        return len(owners) <= 2 and all(owner == end for owner, end in owners)

    return fleet.once(("have alone", entry.client, entry.server, entry.address, local), looked_up)


def _more_than_once(numbers: array[int]) -> set[int]:
    return {one for one, other in pairwise(sorted(numbers)) if one == other}


def _names_that_took_long(host: Host) -> frozenset[str]:
    """The names for which a client had to wait for its resolver, or got no address."""
    asked = zip(*map(host.resolutions.each, ("name", "error", "elapsed_ms")), strict=True)
    return frozenset(name for name, error, elapsed_ms in asked if error or (elapsed_ms or 0.0) >= SLOW_MS)
