# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Sockets of a host, who holds them, and listeners in its other network namespaces, as typed records (docs/evidence.md)."""

from __future__ import annotations

from dataclasses import dataclass

from .program_records import OwnSetting
from .records import Count, IpAddress, Milliseconds, Port, Prefix

_LEAST_RTO_MS, _MOST_RTO_MS = 200, 120_000  # TCP_RTO_MIN, TCP_RTO_MAX (include/net/tcp.h)


@dataclass(frozen=True)
class Tracer:
    """A debugger, or another program that traces processes (ptrace(2))."""

    pid: Count
    name: str


@dataclass(frozen=True, kw_only=True)
class Process:
    pid: Count
    name: str
    state: str | None = None
    unit: str | None = None
    fds: Count | None = None
    fd_limit: Count | None = None
    parent: Count | None = None
    frozen: bool = False  # with its whole control group
    container: str | None = None  # its identifier
    tracer: Tracer | None = None  # which has stopped it, where it is known

    @property
    def stopped(self) -> bool:
        """By a signal or by a tracer, see proc_pid_stat(5)."""
        return self.state in ("T", "t")

    @property
    def traced(self) -> bool:
        """Whether it is a tracer that has stopped it: a signal does not let it go on then (ptrace(2))."""
        return self.state == "t"


@dataclass(frozen=True, kw_only=True)
class Listener:
    family: str
    address: IpAddress
    port: Port
    recv_q: Count
    send_q: Count | None  # None: only /proc was asked, which does not have it
    v6only: bool | None = False  # None: likewise
    device: str | None = None
    md5: tuple[str, ...] | None = None
    mark: Count | None = None  # that its SYN-ACKs have, by which policy rules may lead them
    filtered: bool | None = None
    min_ttl: Count | None = None
    defer_accept: Count | None = None
    uid: Count | None = None  # of its owner, by whom policy rules may lead its SYN-ACKs
    processes: tuple[Process, ...] | None = None
    names: tuple[str, ...] = ()  # of a loopback address other than 127.0.0.1, by the hosts file
    pollers: tuple[Count, ...] | None = None  # which of them wait on it by epoll, where that was asked and is known

    @property
    def full(self) -> bool:
        """Whether more wait for accept() than the backlog allows, as far as that is known."""
        return self.send_q is not None and self.recv_q > self.send_q


@dataclass(frozen=True, kw_only=True)
class Socket:
    """``retransmits``: how often its first segment of ``queued`` bytes was sent again, if that was more than a few times, the next time in
    ``next_ms``; and for how long no ACK came."""

    state: str
    local: IpAddress
    local_port: Port
    remote: IpAddress
    remote_port: Port
    retransmits: Count = 0
    queued: Count = 0
    rto_ms: Milliseconds = 0.0
    next_ms: Milliseconds = 0.0
    silent_ms: Milliseconds = 0.0

    @property
    def idle_ms(self) -> float:
        """For how long it was idle, at least, before what it sends now: the timer, which doubles up to a limit, says when it sent that
        first. Where it may have come to its limit, it may have had the time that it has now each time."""
        first = self.rto_ms / (1 << min(self.retransmits, 32))
        limited = self.rto_ms >= _MOST_RTO_MS or first < _LEAST_RTO_MS
        waited = self.rto_ms * (1 + self.retransmits) if limited else 2 * self.rto_ms - first
        return max(0.0, self.silent_ms - (waited - self.next_ms))


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A connection, as its client calls it, and whether a host's connection tracking knows it."""

    local: IpAddress
    local_port: Port
    remote: IpAddress
    remote_port: Port
    known: bool


@dataclass(frozen=True)
class Ephemeral:
    remote: IpAddress
    port: Port
    used: Count
    time_wait: Count = 0
    listening: Count = 0  # ports of the range that connect() does not give out, as somebody listens there


@dataclass(frozen=True)
class OfItself:
    """How many sockets on a port of ours are of connections that the host made to itself."""

    port: Port
    count: Count


@dataclass(frozen=True, kw_only=True)
class PortHolder:
    """Somebody's connection from a local port on which nobody listens."""

    port: Port
    state: str
    local: IpAddress
    remote: IpAddress
    remote_port: int
    process: Process | None = None


@dataclass(frozen=True)
class UdpSocket:
    """A socket that takes datagrams on a port on which nobody listens by TCP."""

    port: Port
    address: IpAddress
    process: Process | None = None


@dataclass(frozen=True)
class UnixSocket:
    """A socket in the file system, of a program that would listen on a TCP port by itself, and on which nobody does."""

    port: Port
    path: str
    process: Process
    setting: OwnSetting | None = None


@dataclass(frozen=True)
class HalfOpenOf:
    """How many half-open connections the addresses of a network have."""

    network: str
    count: Count


@dataclass(frozen=True)
class HalfOpenPeers:
    """Of how many addresses the half-open connections to a port of ours are, and of which networks most are."""

    port: Port
    count: Count
    addresses: Count
    networks: tuple[HalfOpenOf, ...]


@dataclass(frozen=True)
class Peer:
    """How many connections to a port of ours an address has."""

    port: Port
    address: IpAddress
    count: Count


@dataclass(frozen=True, kw_only=True)
class ForeignListener:
    """A listener in another network namespace of the host: on a wanted port, or, where nobody listens on that here, on another one."""

    port: Port
    netns: Count
    pid: Count | None = None
    name: str | None = None
    unit: str | None = None
    container: str | None = None
    address: IpAddress | None = None
    v6only: bool | None = None
    device: str | None = None
    recv_q: Count | None = None
    send_q: Count | None = None


@dataclass(frozen=True)
class ListenedEnd:
    """Where a temporary listener listens."""

    address: IpAddress
    port: Port


@dataclass(frozen=True)
class TakenHandshake:
    """A handshake that completed at a temporary listener, with its ends as the host has them."""

    address: IpAddress
    port: Port
    remote: IpAddress
    remote_port: Port


@dataclass(frozen=True)
class TemporaryListeners:
    """Listeners of ours, where nothing else listened while the handshakes were tried, and what completed there."""

    ends: tuple[ListenedEnd, ...]
    taken: tuple[TakenHandshake, ...] | None = None  # None: not reported


@dataclass(frozen=True)
class AnswerInside:
    """How an address in another network namespace would answer a peer, by the kernel there; ``error``: an errno's name, if not at all."""

    remote: IpAddress
    error: str | None = None
    gateway: IpAddress | None = None


@dataclass(frozen=True, kw_only=True)
class WayInside:
    """How the host and an address in another network namespace reach each other.

    ``interface`` has the address there. ``peer`` is the host's end of that, a pair of veth, and ``master`` the bridge that it is a port of.
    ``by`` and ``gateway``: where the host's own route leads for the address, ``error`` where there is none; ``state``: of its neighbour.
    """

    address: IpAddress
    prefix: Prefix
    interface: str
    up: bool
    peer: str | None = None
    peer_up: bool | None = None
    master: str | None = None
    by: str | None = None
    gateway: IpAddress | None = None
    error: str | None = None
    state: str | None = None
    back: tuple[AnswerInside, ...] = ()


@dataclass(frozen=True)
class Namespace:
    """A network namespace of the host that has addresses to which its firewall sends SYNs, or of a next hop that answers nobody; ``kinds``:
    of the links that have them."""

    netns: Count
    addresses: tuple[IpAddress, ...]
    kinds: tuple[str, ...] = ()
    pid: Count | None = None
    name: str | None = None
    ways: tuple[WayInside, ...] = ()
