# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The short way of flows that are plainly well: of a fleet, nearly all.

Every attempt connected, SYN, SYN-ACK and ACK were recorded at both ends, once and alike, and nothing that any detector of anomalies or
any rule for completed handshakes looks at is unusual at either end. Such a flow needs neither a timeline nor the catalogue to be ``ok``,
without a cause and without a remark. Whatever is unusual in the least sends it the long way, which decides: the answer is the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import SLOW_MS
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Place
from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import TcpFlags

from .._model.firewall_records import Verdict
from .._model.host import Host
from .._model.probe_records import Probe
from .._model.recording import Ends, Recording, ends
from .._plan.declared import Declared
from .._plan.plan import Entry
from .anomalies.neighbours import unanswered
from .causes.altered import slow_ms
from .fleet import Fleet
from .packet_index import SYN_BITS, client_isns, flow_of, isns_of

_IN, _OUT = 0, 4  # linux/if_packet.h PACKET_HOST, PACKET_OUTGOING
_SYN, _SYN_ACK, _ACK = TcpFlags.SYN, TcpFlags.SYN | TcpFlags.ACK, TcpFlags.ACK
_FLAGS = TcpFlags.FIN | TcpFlags.PSH | SYN_BITS
_BREAKING = TcpFlags.SYN | TcpFlags.RST
_AT_ONCE_MS = 100  # within which SYN and SYN-ACK follow each other, and an application that waits less long may find that slow
_MOST_ATTEMPTS, _MOST_PACKETS = 100, 20

Way = tuple[Ends, Ends]
"""How the packets of an attempt begin, forth and back."""


