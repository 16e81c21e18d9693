# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The server as the host in front of it has it: what a balancer says of it, and their handshakes with each other in the recordings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..._model.host import Host
from ..._model.recording import Observation
from ..._model.snapshot import Snapshot
from ..._model.unit_records import BalancedServer
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Weight

SAYS = {"haproxy": "HAProxy, show stat", "nginx": "nginx, error log"}

_Ends = tuple[str, int, str, int]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """The handshakes of the host in front with a port of the server, of both recordings, and how the server answered."""

    syns: int = 0
    begun: int = 0  # connections that these began
    taken: int = 0
    refused: int = 0
    arrived: int = 0  # SYNs that the server recorded
    masked: int = 0  # SYNs from addresses that the host in front does not have: the server need not have recorded these
    astray: int = 0  # SYN-ACKs of the server to such addresses


@dataclass(frozen=True)
class AsOther:
    """A connection that the host in front begins with the server from an address that it does not have: whether it comes to the server,
    as far as that recorded it, the server answers it, and the answer comes to the host in front."""

    arrived: bool
    answered: bool
    heard: bool


def balanced(case: Case, snapshot: Snapshot | None) -> list[BalancedServer]:
    """What the balancer that takes the flow's connections says of the servers behind it: another one may run on the same host."""
    if snapshot is None or not snapshot.balancers:
        return []
    takers = [each for each in snapshot.listeners_on.get(case.listening_port, ()) if case.mismatch(each) is None]
    processes = [process for each in takers for process in each.processes or ()]
    pids, names = {process.pid for process in processes}, {process.name for process in processes}
    known = [each for each in snapshot.balancers if each.program in SAYS]
    return [each for each in known if not processes or (not pids.isdisjoint(each.pids) if each.pids else each.program in names)]


def said_of(case: Case, front: Host, behind: Host) -> list[BalancedServer]:
    """What the balancer itself says of the server, under whatever names it has it."""
    return _said_in(case, front.snapshot, behind)


def _said_in(case: Case, snapshot: Snapshot | None, behind: Host) -> list[BalancedServer]:
    return [each for each in balanced(case, snapshot) if each.address is not None and behind.owns(each.address) is True]


def connects(case: Case, front: Host, behind: Host) -> int:
    """How often, by its own count, the balancer called connect() for the flow's port of the server during the attempts; 0 also if it counts
    none."""
    before, after = (
        sum(each.connects or 0 for each in _said_in(case, snapshot, behind) if each.port == case.port)
        for snapshot in (front.before, front.after)
    )
    return max(after - before, 0)


def named(server: BalancedServer) -> str:
    return f"{server.proxy}/{server.server}" if server.proxy else f"{server.address} port {server.port}"


def last_check(server: BalancedServer) -> str:
    """``L6RSP: SSL handshake failure``"""
    return f"{server.check}: {server.told}" if server.told else f"{server.check}"


def section_down(known: Sequence[BalancedServer]) -> bool:
    """Whether a section of HAProxy's configuration has no server that is up: it may be the one of the flow's port."""
    return any(all(not other.up for other in known if other.proxy == each.proxy) for each in known)


def in_its_words(front: Host, server: BalancedServer) -> Evidence:
    checked = f", last check {server.check}" if server.check else ""
    why = f": {server.told}" if server.told else ""
    at = f" ({server.address} port {server.port})" if server.address else ""
    said = f"{server.proxy}/{server.server}{at} is {server.status}{checked}{why}"
    if server.program == "nginx":
        said = f"connecting to {named(server)} failed{why}"
    return Evidence(front.name, SAYS[server.program], said, Weight.WORDS)


def tried_with(case: Case, front: Host, behind: Host) -> dict[int, Tried]:
    """By port of the server, each counted where it is seen best: by the host that saw more."""

    def count() -> dict[int, Tried]:
        as_others = masked(case, front, behind)
        there, here = (_tried(host, front, behind, as_others) for host in (behind, front))
        best = {port: max(there[port], here[port], key=lambda tried: (tried.taken, tried.syns)) for port in sorted({*there, *here})}
        return {
            port: replace(tried, arrived=there[port].syns, masked=here[port].masked, astray=there[port].astray)
            for port, tried in best.items()
        }

    return case.fleet.once(("tried", front.name, behind.name), count)


