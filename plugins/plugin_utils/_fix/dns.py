# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Names that lead nowhere or elsewhere: advice, with the record that would lead to the server's data address."""

from __future__ import annotations

import ipaddress

from .._decide.case import Case
from .._decide.finding import Fix
from .._model.host import Host
from .._model.network_records import LOOPBACK
from .make import advice, shell


def resolvable(case: Case, summary: str) -> Fix:
    """The server's address on the data network, where it is managed."""
    addresses = _data_addresses(case, case.server) if case.server else []
    lines = "; ".join(f"{address} {case.dialled}" for address in addresses)
    told = f": as lines of /etc/hosts, {lines}" if lines else ""
    check = f"{shell('getent', 'ahosts', case.dialled)} names an address of {case.server.name}" if case.server else ""
    return advice("dns", case.client.name, summary + told, check=check)


def _data_addresses(case: Case, server: Host) -> list[str]:
    """The server's addresses on the interface by which it reaches the client, those alone that the inventory has if it has one of them;
    where the interface is not known, the address that clients dial."""
    entries = (server.snapshot.addresses if server.snapshot else None) or ()
    routes = (server.route(address) for address in case.declared.of(case.client.name))
    interfaces = {route.interface for route in routes if route and not route.error and route.interface not in (None, LOOPBACK)}
    there = [entry.address for entry in entries if entry.interface in interfaces and not _is_local(entry.address)]
    known = [address for address in there if case.declared.has(server.name, address)]
    dialled = [address for address in case.declared.of(server.name)[:1] if "/" not in address]
    return known or there[:2] or dialled


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_link_local
    except ValueError:
        return True
