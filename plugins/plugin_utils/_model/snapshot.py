# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The state of a host at one moment, as a typed record (docs/evidence.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from .drop_records import ConnectHooks
from .hook_records import Conntrack, Hooks, IpsecPolicy
from .log_records import LogRecord
from .many import Many
from .network_records import Address, Link, Neighbour, PolicyRule, Route
from .program_records import Call, Limit, Lookup, Relay, SshSession, TurnedAway, WrappedProgram
from .records import Count, Time
from .socket_records import (
    Ephemeral,
    ForeignListener,
    HalfOpenPeers,
    Listener,
    Namespace,
    OfItself,
    Peer,
    PortHolder,
    Socket,
    Tracked,
    UdpSocket,
    UnixSocket,
)
from .unit_records import BalancedServer, Denials, SocketUnit, Unit, XinetdService

Ports = tuple[int | None, int | None]
"""The local and the remote one."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    time: Time
    uptime: Time | None = None  # by CLOCK_MONOTONIC, which nobody sets
    root: bool | None = None
    boot: str | None = None
    netns: Count | None = None
    counters: dict[str, dict[str, int]] | None = None
    counters_at: Time | None = None  # of those after the attempts: packets that came later are not in them
    sysctls: dict[str, str] | None = None
    read_only_sysctls: tuple[str, ...] | None = None  # those that root cannot set there
    links: tuple[Link, ...] | None = None
    addresses: tuple[Address, ...] | None = None
    rules: tuple[PolicyRule, ...] | None = None
    routes: Many[Route] | None = None
    neighbours: tuple[Neighbour, ...] | None = None
    conntrack: Conntrack | None = None
    raw_protocols: tuple[Count, ...] | None = None
    hooks: Hooks | None = None
    ipsec_policies: tuple[IpsecPolicy, ...] | None = None
    listeners: tuple[Listener, ...] | None = None
    sockets: Many[Socket] | None = None
    tracked: tuple[Tracked, ...] | None = None
    socket_counts: dict[str, dict[str, Count]] | None = None
    ephemeral: Many[Ephemeral] | None = None
    units: tuple[Unit, ...] | None = None
    other_namespaces: tuple[ForeignListener, ...] | None = None
    namespaces: tuple[Namespace, ...] | None = None
    port_holders: tuple[PortHolder, ...] | None = None
    udp_sockets: tuple[UdpSocket, ...] | None = None
    unix_sockets: tuple[UnixSocket, ...] | None = None
    socket_units: tuple[SocketUnit, ...] | None = None
    peers: tuple[Peer, ...] | None = None
    half_open: tuple[HalfOpenPeers, ...] | None = None
    xinetd: tuple[XinetdService, ...] | None = None
    balancers: tuple[BalancedServer, ...] | None = None
    denials: tuple[Denials, ...] | None = None
    relays: tuple[Relay, ...] | None = None
    calls: tuple[Call, ...] | None = None
    lookups: tuple[Lookup, ...] | None = None
    tunnels: tuple[SshSession, ...] | None = None
    limits: tuple[Limit, ...] | None = None
    turned_away: tuple[TurnedAway, ...] | None = None
    of_itself: tuple[OfItself, ...] | None = None
    connect_hooks: ConnectHooks | None = None
    wrapped: tuple[WrappedProgram, ...] | None = None
    logs: tuple[LogRecord, ...] | None = None

    # Asked for each packet, of hosts with thousands of interfaces.
    @cached_property
    def link_by_name(self) -> dict[str, Link]:
        return {link.name: link for link in reversed(self.links or ())}

    # Asked for each handshake, of hosts that have thousands of them.
    @cached_property
    def address_entries(self) -> Mapping[str, Address]:
        """The interface address entry that has an address, the first one where there are several."""
        return {entry.address: entry for entry in reversed(self.addresses or ())}

    @cached_property
    def _routes_to(self) -> Mapping[str, Mapping[Ports, Sequence[int]]]:
        """Which of the kernel's answers are for packets of its own, by where they are to go, and by the ports that were asked about."""
        found: dict[str, dict[Ports, list[int]]] = defaultdict(dict)
        routes = self.routes or Many.of(())
        asked = (routes.each(name) for name in ("remote", "iif", "local_port", "remote_port"))
        for number, (remote, iif, local_port, remote_port) in enumerate(zip(*asked, strict=True)):
            if not iif:
                found[remote].setdefault((local_port, remote_port), []).append(number)
        return found

    def route(self, remote: str, local: str | None, uid: int | None, ports: Ports = (None, None)) -> Route | None:
        """The kernel's answer for the way to ``remote`` (from ``local``, for a user, and of a connection with these ports, where that was
        asked)."""
        asked = remote, local, uid, ports
        if asked not in self._ways:
            self._ways[asked] = self._route(*asked)
        return self._ways[asked]

    @cached_property
    def _ways(self) -> dict[tuple[str, str | None, int | None, Ports], Route | None]:
        """What was asked so far: there may be an answer for each port of a remote host."""
        return {}

    def _route(self, remote: str, local: str | None, uid: int | None, ports: Ports) -> Route | None:
        if self.routes is None:
            return None
        uids, locals_ = self.routes.each("uid"), self.routes.each("local")
        known = self._routes_to.get(remote, {})
        groups = [known.get(ports, ()), known.get((None, None), ()), next(iter(known.values()), ())]
        of_user = ([number for number in group if uids[number] == wanted] for wanted in (uid, None) for group in groups)
        candidates = next(filter(None, of_user), next(filter(None, groups), ()))
        exact = [number for number in candidates if locals_[number] == local]
        own: Collection[str] = self.own if self.addresses is not None else ()
        usable = [number for number in candidates if locals_[number] is None or locals_[number] in own]  # from others' it fails by design
        chosen = next(iter(exact or usable), None)
        return None if chosen is None else self.routes[chosen]

    @cached_property
    def neighbours_at(self) -> Mapping[str, Sequence[Neighbour]]:
        """The entries of an address, on any interface."""
        found: dict[str, list[Neighbour]] = defaultdict(list)
        for entry in self.neighbours or ():
            found[entry.address].append(entry)
        return dict(found)

    @cached_property
    def listeners_on(self) -> Mapping[int, Sequence[Listener]]:
        """The listeners on a port."""
        found: dict[int, list[Listener]] = defaultdict(list)
        for listener in self.listeners or ():
            found[listener.port].append(listener)
        return dict(found)

    @cached_property
    def peers_in(self) -> Mapping[str, frozenset[tuple[str, int]]]:
        """The remote ends of the sockets in a state."""
        found: dict[str, set[tuple[str, int]]] = defaultdict(set)
        for entry in self.sockets or ():
            found[entry.state].add((entry.remote, entry.remote_port))
        return {state: frozenset(peers) for state, peers in found.items()}

    @cached_property
    def own(self) -> frozenset[str]:
        """Its addresses, those that only its routing table has for local among them."""
        routes = self.routes or Many.of(())
        local = (remote for remote, kind in zip(routes.each("remote"), routes.each("type"), strict=True) if kind == "local")
        return frozenset((*(entry.address for entry in self.addresses or ()), *local))
