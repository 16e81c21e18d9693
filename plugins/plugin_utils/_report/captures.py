# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A flow's packets from all vantage points as one pcapng file, each with a comment that says what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.pcapng import CapturedPacket, write

from .._decide.case import Case
from .._decide.rows import Row
from .._decide.story import LABELS, is_lost
from .._decide.timeline import Attempt
from .._model.recording import Observation


def captures(cases: Sequence[Case], causes: Sequence[dict[str, Any]]) -> bytes:
    """The file's bytes: one interface per vantage point, packets by the time of the client's clock, as recorded on each host."""
    rows = [(case, attempt, row) for case in cases for attempt in case.attempts for row in attempt.everything]
    found = [(case, attempt, row, seen) for case, attempt, row in rows for seen in row.everywhere]
    found.sort(key=lambda item: item[1].when(item[3]))
    numbers: dict[str, int] = {}
    for _case, _attempt, _row, seen in found:
        numbers.setdefault(_vantage(seen), len(numbers))
    packets = [CapturedPacket(numbers[_vantage(seen)], seen.frame, _comment(case, attempt, row)) for case, attempt, row, seen in found]
    first = f"{causes[0]['code']} at {causes[0]['host']} ({causes[0]['certainty']}): {causes[0]['summary']}" if causes else "no cause found"
    return write(list(numbers), packets, first)


def _vantage(seen: Observation) -> str:
    return f"{seen.host}:{seen.interface}"


def _comment(case: Case, attempt: Attempt, row: Row) -> str:
    again = f", transmission {row.transmission}" if row.transmission > 1 else ""
    lost = "; it did not arrive at the other end" if is_lost(case, attempt, row) else ""
    return f"attempt {attempt.probe.attempt}: {LABELS[row.kind]}{again}{lost}"