def _tried(at: Host, front: Host, behind: Host, as_others: Mapping[_Ends, AsOther]) -> defaultdict[int, Tried]:
    found: defaultdict[int, Tried] = defaultdict(Tried)
    begun: set[_Ends] = set()
    for seen in at.observations or ():
        tcp = seen.packet.tcp
        overheard = seen.direction == "other" and not seen.bridged
        if tcp is None or overheard or not (tcp.is_syn or tcp.is_syn_ack or tcp.is_rst):
            continue
        if tcp.is_syn and (_between(seen, front, behind) or _sent(seen) in as_others):
            known, again, as_other = found[tcp.dport], _sent(seen) in begun, _sent(seen) in as_others
            begun.add(_sent(seen))
            counts = {"syns": known.syns + 1, "begun": known.begun + (not again), "masked": known.masked + as_other}
            found[tcp.dport] = replace(known, **counts)
        elif not tcp.is_syn and tcp.sport in found and (_between(seen, behind, front) or _answered(seen) in as_others):
            known, away = found[tcp.sport], at is behind and _answered(seen) in as_others  # which need not come to the host in front
            taken, astray = tcp.is_syn_ack and not away, tcp.is_syn_ack and away
            found[tcp.sport] = replace(known, taken=known.taken + taken, refused=known.refused + tcp.is_rst, astray=known.astray + astray)
    return found


def masked(case: Case, front: Host, behind: Host) -> Mapping[_Ends, AsOther]:
    """The connections that the host in front makes with the server from addresses that it does not have, as the clients themselves
    (HAProxy's usesrc). What it only sends on, over a bridge, too, or translated, it did not begin: its number came in."""
    return case.fleet.once(("masked", front.name, behind.name), lambda: _masked(front, behind))


def _masked(front: Host, behind: Host) -> dict[_Ends, AsOther]:
    came = {_begun(seen) for seen in front.observations or () if seen.direction != "out" and seen.packet.tcp and seen.packet.tcp.is_syn}
    begun = {
        _sent(seen)
        for seen in front.observations or ()
        if seen.direction == "out" and seen.packet.tcp and seen.packet.tcp.is_syn and _begun(seen) not in came
        if front.owns(seen.packet.src) is False and behind.owns(seen.packet.dst) is True
    }
    answered, heard = _syn_acks(behind, "out", begun), _syn_acks(front, "in", begun)
    arrived = {_sent(seen) for seen in behind.observations or () if seen.direction == "in" and seen.packet.tcp and seen.packet.tcp.is_syn}
    return {ends: AsOther(ends in arrived, ends in answered, ends in heard) for ends in begun}


def _syn_acks(host: Host, direction: str, begun: set[_Ends]) -> set[_Ends]:
    if not begun:
        return set()
    seen = (each for each in host.observations or () if each.direction == direction and each.packet.tcp and each.packet.tcp.is_syn_ack)
    return begun.intersection(map(_answered, seen))


def _begun(seen: Observation) -> tuple[str, int, int]:
    """What a SYN keeps where it is sent on, unless its source is translated."""
    tcp = seen.packet.tcp
    return seen.packet.src, tcp.sport if tcp else 0, tcp.seq if tcp else 0


def _sent(seen: Observation) -> _Ends:
    tcp = seen.packet.tcp
    return seen.packet.src, tcp.sport if tcp else 0, seen.packet.dst, tcp.dport if tcp else 0


def _answered(seen: Observation) -> _Ends:
    source, port, destination, to = _sent(seen)
    return destination, to, source, port


def _between(seen: Observation, sender: Host, receiver: Host) -> bool:
    return sender.owns(seen.packet.src) is True and receiver.owns(seen.packet.dst) is True


def took_elsewhere(case: Case, front: Host, behind: Host) -> bool | None:
    """Whether others than the server took connections of the host in front meanwhile, any of which may have served the client: as its
    recording has it, or its balancer, or its counters; None: nothing shows it, and the counters are not known."""
    pair = front.name, behind.name
    by_others = case.fleet.once(("taken by others", *pair), lambda: any(_taken_by_others(front, behind)))
    if by_others or _balanced_elsewhere(case, front, behind):
        return True
    opened, failed = (front.delta("Tcp", name) for name in ("ActiveOpens", "AttemptFails"))
    if opened is None or failed is None:
        return None
    failed -= front.delta("TcpExt", "EmbryonicRsts") or 0  # clients' half-open ones, which AttemptFails counts too (tcp_minisocks.c)
    as_others = masked(case, front, behind)
    taken, waiting = case.fleet.once(("connections with the server", *pair), lambda: _with_server(front, behind, as_others))
    ours = sum(probe.connected for probe in front.probes)  # as a client of the run itself
    return opened - failed - ours - taken - max(0, waiting - failed) > 0  # what waits for an answer may be what failed


