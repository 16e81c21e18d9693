# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Clients x destinations: the fleet at one look."""

from __future__ import annotations

from dataclasses import dataclass

from .._report.view import STATUSES, Flow
from .words import client, destination, natural

CELLS = 4000
"""Above this many cells, rows and columns in which all is well are left out, and the rest is cut to 100 columns."""
_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Matrix:
    """``cells[row][column]`` is the worst flow of that client to that destination, or nothing."""

    clients: tuple[str, ...]
    destinations: tuple[str, ...]
    cells: tuple[tuple[Flow | None, ...], ...]
    left_out: str


def matrix(flows: tuple[Flow, ...]) -> Matrix:
    worst: dict[tuple[str, str], Flow] = {}
    for flow in flows:
        place = client(flow), destination(flow)
        if place not in worst or _rank(flow) < _rank(worst[place]):
            worst[place] = flow
    clients, destinations = ({place[axis] for place in worst} for axis in (0, 1))
    total = len(clients), len(destinations)
    if total[0] * total[1] > CELLS:
        troubled = [place for place, flow in worst.items() if flow.status != "ok"]
        clients, destinations = ({place[axis] for place in troubled} for axis in (0, 1))
    columns = sorted(destinations, key=natural)[:_COLUMNS]
    rows = sorted(clients, key=natural)[: CELLS // max(len(columns), 1)]
    return Matrix(
        clients=tuple(rows),
        destinations=tuple(columns),
        cells=tuple(tuple(worst.get((row, column)) for column in columns) for row in rows),
        left_out=_left_out(total, (len(rows), len(columns)), (len(clients), len(destinations))),
    )


def _left_out(total: tuple[int, int], shown: tuple[int, int], troubled: tuple[int, int]) -> str:
    if shown == total:
        return ""
    said = f"{shown[0]} of {total[0]} clients and {shown[1]} of {total[1]} destinations are shown"
    return f"{said}: those with trouble." if shown == troubled else f"{said}: a part of those with trouble, the flows below are complete."


def _rank(flow: Flow) -> int:
    return STATUSES.index(flow.status)
