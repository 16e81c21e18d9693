# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Servers behind a balancer that are to be dialled directly, past it: which hosts dial which of their addresses and ports. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from .._decide.case import Case
from .._decide.causes.backends import backends

MOST_ENDS, MOST_DIALLERS, MOST_DIALS = 3, 8, 100
"""Of one server: its addresses with ports, and hosts that dial one of them once, each; and of a run, all of that."""

End = tuple[str, int]
Dials = dict[tuple[str, End], dict[str, Any]]


class Bypass:
    """Collects the dials of a run. Ids of theirs are negative: no entry of the plan has such a dial."""

    def __init__(self) -> None:
        self.dials: Dials = {}
        self._ends: dict[str, dict[End, None]] = {}
        self._diallers = Counter[End]()

    def add(self, case: Case, hosts: set[str], timeout: float) -> None:
        """The dials of the client and of the host in front, as far as these are among ``hosts``: the latter first."""
        if case.behind is None or case.server is None:
            return
        known = self._ends.setdefault(case.behind.name, {})
        for end in ends(case):
            if end not in known and len(known) >= MOST_ENDS:
                continue
            known[end] = None
            for host in (case.server.name, case.client.name):
                room = self._diallers[end] < MOST_DIALLERS and len(self.dials) < MOST_DIALS
                if host not in hosts or (host, end) in self.dials or not room:
                    continue
                self._diallers[end] += 1
                address, port = end
                dial = {"id": -1 - len(self.dials), "address": address, "port": port, "source": None, "attempts": 1, "interval": 0.0}
                self.dials[host, end] = {**dial, "timeout": timeout}

    def of(self, host: str) -> list[dict[str, Any]]:
        return [dial for (dialler, _end), dial in self.dials.items() if dialler == host]


def ends(case: Case) -> Iterator[End]:
    """Where the server behind may be dialled, those first to which the host in front connects. Hosts only report which of the addresses
    that the inventory has for it."""
    if case.behind is None:
        return
    name = case.behind.name
    declared = [end for end in backends(case) if case.declared.has(name, end[0])]
    own = [known for known in case.declared.of(name) if canonical_or_none(known) == known]
    alike = [address for address in own if (":" in address) == (":" in case.address)] or own
    yield from dict.fromkeys([*declared, *((address, case.port) for address in alike[:1])])
