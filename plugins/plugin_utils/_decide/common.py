# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What hosts have in common with others: groups of the inventory, networks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from .._model.host import Host
from .._model.network_records import LOOPBACK

MOST = 32
"""Networks of one host that count: one with more is a router of them all."""


def common(hosts: Mapping[str, Host], groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[tuple[str, str], ...]]:
    """host -> ``("group", name)`` and ``("network", prefix)``, groups first."""
    shared: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for group in sorted(groups):
        for member in groups[group]:
            shared[member].append(("group", group))
    for name, host in hosts.items():
        shared[name] += [("network", network) for network in _networks(host)]
    return {name: tuple(each) for name, each in shared.items()}


def _networks(host: Host) -> Sequence[str]:
    found = set()
    for entry in (host.identity.addresses if host.identity else None) or ():
        network = entry.network
        if entry.interface != LOOPBACK and not network.is_link_local and network.num_addresses > 1:
            found.add(str(network))
    return sorted(found)[:MOST]
