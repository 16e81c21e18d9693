# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""That none of the connections was taken which a balancer began for its clients meanwhile, by its own counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..._model.host import Host
from ..._model.snapshot import Snapshot
from ..._model.socket_records import Listener
from ..._model.unit_records import BalancedServer
from ..case import Case
from . import called
from .backends import balanced


@dataclass(frozen=True)
class InVain:
    """The servers that were called, and of the calls how many failed, and how many nobody has answered yet."""

    servers: Sequence[BalancedServer]
    begun: int
    failed: int
    waiting: int


def in_vain(case: Case, server: Host, listener: Listener) -> InVain | None:
    """Of a balancer with one section of servers: of several, it is not known which one is for the flow's port."""
    pids = {process.pid for process in listener.processes or ()}
    before, after = _counted(case, server.before), _counted(case, server.after)
    made = sum(probe.connected for probe in case.probes)
    if not made or called.got_data(case) or len({proxy for proxy, _name in after}) != 1 or before.keys() != after.keys():
        return None
    begun, failed = (sum(after[name][part] - before[name][part] for name in after) for part in (0, 1))
    calls = (server.after.calls if server.after else None) or ()
    waiting = sum(call.count for call in calls if call.pid in pids)
    if begun < made or failed < 0 or begun > failed + waiting:
        return None
    all_ = balanced(case, server.after)
    return InVain([each for each in all_ if after[each.proxy, each.server][0] > before[each.proxy, each.server][0]], begun, failed, waiting)


def _counted(case: Case, snapshot: Snapshot | None) -> dict[tuple[str | None, str | None], tuple[int, int]]:
    """Of each server, how many calls were begun, and how many failed; nothing where that is not known of all."""
    known = [each for each in balanced(case, snapshot) if each.program == "haproxy"]
    if any(each.connects is None or each.failed is None for each in known):
        return {}
    return {(each.proxy, each.server): (each.connects or 0, each.failed or 0) for each in known}
