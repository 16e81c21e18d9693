# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A flow's packets from all vantage points as one pcapng file, each with a comment that says whether it arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.pcapng import CapturedPacket, write

from .._decide.case import Case
from .._decide.rows import Row
from .._decide.story import LABELS, is_lost
from .._decide.timeline import Attempt


def captures(cases: Sequence[Case], causes: Sequence[dict[str, Any]]) -> bytes:
    """The file's bytes: one interface per vantage point, packets by the time of the client's clock, as recorded on each host."""
    rows = [(attempt, row, _comment(case, attempt, row)) for case in cases for attempt in case.attempts for row in attempt.everything]
    found = [(attempt.when(seen), seen, comment) for attempt, row, comment in rows for seen in row.everywhere]
    found.sort(key=lambda item: item[0])
    numbers: dict[tuple[str, str], int] = {}
    packets = [
        CapturedPacket(numbers.setdefault((seen.host, seen.interface), len(numbers)), seen.frame, comment) for _when, seen, comment in found
    ]
    first = f"{causes[0]['code']} at {causes[0]['host']} ({causes[0]['certainty']}): {causes[0]['summary']}" if causes else "no cause found"
    return write([f"{host}:{interface}" for host, interface in numbers], packets, first)


def _comment(case: Case, attempt: Attempt, row: Row) -> str:
    again = f", transmission {row.transmission}" if row.transmission > 1 else ""
    lost = "; it did not arrive at the other end" if is_lost(case, attempt, row) else ""
    return f"attempt {attempt.probe.attempt}: {LABELS[row.kind]}{again}{lost}"
