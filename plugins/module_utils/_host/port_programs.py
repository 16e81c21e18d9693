# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The part of a snapshot about what programs on our ports do with their connections."""

from __future__ import annotations

import os
import typing as t

from . import sockets as _sockets
from .snapshot_parts import Parts

_PROXIES = frozenset(("nginx", "haproxy"))
_MANY = 12  # connections to a port, which a loop has after a few attempts
_LIMITED = frozenset(("nginx", "haproxy", "redis-server", "valkey-server"))


def add_used(snapshot: Parts, listeners: list[dict[str, t.Any]], counts: t.Mapping[str, t.Mapping[str, int]], closing: bool) -> None:
    """Limits that are reached, and connections of the host with itself."""
    if closing:
        _limits(snapshot, listeners, counts)
    _of_itself(snapshot, listeners, counts)


def _limits(snapshot: Parts, listeners: list[dict[str, t.Any]], counts: t.Mapping[str, t.Mapping[str, int]]) -> None:
    """Limits of connections that programs on our ports have reached, of those that report them."""
    if _LIMITED.isdisjoint(process["name"] for listener in listeners for process in listener["processes"] or ()):
        return
    from . import limits

    snapshot.add_partial("limits", lambda: limits.read(listeners, counts))


def _of_itself(snapshot: Parts, listeners: t.Sequence[t.Mapping[str, t.Any]], counts: t.Mapping[str, t.Mapping[str, int]]) -> None:
    """Connections that the host made to itself, on those of our ports on which a program takes them for others."""
    passed_on = {each["port"] for each in snapshot.parts.get("relays") or ()}
    passed_on |= {one["port"] for one in listeners if any(process["name"] in _PROXIES for process in one["processes"] or ())}
    many = {port for port in passed_on if sum(counts.get(str(port), {}).values()) >= _MANY}
    if many:
        snapshot.add("of_itself", lambda: _sockets.of_itself(many))


def add_calls(snapshot: Parts, listeners: list[dict[str, t.Any]]) -> None:
    """Whom programs on our ports call themselves, without an answer so far."""
    from . import calls

    if any(listener["processes"] for listener in listeners):
        snapshot.add("calls", lambda: calls.read(listeners))


def add_lookups(snapshot: Parts, listeners: list[dict[str, t.Any]]) -> None:
    """Which nameservers programs on our ports ask at present."""
    from . import lookups

    if any(listener["processes"] for listener in listeners):
        snapshot.add("lookups", lambda: lookups.read(listeners))


def add_tunnels(snapshot: Parts, listeners: list[dict[str, t.Any]]) -> None:
    """The sessions of SSH for which connections on our ports are taken."""
    from . import tunnels

    if tunnels.carry(listeners):
        snapshot.add("tunnels", lambda: tunnels.read(listeners))


def add_wrapped(snapshot: Parts, listeners: list[dict[str, t.Any]]) -> None:
    """Whom TCP wrappers let programs on our ports serve, where there are rules."""
    from . import wrappers

    if any(os.path.exists(file) and os.path.getsize(file) for file in wrappers.FILES):
        snapshot.add("wrapped", lambda: wrappers.read(listeners))
