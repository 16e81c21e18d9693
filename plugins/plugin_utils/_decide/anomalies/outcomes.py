# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Attempts that ended otherwise than those under examination."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..._values.words import plural
from ..case import Case
from ..causes.icmp import HELD_BACK, held_back
from ..outcome import OUTCOMES
from .anomaly import Anomaly
from .seen import Key, key


def closed_unused(case: Case) -> Iterator[Anomaly]:
    """Connections that ended before anybody said anything."""
    keys = frozenset(key(attempt) for attempt in case.attempts if attempt.probe.peer == "closed")
    if keys:
        text = f"{plural(len(keys), 'connection')} to {case.target} closed at once from there, without a byte"
        yield Anomaly("closed_unused", case.server.name if case.server else "path", text, count=len(keys), attempts=keys)


def other_outcomes(case: Case) -> Iterator[Anomaly]:
    """Those that failed in another way. That some complete is what the causes are about that come and go."""
    found: dict[str, list[tuple[Key, str]]] = defaultdict(list)
    if case.outcome.kind == "completed" or not case.outcomes:
        return
    for attempt, outcome in zip(case.attempts, case.outcomes, strict=True):
        if outcome.kind not in ("completed", "late", case.outcome.kind):
            found[outcome.kind].append((key(attempt), outcome.host))
    for kind, ended in found.items():
        keys = frozenset(key for key, _host in ended)
        text = f"{plural(len(ended), 'attempt')} ended otherwise: {OUTCOMES[kind]}"
        unsaid = len(ended) if case.outcome.kind == "icmp" else len(case.subject)
        at_one_host = {host for _key, host in ended} == {case.outcome.host}
        limited = at_one_host and "icmp" in (kind, case.outcome.kind) and held_back(case, case.outcome.host, unsaid)
        yield Anomaly("other_outcome", case.outcome.host, text, HELD_BACK if limited else kind, count=len(ended), attempts=keys)
