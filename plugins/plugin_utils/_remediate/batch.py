# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Which fixes come next: one host first, and if that went well, several at a time."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .mending import Mending, by_host
from .policy import Limits


def hosts_in_order(candidates: Sequence[Mending], report: Mapping[str, Any]) -> list[str]:
    """The hosts to change, that with the fewest declared flows first: it is the canary."""
    flows = {host: sum(host in (flow["client"], flow["server"], *flow["via"]) for flow in report["flows"]) for host in by_host(candidates)}
    return sorted(flows, key=lambda host: (flows[host], _natural(host)))


def within_reach(ordered: Sequence[str], touched: Collection[str], limits: Limits) -> list[str]:
    """Those of the hosts that this run may change: with those ``touched`` already, at most as many as the run may."""
    room = limits.max_hosts - len(set(touched))
    new = [host for host in ordered if host not in touched]
    allowed = {*touched, *new[: max(room, 0)]}
    return [host for host in ordered if host in allowed]


def next_batch(reachable: Sequence[str], touched: Collection[str], limits: Limits) -> list[str]:
    """The hosts of the next batch."""
    return list(reachable[: limits.batch_hosts if touched else 1])


def _natural(text: str) -> list[tuple[int, str]]:
    """web2 before web10."""
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in re.split(r"([0-9]{1,18})", text)]
