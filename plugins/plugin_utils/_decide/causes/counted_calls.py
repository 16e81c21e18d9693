# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""That none of the connections was taken which a balancer began for its clients meanwhile, by its own counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..._model.host import Host
from ..._model.snapshot import Snapshot
from ..._model.socket_records import Listener
from ..._model.unit_records import BalancedServer
from ..case import Case
from . import called
from .backends import balanced

_End = tuple[str | None, int | None]


@dataclass(frozen=True)
class InVain:
    """The servers that were called, and of the calls how many failed, and how many nobody has answered yet."""

    servers: Sequence[BalancedServer]
    begun: int
    failed: int
    waiting: int


@dataclass(frozen=True)
class _Counts:
    """Of one end to which the balancer connects, and its servers there; ``waiting``: connections without an answer, those of checks too."""

    servers: Sequence[BalancedServer]
    connects: int
    failed: int
    waiting: int


def in_vain(case: Case, server: Host, listener: Listener) -> InVain | None:
    """Of a balancer with one section of servers: of several, it is not known which one is for the flow's port."""
    pids = {process.pid for process in listener.processes or ()}
    before, after = (_counted(case, snapshot, pids) for snapshot in (server.before, server.after))
    made = sum(probe.connected for probe in case.probes)
    if not made or called.got_data(case) or before is None or after is None or before.keys() != after.keys():
        return None
    called_up = {end: counts for end, counts in after.items() if counts.connects > before[end].connects}
    if any(one.up for end, counts in after.items() if end not in called_up for one in counts.servers):
        return None  # by connections that it keeps there, which need no call (http-reuse)
    found = [_meanwhile(before[end], counts) for end, counts in called_up.items()]
    if any(each is None for each in found):
        return None
    known = [each for each in found if each is not None]
    begun, failed, waiting = (sum(getattr(each, name) for each in known) for name in ("begun", "failed", "waiting"))
    return InVain([one for each in known for one in each.servers], begun, failed, waiting) if begun >= made else None


def _meanwhile(before: _Counts, after: _Counts) -> InVain | None:
    """None where any connection may have been taken, of those begun meanwhile or of those that waited already."""
    begun, failed = after.connects - before.connects, after.failed - before.failed
    waiting = max(0, after.waiting - sum(each.check is not None for each in after.servers))  # a check is one connection at a time
    if failed < 0 or begun + before.waiting > failed + waiting:
        return None
    return InVain(after.servers, begun, failed, waiting)


def _counted(case: Case, snapshot: Snapshot | None, pids: set[int]) -> Mapping[_End, _Counts] | None:
    """By where the balancer connects. None where that or its counts are not known of all servers, or these are of several sections."""
    known = [each for each in balanced(case, snapshot) if each.program == "haproxy"]
    if len({each.proxy for each in known}) != 1 or any(each.connects is None or each.failed is None for each in known):
        return None
    waiting = Counter[_End]()
    for call in (snapshot.calls if snapshot else None) or ():
        if call.pid in pids:
            waiting[call.address, call.port] += call.count
    found: dict[_End, _Counts] = {}
    for end in dict.fromkeys((each.address, each.port) for each in known):
        servers = [each for each in known if (each.address, each.port) == end]
        connects, failed = sum(each.connects or 0 for each in servers), sum(each.failed or 0 for each in servers)
        found[end] = _Counts(servers, connects, failed, waiting[end])
    return found
