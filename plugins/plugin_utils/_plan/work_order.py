# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What one host has to do in a run, gathered over all flows, and the work order that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._host.traversals import End, bounded

from .options import Options
from .plan import PHASES
from .shares import Share

GREETING = 2.0  # seconds that a client waits for the first byte of a server that speaks first


@dataclass(kw_only=True)
class HostPart:
    """What one host has to do, gathered over all flows."""

    roles: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)
    addresses: set[str] = field(default_factory=set)
    units: dict[str, str] = field(default_factory=dict)
    pairs: set[tuple[str | None, str]] = field(default_factory=set)
    handshakes: dict[tuple[str, End, End], None] = field(default_factory=dict)
    """(role, client, server) of those that cross it, for its firewall"""
    dials: dict[tuple[Any, ...], int] = field(default_factory=dict)
    through: bool = False
    """Some flow to it passes managed hosts, whose recordings SYN-ACKs that only ask for hops would disturb."""
    nameless: bool = False
    """Some flow's addresses are all unknown yet (names): packets cannot be chosen by address."""


def order(
    run: str, host: str, part: HostPart, options: Options, seconds: int, share_of: Mapping[tuple[str, int], Share], others: list[str]
) -> dict[str, Any]:
    """The work order of a host, whose recorder ends after so many seconds. `others`: the addresses of its flows' other hosts."""
    watches = bool(part.roles & {"server", "via"})
    takes_part = {"open": watches, "try": "client" in part.roles, "close": watches}
    packets, left_out = bounded(list(part.handshakes))
    return {
        "run": run,
        "host": host,
        "phases": [phase for phase in PHASES if takes_part[phase]],
        "recorder_seconds": seconds,
        "record": options.record,
        "temporary_listeners": _listened(part) if options.temporary_listener else [],
        "without_python": options.without_python,
        "patience": options.patience,
        "settle": options.settle,
        "hops": options.hops,
        "hops_back": options.hops and "server" in part.roles and not part.through,
        "ports": sorted(part.ports),
        "addresses": [] if part.nameless else sorted(part.addresses),
        "peers": others,
        "units": part.units,
        "pairs": [
            {"local": local, "remote": remote, "mark": 0} for local, remote in sorted(part.pairs, key=lambda pair: (pair[0] or "", pair[1]))
        ],
        "packets": packets,
        "packets_left_out": left_out,
        "dials": [
            {
                "id": dial,
                "address": dialled,
                "port": port,
                "timeout": timeout,
                "source": source,
                "interval": options.interval,
                **share_of[host, dial],
                **({"greeting": GREETING} if greets else {}),
                **({"user": user} if user else {}),
            }
            for (dialled, port, timeout, source, user, greets), dial in part.dials.items()
        ],
        "interest": None,
    }


def _listened(part: HostPart) -> list[dict[str, Any]]:
    """The addresses and ports on which a host should listen, as far as they are known: names are not looked up on servers."""
    ends = {destination for role, _client, destination in part.handshakes if role == "server"}
    return [{"address": address, "port": port} for address, port in sorted(ends, key=str)]
