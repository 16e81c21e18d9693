# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a client tried: names, connects and hops, as typed records (docs/evidence.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ansible_collections.threeway.handshake.plugins.module_utils._host.hosts_file import HOSTS

from .prose import Prose
from .records import Count, IpAddress, Milliseconds, Port, RecordError, Time, one_of, within
from .socket_records import Process

Seconds = Annotated[float, within("a duration in seconds", 0, 3600)]
Overlooked = Annotated[str, one_of("why a line for a nameserver is not heeded", "indented", "malformed", "line_end", "beyond")]
Ending = Annotated[str, one_of("an outcome of an attempt", "connected", "error", "timeout")]


@dataclass(frozen=True)
class IcmpError:
    """An ICMP error as the socket's error queue has it."""

    offender: IpAddress | None
    type: Count
    code: Count


@dataclass(frozen=True)
class TcpInfo:
    """Of a socket's TCP_INFO; ``retransmits`` counts those that netfilter stopped, too (__tcp_retransmit_skb())."""

    retransmits: Count


@dataclass(frozen=True)
class Query:
    """One question to a nameserver; None: it was not answered in time."""

    name: str
    type: str
    answer_ms: Milliseconds | None = None
    answers: Count | None = None  # records in the answer
    truncated: bool = False


@dataclass(frozen=True)
class Nameserver:
    """A configured nameserver, and whether it answers at all; None: it did not in time, or ``error`` came at once.

    ``tcp``: the outcome of a connection to it, where an answer was cut to what UDP takes: connected, or an errno's name. ``process``: who
    has its port on the client itself, where that is to answer, and does not.
    """

    address: str
    answer_ms: Milliseconds | None = None
    error: str | None = None
    tcp: str | None = None
    queries: tuple[Query, ...] = ()
    process: Process | None = None

    @property
    def silent(self) -> bool:
        return self.answer_ms is None and self.error is None


@dataclass(frozen=True)
class OverlookedLine:
    """A line of resolv.conf for a nameserver that the C library does not heed; ``holds``: whether that one has records of the name, None
    where it does not answer."""

    line: Count
    address: IpAddress | None
    why: Overlooked
    holds: bool | None = None


@dataclass(frozen=True)
class Unconfigured:
    """Why resolv.conf names no nameserver: the errno's name of reading it, None where it names none; ``link``: where it leads as a link."""

    error: str | None = None
    link: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resolution:
    dial: int
    name: str
    error: str | None = None
    message: Prose | None = None
    elapsed_ms: Milliseconds | None = None
    again_ms: Milliseconds | None = None  # asked once more, where the first answer took long
    nameservers: tuple[Nameserver, ...] | None = None
    hosts: tuple[IpAddress, ...] = ()  # what the hosts file has for the name
    joined: tuple[IpAddress, ...] | None = None  # what stands at the end of other words of its line there
    sources: tuple[str, ...] | None = None  # which sources nsswitch.conf has the C library ask
    unconfigured: Unconfigured | None = None
    passed_over: tuple[OverlookedLine, ...] | None = None
    user: str | None = None  # as whom it was asked; None: as whom Ansible comes
    unreadable: tuple[str, ...] = ()  # the resolver's files that this user may not read

    def held(self) -> tuple[str, tuple[str, ...]] | None:
        """The first name, as the search list has it, for which nameservers have records, and these nameservers; None: there is none."""
        names = [query.name for entry in self.nameservers or () for query in entry.queries]
        for name in dict.fromkeys(names):
            holders = [entry.address for entry in self.nameservers or () if any(q.name == name and q.answers for q in entry.queries)]
            if holders:
                return name, tuple(holders)
        return None

    @property
    def closed(self) -> tuple[str, ...]:
        """Those of the files that this user may not read for lack of which the name is not resolved, as far as root can tell: the hosts
        file where it has the name, and the others where a nameserver has an address, or none was asked."""
        by_dns = self.nameservers is None or self.held() is not None
        return tuple(path for path in self.unreadable if (self.hosts if path == HOSTS else by_dns))


CAPTURED = "captured"
MOST_AT_A_PACE = 1000


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One connect(), as the application would have seen it; or what a capture has of one, whose stage is CAPTURED."""

    dial: int
    attempt: Count
    address: IpAddress
    port: Port
    started: Time
    stage: str
    outcome: Ending
    local_address: IpAddress | None = None
    local_port: Port | None = None
    uid: Count | None = None  # as whom it connected; None: not reported
    errno: str | None = None
    elapsed_ms: Milliseconds | None = None
    late_ms: Milliseconds | None = None
    late_errno: str | None = None
    icmp: IcmpError | None = None
    peer: str | None = None
    ended: bool = False  # whether the peer had ended it when we had waited
    awaited_ms: Milliseconds | None = None  # where the server speaks first: when what `peer` says came, or the wait for it ended
    tcp_info: TcpInfo | None = None
    via: str | None = None  # who connected in the place of the application: sshd; only its word is known then

    @property
    def connected(self) -> bool:
        return self.outcome == "connected"

    @property
    def syns(self) -> int | None:
        """How many SYNs its TCP handed down, whatever happened to them; None where TCP_INFO was not read."""
        return None if self.tcp_info is None else 1 + self.tcp_info.retransmits

    @property
    def final_errno(self) -> str | None:
        """What the kernel said in the end, even after the application had given up."""
        return self.errno or self.late_errno


@dataclass(frozen=True, kw_only=True)
class SizedConnection:
    """One with a listener of ours, whose packets were of ``size`` bytes at most: how much of what either end sent came through."""

    address: IpAddress
    size: Count | None = None  # None: it was not connected
    sent: Count = 0
    acked: Count = 0
    expected: Count = 0
    received: Count = 0
    retransmits: Count = 0


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Of SYNs that were sent ``interval`` seconds after each other, or at once, how many were answered before they were repeated."""

    address: IpAddress
    port: Port
    interval: Seconds
    attempts: Count
    answered: Count

    def __post_init__(self) -> None:
        """RecordError for more answers than SYNs."""
        if self.answered > self.attempts or self.attempts > MOST_AT_A_PACE:
            raise RecordError(f"{self.answered} of {self.attempts} SYNs were answered")

    @property
    def lost(self) -> int:
        return self.attempts - self.answered


@dataclass(frozen=True)
class Hop:
    address: IpAddress
    port: Port
    ttl: Count
    answer: str
    offender: IpAddress | None = None
    local_port: Port | None = None
