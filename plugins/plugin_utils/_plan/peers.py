# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Whose handshakes a host records on ports that no flow has: behind a proxy or an address translation, a flow's go on on others. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.threeway.handshake.plugins.module_utils._record.beside import MOST_PEERS

from .plan import Entry


def peers(entries: Iterable[Entry], addresses: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """For each host, the addresses of the others in its flows: hosts on the way and servers first, because there may be many clients."""
    servers: dict[str, dict[str, None]] = defaultdict(dict)
    clients: dict[str, dict[str, None]] = defaultdict(dict)
    for entry in entries:
        several = dict.fromkeys(host for host in (*entry.via, entry.server) if host)
        for host in (entry.client, *several):
            servers[host].update(several)
            clients[host][entry.client] = None
    found: dict[str, list[str]] = {}
    for host, of_host in clients.items():
        others = (other for other in dict.fromkeys([*servers[host], *of_host]) if other != host)
        several = dict.fromkeys(address for other in others for address in addresses.get(other, ()) if "/" not in address)
        found[host] = list(several)[:MOST_PEERS]
    return found
