# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Attempts that are as usual at their client and at their server, and what is kept of them in place of their packets."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .._model.glimpses import SIZE, are_alike, isn_of, opened
from .._model.host import Host
from .._model.many import Many
from .._model.probe_records import Probe
from .._model.recording import Endpoint, Ends, both_ways
from .._plan.plan import Entry
from .causes.altered import slow_ms
from .usual_ends import UsualEnd

_AT_ONCE_MS = 100  # within which SYN and SYN-ACK follow each other, and an application that waits less long may find that slow
# What a client says of an attempt that connected in time, and whose connection then stayed as it was.
_CONNECTED = {"stage": "done", "outcome": "connected", "peer": "open", "ended": False}
_NOTHING_ELSE = ("via", "errno", "late_ms", "late_errno", "icmp", "awaited_ms")


class ClientAttempt(NamedTuple):
    """What is compared of an attempt of a client."""

    way: Ends
    """How its packets begin; nothing where the client does not say from where it connected."""
    as_usual: bool
    started: float
    elapsed_ms: float
    near: tuple[str | None, int | None, int | None]
    """Address, port, and the user as whom it connected."""
    far: Endpoint


@dataclass(slots=True)
class Usual:
    """An entry in which everything is usual so far: at its client, and at its server once that was looked at."""

    elapsed_ms: Sequence[float]
    seen: bytes
    """Of each attempt how its packets begin, and the client's glimpse."""
    locals: tuple[str, ...]
    """The addresses by which they left."""
    answered: bool = False

    def attempts(self) -> Iterator[tuple[Ends, bytes]]:
        size = len(self.seen) // len(self.elapsed_ms)
        for at in range(0, len(self.seen), size):
            yield self.seen[at : at + size - SIZE], self.seen[at + size - SIZE : at + size]

    def isns(self) -> Iterator[int]:
        return (isn_of(glimpse) for _way, glimpse in self.attempts())


class Ports:
    """From which ports a client connected, and when."""

    def __init__(self, client: Host) -> None:
        self._ports, self._started = client.probes.each("local_port"), client.probes.each("started")
        self._times = Counter(self._ports)

    def one_at_a_time(self, attempt: ClientAttempt, until: float) -> bool:
        """Whether no other attempt from the same port began meanwhile."""
        own = attempt.near[1]
        if self._times[own] == 1:
            return True
        others = zip(self._ports, self._started, strict=True)
        return not any(port == own and attempt.started < started < until for port, started in others)


def left_as_usual(
    entry: Entry, client: UsualEnd, attempts: Sequence[ClientAttempt], seen: Mapping[Ends, bytes], ports: Ports
) -> Usual | None:
    """What is kept of an entry whose attempts its client recorded as usual."""
    at_once_ns, far = _at_once_ns(entry), (entry.address, entry.port)
    kept, near, lives = list[bytes](), set[tuple[str, int | None, int]](), set[int]()
    for each in attempts:
        found = seen.get(each.way)
        if found is None or not each.as_usual or each.far != far:
            return None
        _alike, _isn, began_ns, answered_ns, acked_ns, ifindex, ttl, outgoing = opened(found)
        began, ended = each.started - 0.05, each.started + each.elapsed_ms / 1000 + 1.0
        local, _port, uid = each.near
        if (
            local is None
            or not outgoing
            or answered_ns >= at_once_ns
            or not began <= began_ns / 1e9
            or not (began_ns + acked_ns) / 1e9 <= ended
            or not ports.one_at_a_time(each, ended)
        ):
            return None
        near.add((local, uid, ifindex))
        lives.add(ttl)
        kept += each.way, found
    if len(lives) != 1:
        return None
    for local, uid, ifindex in near:
        interface = client.interface(ifindex)
        if interface is None or not client.leaves(entry.address, local, uid, interface):
            return None
    addresses = tuple(sorted({local for local, _uid, _ifindex in near}))
    return Usual(array("d", [each.elapsed_ms for each in attempts]), b"".join(kept), addresses)


def answered_as_usual(entry: Entry, server: UsualEnd, usual: Usual, seen: Mapping[Ends, bytes]) -> bool:
    """Whether the server recorded the same of attempts that left their client as usual."""
    at_once_ns, interfaces, lives = _at_once_ns(entry), set[int](), set[int]()
    for way, left in usual.attempts():
        found = seen.get(way)
        if found is None or not are_alike(left, found):
            return False
        _alike, _isn, _began_ns, answered_ns, _acked_ns, ifindex, ttl, outgoing = opened(found)
        if outgoing or answered_ns >= at_once_ns:
            return False
        lives.add(ttl)
        interfaces.add(ifindex)
    names = [server.interface(ifindex) for ifindex in interfaces]
    return (
        len(lives) == 1
        and server.port(entry.port)
        and (server.opened is None or server.opened >= len(usual.elapsed_ms))
        and all(name is not None and server.answers(entry.address, local, name) for name in names for local in usual.locals)
    )


def _at_once_ns(entry: Entry) -> int:
    return int(1e6 * min(_AT_ONCE_MS, slow_ms(entry.timeout)))


def attempts_of(probes: Many[Probe]) -> dict[int, list[ClientAttempt]]:
    """The attempts of a client by their dial."""
    usual = (*_CONNECTED.values(), *(None for _name in _NOTHING_ELSE))
    as_usual = [said == usual for said in zip(*map(probes.each, (*_CONNECTED, *_NOTHING_ELSE)), strict=True)]
    fields = ("dial", "started", "elapsed_ms", "local_address", "local_port", "uid", "address", "port")
    found: dict[int, list[ClientAttempt]] = defaultdict(list)
    for is_usual, dial, started, elapsed_ms, local, own, uid, address, port in zip(as_usual, *map(probes.each, fields), strict=True):
        if local is None or own is None or elapsed_ms is None:
            is_usual, elapsed_ms = False, elapsed_ms or 0.0
        way = both_ways((local, own), (address, port))[0] if local is not None and own is not None else b""
        found[dial].append(ClientAttempt(way, is_usual, started, elapsed_ms, (local, own, uid), (address, port)))
    return found