def _taken_by_others(front: Host, behind: Host) -> Iterator[bool]:
    tried: set[tuple[str, int, str, int]] = set()
    ours = {(probe.local_port, probe.port) for probe in front.probes}
    for seen in front.observations or ():
        packet, tcp = seen.packet, seen.packet.tcp
        if tcp is None or seen.direction == "other":
            continue
        if tcp.is_syn and (tcp.sport, tcp.dport) not in ours and front.owns(packet.src) and behind.owns(packet.dst) is False:
            tried.add((packet.src, tcp.sport, packet.dst, tcp.dport))
        elif tcp.is_syn_ack and (packet.dst, tcp.dport, packet.src, tcp.sport) in tried:
            yield True


def _balanced_elsewhere(case: Case, front: Host, behind: Host) -> bool:
    """Whether the balancer has other servers for the same, to which it connected, as far as it counts that."""
    proxies = {(each.program, each.proxy) for each in said_of(case, front, behind) if each.proxy}

    def others(snapshot: Snapshot | None) -> dict[tuple[str | None, str | None], BalancedServer]:
        ours = [each for each in balanced(case, snapshot) if (each.program, each.proxy) in proxies]
        return {(each.proxy, each.server): each for each in ours if each.address is None or behind.owns(each.address) is not True}

    before = others(front.before)
    return any(
        each.up if each.connects is None else each.connects > (before[name].connects or 0 if name in before else 0)
        for name, each in others(front.after).items()
    )


def _with_server(front: Host, behind: Host, as_others: Mapping[_Ends, AsOther]) -> tuple[int, int]:
    """How many connections, others than the run's own, the host in front began with the server while its counters rose: those that the
    server took, and those that it did not answer."""
    since = front.before.time if front.before else 0.0
    taken: dict[tuple[str, int, int], bool] = {}
    ours = {(probe.local_port, probe.port) for probe in front.probes}
    for seen in front.observations or ():
        packet, tcp = seen.packet, seen.packet.tcp
        if tcp and tcp.is_syn and (_between(seen, front, behind) or _sent(seen) in as_others):
            if since < seen.time <= front.counters_until and (tcp.sport, tcp.dport) not in ours:
                taken.setdefault((packet.src, tcp.sport, tcp.dport), False)
        elif (
            tcp and (_between(seen, behind, front) or _answered(seen) in as_others) and (end := (packet.dst, tcp.dport, tcp.sport)) in taken
        ):
            if tcp.is_syn_ack:
                taken[end] = True
            elif tcp.is_rst and not taken[end]:
                del taken[end]
    return sum(taken.values()), len(taken) - sum(taken.values())


def syns_at(case: Case, front: Host, behind: Host) -> list[tuple[str, str, int]]:
    """The SYNs of the host in front that came to the server, by source, address and port, each once."""

    def find() -> list[tuple[str, str, int]]:
        seen = [each for each in behind.observations or () if each.direction == "in" and _between(each, front, behind)]
        packets = [each.packet for each in seen]
        return list(dict.fromkeys((each.src, each.dst, each.tcp.dport) for each in packets if each.tcp and each.tcp.is_syn))

    return case.fleet.once(("syns at", front.name, behind.name), find)


def counted(front: Host, tried: Mapping[int, Tried]) -> str:
    if not tried:
        return f"no connection of {front.name}'s own was seen"
    return f"{front.name}'s own: " + "; ".join(
        f"{plural(each.syns, 'SYN')} to port {port}, {each.taken} taken, {each.refused} refused" for port, each in tried.items()
    )


def backends(case: Case) -> list[tuple[str, int]]:
    """The addresses and ports of the server behind to which the host in front connects, by its own word (those that it calls down first)
    and by the recordings."""
    front, behind = case.server, case.behind
    if front is None or behind is None:
        return []

    def find() -> list[tuple[str, int]]:
        by_its_word = sorted(said_of(case, front, behind), key=lambda each: each.up)
        seen = [each for host in (behind, front) for each in host.observations or () if _between(each, front, behind)]
        sent = [(each.packet.dst, each.packet.tcp.dport) for each in seen if each.packet.tcp and each.packet.tcp.is_syn]
        said = [(each.address, each.port) for each in by_its_word if each.address and each.port]
        ports = {port for _address, port in said}
        return list(dict.fromkeys([*said, *(end for end in sent if not said or end[1] in ports)]))

    ends = case.address, case.port, case.server_address, case.server_port
    return case.fleet.once(("backends", front.name, behind.name, case.client.name, *ends), find)
