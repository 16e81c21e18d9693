# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The plan of a diagnosis: the lines of its report, and what each host is to do for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, asdict, dataclass, field
from typing import Any

from .deadlines import Deadlines
from .options import NORMAL

ON_THE_WAY = "path"  # the host of a cause between managed hosts

PHASES = ("open", "try", "close")

TRACE_PHASES = ("trace_open", "trace_try", "trace_close")  # only where something broke and a trace was asked for

REHEARSE = "rehearse"  # only where a change of a firewall is offered
FOLLOW_UP = (*TRACE_PHASES, REHEARSE)

Key = tuple[str, str, str | None, str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the report: a client, a server (None: only its address is known), an address and a port."""

    flow: str
    client: str
    server: str | None
    address: str
    port: int
    dial: int
    """The id of the dial in the client's order."""
    via: tuple[str, ...]
    timeout: float
    source: str | None
    expect: str = "open"
    """What the flow demands of the handshake, see `flows.EXPECTATIONS`."""
    user: str | None = None
    """The client's user as whom it is tried; None: the one as whom Ansible runs there."""
    assumed: bool = False
    """Nobody says that clients use this address: it is the one by which Ansible reaches the server."""

    @property
    def key(self) -> Key:
        """What makes it the same entry in the plans of other runs."""
        return self.flow, self.client, self.server, self.address, self.port


def parties(entries: Iterable[Entry]) -> list[str]:
    """The hosts that have a part in some of these, each once, in their order."""
    return list(dict.fromkeys(name for entry in entries for name in (entry.client, *entry.via, entry.server) if name))


@dataclass(frozen=True)
class Plan:
    """Everything that the three round trips are to do."""

    run: str
    entries: tuple[Entry, ...]
    orders: dict[str, dict[str, Any]]
    """host -> work order, see docs/evidence.md"""
    _keywords: KW_ONLY
    not_in_play: tuple[str, ...] = ()
    """Hosts with a part in some flow that this play does not reach: they have no order and no evidence."""
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """host -> the addresses and networks that the inventory has for it: only for these are other hosts changed"""
    normal: tuple[str, ...] = NORMAL
    """What may be altered on the way without being wrong."""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """group of the inventory -> its hosts that have a part in some flow: what failures may have in common"""
    overlap: float = 0.0
    """Seconds within which other slices begin; 0 where this run is no slice."""
    lowered: tuple[str, ...] = ()
    """Sentences about listeners to which fewer connections are made than the options ask for; they are not kept."""
    deadlines: Deadlines | None = None
    """How long hosts are waited for; it is kept apart from the plan, since every task needs it."""

    def parties(self) -> list[str]:
        """The hosts that have a part in some flow, each once, in the order of the entries."""
        return parties(self.entries)

    def phases(self) -> dict[str, list[str]]:
        """host -> the round trips that it takes part in."""
        return {host: order["phases"] for host, order in self.orders.items()}

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON, without the orders: each host's is kept in a file of its own."""
        return {
            "run": self.run,
            "entries": [asdict(entry) for entry in self.entries],
            "not_in_play": list(self.not_in_play),
            "addresses": {host: list(known) for host, known in self.addresses.items()},
            "normal": list(self.normal),
            "groups": {group: list(hosts) for group, hosts in self.groups.items()},
            **({"overlap": self.overlap} if self.overlap else {}),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], orders: Mapping[str, dict[str, Any]] | None = None) -> Plan:
        """The reverse of `to_json`."""
        known = defaultdict[type, dict[object, Any]](dict)  # of a large fleet, most entries have the names, addresses and ports of others
        entries = tuple(
            Entry(**{name: known[type(value)].setdefault(value, value) for name, value in entry.items()})
            for entry in ({**entry, "via": tuple(entry["via"])} for entry in raw["entries"])
        )
        addresses = {host: tuple(known) for host, known in raw.get("addresses", {}).items()}  # plans of 0.1.0 have none
        normal = tuple(raw.get("normal", NORMAL))
        groups = {group: tuple(hosts) for group, hosts in raw.get("groups", {}).items()}
        return cls(
            raw["run"],
            entries,
            dict(orders or {}),
            not_in_play=tuple(raw["not_in_play"]),
            addresses=addresses,
            normal=normal,
            groups=groups,
            overlap=float(raw.get("overlap", 0.0)),
        )
