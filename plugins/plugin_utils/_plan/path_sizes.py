# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Which ways are to be measured for the sizes of packets that pass, after handshakes that complete. Pure.

Full segments go to listeners of our own alone: no application is sent anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from .._decide.case import Case
from .._decide.translation import surely_untranslated

MOST_ENDS, MOST_CLIENTS, MOST_WAYS = 4, 16, 64
"""Addresses of servers that a client measures the way to, clients that measure the way to one of them, and ways of a run."""


class PathSizes:
    """Collects the ways of a run: client -> the server's address -> the server."""

    def __init__(self) -> None:
        self.ways: dict[str, dict[str, str]] = {}
        self._clients = Counter[str]()

    def add(self, case: Case, hosts: Container[str]) -> None:
        """The way of a case whose handshakes end at the server itself, if both of its ends are among ``hosts``."""
        server, client = case.server, case.client.name
        if server is None or server is case.client or client not in hosts or server.name not in hosts:
            return
        if case.second_hand or case.server_owns(case.address) is not True or not surely_untranslated(case):
            return
        known = self.ways.setdefault(client, {})
        full = len(known) >= MOST_ENDS or self._clients[case.address] >= MOST_CLIENTS or sum(map(len, self.ways.values())) >= MOST_WAYS
        if case.address not in known and not full:
            known[case.address] = server.name
            self._clients[case.address] += 1

    def hosts(self) -> Iterator[str]:
        """Both ends of all ways."""
        for client, ends in self.ways.items():
            yield client
            yield from ends.values()

    def from_(self, host: str) -> list[dict[str, Any]]:
        """The ends to which a client measures the way; their ports are known once their servers listen."""
        return [{"server": server, "address": address} for address, server in self.ways.get(host, {}).items()]

    def to(self, host: str) -> list[str]:
        """The addresses on which a server is to listen."""
        return sorted({address for ends in self.ways.values() for address, server in ends.items() if server == host})


def with_ports(order: Mapping[str, Any], opened: Callable[[str], Mapping[str, Any] | None]) -> dict[str, Any]:
    """The order of a client with the ports on which servers listen, as these say; ``opened``: their answers to `trace_open`."""
    return {**order, "path_sizes": [{**end, "port": port} for end in order.get("path_sizes", ()) if (port := _port(end, opened))]}


def _port(end: Mapping[str, Any], opened: Callable[[str], Mapping[str, Any] | None]) -> int | None:
    listening = ((opened(end["server"]) or {}).get("evidence") or {}).get("path_listeners")
    ends = listening.get("ends") if isinstance(listening, Mapping) else None
    for each in ends if isinstance(ends, list) else ():
        if isinstance(each, Mapping) and each.get("address") == end["address"] and isinstance(each.get("port"), int):
            return int(each["port"]) if 0 < each["port"] < 65536 else None
    return None
