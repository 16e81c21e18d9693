# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Who takes which part in which handshake, and which of them a packet, a way or a port belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from .._decide.entry import identify
from .._plan.orders import STAND_INS
from .._plan.plan import Entry, Plan
from .._values.words import named_end
from .state import State


@dataclass(frozen=True)
class Part:
    """A host's part in one handshake. ``client``, ``server``: the addresses that its packets have at the client, as far as they are known.

    Behind address translation they have other ones: at other hosts a packet may be of the handshake that has its port and no other client.
    """

    id: str
    entry: Entry
    role: str
    """client, server or via"""
    client: frozenset[str]
    server: frozenset[str]

    def __str__(self) -> str:
        entry = self.entry
        return f"{entry.client} -> {named_end(entry.server, entry.address, entry.port)} ({entry.flow})"

    def has(self, record: Mapping[str, Any]) -> bool:
        """Whether a packet of the firewall's part of a state may be of this handshake."""
        source, destination, port = record["source"], record["destination"], record.get("port")
        if record["packet"] == "syn_ack":
            source, destination, port = destination, source, record.get("source_port")
        ours = self.role != "client" or _may_be(destination, self.server)
        return port in (None, self.entry.port) and _may_be(source, self.client) and ours

    def goes(self, to: str) -> bool:
        """Whether this host's packets of the handshake go to an address."""
        towards = {"client": self.server, "server": self.client, "via": frozenset[str]()}[self.role]
        return not towards or to in towards

    @property
    def ipv6(self) -> bool:
        """Whether it is, or may be, a handshake over IPv6."""
        return not self.server or any(":" in address for address in self.server)

    @property
    def ipv4(self) -> bool:
        return not self.server or any(":" not in address for address in self.server)


def parts(plan: Plan, *states: Mapping[str, State]) -> dict[str, list[Part]]:
    """Host -> its parts. ``states``: what was observed now and before, for the addresses that only hosts know."""
    found: dict[str, list[Part]] = {}
    taken: set[str] = set()
    for entry in plan.entries:
        identity = identify(entry, taken)
        client = [each[entry.client] for each in states if entry.client in each]
        server = frozenset(address for each in client or [State()] for address in _server(entry, each))
        source = frozenset([entry.source] if entry.source else [address for each in client for address in _sources(each, server)])
        roles = {entry.client: "client", **dict.fromkeys(entry.via, "via"), **({entry.server: "server"} if entry.server else {})}
        for host, role in roles.items():
            found.setdefault(host, []).append(Part(identity, entry, role, source, server))
        if entry.server == entry.client:
            found[entry.client].append(Part(identity, entry, "client", source, server))
    return found


def _server(entry: Entry, client: State) -> Iterable[str]:
    """What is dialled: an address, or what the client makes of a name."""
    address = canonical_or_none(entry.address)
    return [address] if address else (client.names or {}).get(entry.address, ())


def _sources(client: State, server: frozenset[str]) -> Iterable[str]:
    return [route.source for route in client.routes or () if route.source and route.to in server]


def _may_be(address: str, known: frozenset[str]) -> bool:
    return not known or address in known or address in STAND_INS.values()
