# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The state of a host at one moment, as a typed record (docs/evidence.md)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .hook_records import Conntrack, Hooks, IpsecPolicy
from .log_records import LogRecord
from .network_records import Address, Link, Neighbour, PolicyRule, Route
from .records import Count, Time
from .socket_records import Ephemeral, ForeignListener, HalfOpenPeers, Listener, Namespace, Peer, PortHolder, Relay, Socket, UdpSocket
from .unit_records import BalancedServer, Unit, XinetdService


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    time: Time
    root: bool | None = None
    boot: str | None = None
    netns: Count | None = None
    counters: dict[str, dict[str, int]] | None = None
    counters_at: Time | None = None  # of those behind the attempts: packets that came later are not in them
    sysctls: dict[str, str] | None = None
    links: tuple[Link, ...] | None = None
    addresses: tuple[Address, ...] | None = None
    rules: tuple[PolicyRule, ...] | None = None
    routes: tuple[Route, ...] | None = None
    neighbours: tuple[Neighbour, ...] | None = None
    conntrack: Conntrack | None = None
    raw_protocols: tuple[Count, ...] | None = None
    hooks: Hooks | None = None
    ipsec_policies: tuple[IpsecPolicy, ...] | None = None
    listeners: tuple[Listener, ...] | None = None
    sockets: tuple[Socket, ...] | None = None
    socket_counts: dict[str, dict[str, Count]] | None = None
    ephemeral: tuple[Ephemeral, ...] | None = None
    units: tuple[Unit, ...] | None = None
    other_namespaces: tuple[ForeignListener, ...] | None = None
    namespaces: tuple[Namespace, ...] | None = None
    port_holders: tuple[PortHolder, ...] | None = None
    udp_sockets: tuple[UdpSocket, ...] | None = None
    peers: tuple[Peer, ...] | None = None
    half_open: tuple[HalfOpenPeers, ...] | None = None
    xinetd: tuple[XinetdService, ...] | None = None
    balancers: tuple[BalancedServer, ...] | None = None
    relays: tuple[Relay, ...] | None = None
    logs: tuple[LogRecord, ...] | None = None

    # Asked for each packet, of hosts with thousands of interfaces.
    @cached_property
    def link_by_name(self) -> dict[str, Link]:
        return {link.name: link for link in reversed(self.links or ())}

    @cached_property
    def own(self) -> frozenset[str]:
        """Its addresses, those that only its routing table has for local among them."""
        local = (route.remote for route in self.routes or () if route.type == "local")
        return frozenset((*(entry.address for entry in self.addresses or ()), *local))
