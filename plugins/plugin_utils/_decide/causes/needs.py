# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What rules cannot do without: declared at a rule, taken from the case before it runs, and reported where it could not be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, overload

from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Packet

from ..._model.host import Host
from ..._model.network_records import Address, Link, Route
from ..._model.recording import Observation
from ..._model.snapshot import Snapshot
from ..._model.socket_records import Listener
from ..case import Case

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
R = TypeVar("R")


@dataclass(frozen=True)
class Need(Generic[A]):
    """What a case has of a ``part`` of the client's or the server's answer: a field of `Snapshot`, the recording, or nothing in particular.

    It is ``None`` as well if that part was seen, and has no such thing.
    """

    take: Callable[[Case], A | None]
    party: Literal["client", "server"] | None = None
    part: str = ""

    def __call__(self, case: Case) -> A | None:
        return self.take(case)

    @property
    def parts(self) -> Iterator[Need[Any]]:
        """Itself."""
        yield self

    def lacking(self, case: Case) -> Host | None:
        """The host whose answer does not have the part."""
        host = case.client if self.party == "client" else case.server if self.party == "server" else None
        return host if host is not None and self.part and not host.returned(self.part) else None


@dataclass(frozen=True, eq=False)
class Needing(Generic[R]):
    """A function of a case, and of what it needs; it finds nothing where any of that is ``None``.

    Several rules may need the same: of each case it is asked once.
    """

    needs: tuple[Callable[[Case], object], ...]
    find: Callable[..., R | None]

    def __call__(self, case: Case) -> R | None:
        return case.once(self, lambda: self._of(case))

    def _of(self, case: Case) -> R | None:
        taken = []
        for need in self.needs:
            taken.append(need(case))
            if taken[-1] is None:
                return None
        return self.find(case, *taken)

    @property
    def parts(self) -> Iterator[Need[Any]]:
        """All that it needs of hosts' answers, by itself or by what else it needs."""
        return parts_of(*self.needs)


@dataclass(frozen=True)
class FirstOf(Generic[R]):
    """The first of several rules that finds something."""

    rules: tuple[Needing[R], ...]

    def __call__(self, case: Case) -> R | None:
        return next((found for rule in self.rules if (found := rule(case)) is not None), None)

    @property
    def parts(self) -> Iterator[Need[Any]]:
        """All that any of them needs."""
        return parts_of(*self.rules)


def parts_of(*needing: Callable[[Case], object] | None) -> Iterator[Need[Any]]:
    """What rules and other functions of a case declare to need of hosts' answers."""
    return (part for each in needing if isinstance(each, (Need, Needing, FirstOf)) for part in each.parts)


@overload
def needs(a: Callable[[Case], A | None], /) -> Callable[[Callable[[Case, A], R | None]], Needing[R]]: ...


@overload
def needs(a: Callable[[Case], A | None], b: Callable[[Case], B | None], /) -> Callable[[Callable[[Case, A, B], R | None]], Needing[R]]: ...


@overload
def needs(
    a: Callable[[Case], A | None], b: Callable[[Case], B | None], c: Callable[[Case], C | None], /
) -> Callable[[Callable[[Case, A, B, C], R | None]], Needing[R]]: ...


@overload
def needs(
    a: Callable[[Case], A | None], b: Callable[[Case], B | None], c: Callable[[Case], C | None], d: Callable[[Case], D | None], /
) -> Callable[[Callable[[Case, A, B, C, D], R | None]], Needing[R]]: ...


def needs(*wanted: Callable[[Case], object]) -> Callable[[Callable[..., Any]], Needing[Any]]:
    """Declare what a rule needs: parts, or other functions of a case, such as other rules. The rule gets each as an argument."""
    return lambda find: Needing(wanted, find)


SERVER: Need[Host] = Need(lambda case: case.server, "server")
BEHIND: Need[Host] = Need(lambda case: case.behind)
BETWEEN: Need[tuple[str, str]] = Need(lambda case: case.outcome.between)
CLIENT_ADDRESS: Need[str] = Need(lambda case: case.client_address)
ROUTE: Need[Route] = Need(lambda case: case.route, "client", "routes")
SYN_OUT: Need[Observation] = Need(lambda case: case.observation("syn", case.client, "out"), "client", "recording")
SYN_IN: Need[Observation] = Need(lambda case: case.observation("syn", case.server, "in"), "server", "recording")
SYN: Need[Packet] = Need(lambda case: case.syn_at_server, "server", "recording")
SYN_ACK_OUT: Need[Observation] = Need(lambda case: case.observation("syn_ack", case.server, "out"), "server", "recording")
LISTENERS: Need[list[Listener]] = Need(Case.listeners_on_port, "server", "listeners")
LISTENER: Need[Listener] = Need(Case.listener, "server", "listeners")
SERVER_ADDRESS: Need[Address] = Need(needs(SERVER)(lambda case, server: server.interface_of(case.address)), "server", "addresses")


def _of_snapshot(part: str, read: Callable[[Snapshot], A | None]) -> Need[A]:
    return Need(needs(SERVER)(lambda _case, server: read(server.snapshot) if server.snapshot else None), "server", part)


ADDRESSES: Need[tuple[Address, ...]] = _of_snapshot("addresses", lambda snapshot: snapshot.addresses)
COUNTERS: Need[dict[str, dict[str, int]]] = _of_snapshot("counters", lambda snapshot: snapshot.counters)
LINKS: Need[tuple[Link, ...]] = _of_snapshot("links", lambda snapshot: snapshot.links)


def risen(group: str, name: str) -> Need[int]:
    """How far one of the server's counters rose during the attempts, if it did."""
    return Need(needs(SERVER)(lambda _case, server: server.delta(group, name) or None), "server", "counters")