class PlainlyWell:
    """Which entries of a run are plainly well, and with which attempts."""

    def __init__(self, entries: Sequence[Entry], hosts: Mapping[str, Host], fleet: Fleet, declared: Declared) -> None:
        self._hosts, self._fleet, self._declared = hosts, fleet, declared
        self._usual = cache(self._is_usual)
        self._usual_pair = cache(self._is_usual_pair)
        self._usual_port = cache(self._is_usual_port)
        self._slow_names = cache(self._names_that_took_long)
        self._ports = {host.name: Counter(probe.local_port for probe in host.probes) for host in hosts.values()}
        self._others: set[Ends] = set()
        self._numbers: Counter[int] = Counter()
        tried = [(entry, _ways(fleet.attempts(hosts[entry.client], entry.dial))) for entry in entries]
        times = Counter(there for _entry, ways in tried for there, _back in ways)
        self._dialled = Counter((entry.flow, entry.client, entry.address, entry.port) for entry in entries)
        self._note_others(tried)
        self._well: list[tuple[Sequence[Probe], list[int]] | None] = []
        for entry, ways in tried:
            found = self._examined(entry, ways) if all(times[there] == 1 for there, _back in ways) else None
            self._well.append(found)
            if found:
                self._numbers.update(found[1])
            else:
                self._note(entry, ways)

    def attempts(self) -> list[Sequence[Probe] | None]:
        """Those of each entry that is plainly well; None of any other."""
        numbers = self._numbers
        return [found[0] if found and all(numbers[number] == 1 for number in found[1]) else None for found in self._well]

    def _note_others(self, tried: Sequence[tuple[Entry, Sequence[Way]]]) -> None:
        """What is recorded of no attempt by its own ends: it may be of one all the same, by its number or seen at a third host."""
        known: dict[str, set[Ends]] = defaultdict(set)
        for entry, ways in tried:
            for name in (entry.client, entry.server):
                if name is not None:
                    known[name].update(each for way in ways for each in way)
        for host in self._hosts.values():
            if host.observations is None:
                continue
            for each in host.observations.tcp.keys() - known[host.name]:
                self._others.add(each)
                self._count(host.observations, each)
            for seen in host.observations.others:
                self._numbers.update(dict.fromkeys(client_isns(seen.packet), 1))
                if flow := flow_of(seen.packet):
                    one, *more = flow
                    self._others |= {ends(one, more[0] if more else one), ends(more[0] if more else one, one)}

    def _note(self, entry: Entry, ways: Iterable[Way]) -> None:
        """The numbers of an entry that goes the long way."""
        for name in filter(None, (entry.client, entry.server)):
            for each in (each for way in ways for each in way):
                self._count(self._hosts[name].observations, each)

    def _count(self, recording: Recording | None, each: Ends) -> None:
        if recording is not None:
            for place in recording.tcp.get(each, ()):
                self._numbers.update(isns_of(*recording.numbers(place)))

    def _examined(self, entry: Entry, ways: Sequence[Way]) -> tuple[Sequence[Probe], list[int]] | None:
        """The attempts of an entry and their ISNs, where everything is usual."""
        client, server = self._hosts[entry.client], self._hosts.get(entry.server or "")
        probes = self._fleet.attempts(client, entry.dial)
        if (
            server is None
            or server is client
            or entry.via
            or entry.source
            or entry.expect != "open"
            or self._dialled[entry.flow, entry.client, entry.address, entry.port] != 1
            or not 0 < len(probes) == len(ways) <= _MOST_ATTEMPTS
            or not (self._usual(client.name) and self._usual(server.name))
            or not self._usual_port(server.name, entry.port)
            or entry.address in self._slow_names(client.name)
            or ((opened := server.delta("Tcp", "PassiveOpens")) is not None and opened < len(probes))
        ):
            return None
        here, there = client.observations, server.observations
        if here is None or there is None:
            return None
        at_once_ns = int(1e6 * min(_AT_ONCE_MS, slow_ms(entry.timeout)))
        left, numbers = dict[tuple[str | None, int | None, int, int], tuple[str, str]](), list[int]()
        lives_here, lives_there = set[int](), set[int]()
        for probe, way in zip(probes, ways, strict=True):
            if not _is_usual_probe(probe) or (probe.address, probe.port) != (entry.address, entry.port) or not self._others.isdisjoint(way):
                return None
            places = [recording.tcp.get(each, []) for recording in (here, there) for each in way]
            if not (self._is_in_time(client, probe, places[0]) and _follow(here, there, places, at_once_ns)):
                return None
            sent, got, arrived, answered = places
            if not (
                _are_usual(here, sent, _OUT, 2, set())
                and _are_usual(here, got, _IN, 1, lives_here)
                and _are_usual(there, arrived, _IN, 2, lives_there)
                and _are_usual(there, answered, _OUT, 1, set())
            ):
                return None
            way_out = (probe.local_address, probe.uid, sent[0].ifindex, answered[0].ifindex)
            if way_out not in left:
                left[way_out] = here.interface(sent[0]), there.interface(answered[0])
            numbers.append(here.numbers(sent[0])[0])
        known = all(self._usual_pair(client.name, server.name, entry.address, *each[:2], *left[each]) for each in left)
        return (probes, numbers) if known and len(lives_here) == len(lives_there) == 1 else None

    def _is_in_time(self, client: Host, probe: Probe, sent: Sequence[Place]) -> bool:
        """Whether SYN and ACK left the client while it made this attempt, and no other one from the same port."""
        if not 2 <= len(sent) <= _MOST_PACKETS:
            return False
        began, ended = probe.started - 0.05, probe.started + (probe.elapsed_ms or 0.0) / 1000 + 1.0
        if not began <= sent[0].ts_ns / 1e9 <= sent[1].ts_ns / 1e9 <= ended:
            return False
        alike = client.probes if self._ports[client.name][probe.local_port] > 1 else ()
        return not any(other.local_port == probe.local_port and probe.started < other.started < ended for other in alike)

    def _is_usual(self, name: str) -> bool:
        """Whether nothing that is asked of a whole host is unusual."""
        host = self._hosts[name]
        before, after = host.before, host.after
        return (
            before is not None
            and after is not None
            and host.saw_everything
            and not (host.captured or host.point or host.traced_probes)
            and (host.temporary_listeners is None or not (host.temporary_listeners.ends or host.temporary_listeners.taken))
            and all(each.state == "invalid" or _lets_through(each) for each in host.rulings.all())
            and not after.xinetd
            and all(socket.state != "SYN_RECV" for socket in after.sockets or ())
            and not unanswered(host)
        )

    def _names_that_took_long(self, name: str) -> frozenset[str]:
        """What a client asked its resolver for, and had to wait for, or was not told."""
        asked = self._hosts[name].resolutions
        return frozenset(each.name for each in asked if each.error or (each.elapsed_ms or 0.0) >= SLOW_MS)

    def _is_usual_port(self, name: str, port: int) -> bool:
        """Whether nobody waits to be accepted there, few connections are half-open, no program passes connections on to another, and the
        units that should serve it run."""
        host = self._hosts[name]
        if host.snapshot is None:
            return True
        served = all(listener.recv_q == 0 for listener in host.snapshot.listeners_on.get(port, ()))
        crowded = (each.port for snapshot in (host.before, host.after) if snapshot for each in snapshot.half_open or ())
        stopped = any(unit.port == port and unit.active != "active" for unit in host.snapshot.units or ())
        return served and not stopped and port not in crowded and all(relay.port != port for relay in host.snapshot.relays or ())

    def _is_usual_pair(self, client: str, server: str, address: str, local: str | None, uid: int | None, left: str, answered: str) -> bool:
        """Whether both ends have the addresses, nobody else has, and the packets leave by the interfaces that the routes name.

        ``left``, ``answered``: the interfaces by which the SYN and the SYN-ACK left.
        """
        here, there = self._hosts[client], self._hosts[server]
        if local is None or not (here.owns(local) and there.owns(address)):
            return False
        owners = [(owner.host, end) for end, address_ in ((here, local), (there, address)) for owner in self._fleet.owners(address_)]
        if len(owners) > 2 or any(owner is not end for owner, end in owners):
            return False
        beside = [entry.address for entry in (here.snapshot.addresses if here.snapshot else None) or ()]
        if not self._declared.has(client, local) and any(self._declared.has(client, each) for each in beside):
            return False
        routes = ((here.route(address, None, uid), left), (there.route(local, address), answered))
        return all(route is None or route.interface in (None, interface) for route, interface in routes)


def _ways(probes: Sequence[Probe]) -> list[Way]:
    """How the packets of attempts begin; fewer than attempts where one has no ends."""
    return [
        (ends((probe.local_address, probe.local_port), end), ends(end, (probe.local_address, probe.local_port)))
        for probe in probes
        if probe.local_address is not None and probe.local_port is not None
        for end in [(probe.address, probe.port)]
    ]


def _lets_through(verdict: Verdict) -> bool:
    """Whether a firewall lets a packet through as it is, whoever sends it."""
    return verdict.verdict == "accept" and not (verdict.users or verdict.rewritten or verdict.undecided)


def _is_usual_probe(probe: Probe) -> bool:
    """Whether it connected in time, and the connection then stayed as it was."""
    unusual = (probe.via, probe.errno, probe.late_ms, probe.late_errno, probe.icmp, probe.awaited_ms)
    usual = probe.connected and probe.stage == "done" and probe.peer == "open" and not probe.ended and probe.elapsed_ms is not None
    return usual and not any(each is not None for each in unusual)


def _follow(here: Recording, there: Recording, places: Sequence[Sequence[Place]], at_once_ns: int) -> bool:
    """Whether SYN, SYN-ACK and ACK are alike at both ends, belong together, and follow each other at once.

    ``places``: of what left the client and what came to it; of the same at the server. ``at_once_ns``: less than this lies between a SYN
    and its SYN-ACK.
    """
    sent, got, arrived, answered = places
    if not got or not answered or len(arrived) < 2 or max(len(got), len(arrived), len(answered)) > _MOST_PACKETS:
        return False
    isn, _ack, flags = here.numbers(sent[0])
    _seq, ack_of_answer, flags_of_answer = here.numbers(got[0])
    seq_of_ack, _ack, flags_of_ack = here.numbers(sent[1])
    return (
        flags & _FLAGS == _SYN
        and flags_of_answer & _FLAGS == _SYN_ACK
        and flags_of_ack & _FLAGS == _ACK
        and ack_of_answer == seq_of_ack == (isn + 1) & 0xFFFFFFFF
        and here.header(sent[0]) == there.header(arrived[0])
        and here.header(got[0]) == there.header(answered[0])
        and here.header(sent[1]) == there.header(arrived[1])
        and 0 <= got[0].ts_ns - sent[0].ts_ns < at_once_ns
        and 0 <= answered[0].ts_ns - arrived[0].ts_ns < at_once_ns
        and arrived[0].ifindex == answered[0].ifindex
    )


def _are_usual(recording: Recording, along: Sequence[Place], pkttype: int, first: int, lives: set[int]) -> bool:
    """Whether packets go one way only, and behind the ``first`` ones of the handshake none begins or breaks it off; with their TTLs."""
    for number, place in enumerate(along):
        if place.pkttype != pkttype or (number >= first and recording.flags(place) & _BREAKING):
            return False
        lives.add(recording.ttl(place))
    return True
