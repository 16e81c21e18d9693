# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A history on a terminal: a row per flow, those with trouble first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._report.view import STATUSES
from .._values.text import cells, clip, wrap
from .terminal import Style, plain
from .words import count, natural

ROWS = 200
"""Flows that are shown at most."""
_HEADS = ("flow", "state", "since", "first bad", "flaps", "to mend", "works", "last cause")
_NUMBERS = frozenset({"flaps", "to mend", "works"})
_GIVE_WAY = ("first bad", "to mend", "flaps", "since", "works")
"""Columns that are left out, one after the other, where the table would be too wide."""
_FLOW_WIDTH, _CAUSE_WIDTH = 20, 20
"""What these two columns have at least; they share what the others leave."""


def render(flows: Sequence[Mapping[str, Any]], since: str, width: int, style: Style = plain) -> str:
    """Documents of flows (``document.flow_document``) as a table of at most ``width`` columns, but at least 60."""
    if not flows:
        return "No flow of the history matches.\n"
    ranked = sorted(flows, key=lambda flow: (STATUSES.index(flow["status"]), natural(flow["name"]), natural(flow["client"])))
    table = [dict(zip(_HEADS, _row(flow), strict=True)) for flow in ranked[:ROWS]]
    widths = {head: max(cells(head), *(cells(row[head]) for row in table)) for head in _HEADS}
    left_out: list[str] = []
    while (room := _room(widths, width)) < _FLOW_WIDTH + _CAUSE_WIDTH and len(left_out) < len(_GIVE_WAY):
        left_out.append(_GIVE_WAY[len(left_out)])
        del widths[left_out[-1]]
    room = max(room, _FLOW_WIDTH + _CAUSE_WIDTH)
    widths["flow"] = min(widths["flow"], max(room - min(widths["last cause"], room // 2), _FLOW_WIDTH))
    widths["last cause"] = min(widths["last cause"], max(room - widths["flow"], _CAUSE_WIDTH))
    lines = [style(_line({head: head for head in widths}, widths), "strong"), *(_line(row, widths, style) for row in table)]
    if len(ranked) > ROWS:
        lines.append(f"... and {count(len(ranked) - ROWS, 'more flow')}")
    note = f"Times are UTC. Flaps, time to mend and the share of time in which a flow works count from {_minute(since)}."
    lines += ["", *wrap(note, width)]
    if left_out:
        lines += wrap(f"Left out, for lack of columns: {', '.join(left_out)}.", width)
    return "\n".join(lines) + "\n"


def _room(widths: Mapping[str, int], width: int) -> int:
    """What the others leave for flow and cause."""
    return width - sum(size for head, size in widths.items() if head not in ("flow", "last cause")) - 2 * (len(widths) - 1)


def _row(flow: Mapping[str, Any]) -> tuple[str, ...]:
    server = flow["server"] or flow["address"]
    cause = flow["last_cause"]
    share = flow["availability"]
    return (
        f"{flow['name']}: {flow['client']} -> {server}:{flow['port']}",
        flow["status"],
        _minute(flow["since"]),
        _minute(flow["first_bad"]),
        f"{flow['flaps']}{'!' if flow['flapping'] else ''}",
        _lasted(flow["time_to_mend_seconds"]),
        "-" if share is None else f"{share if share == 1 else min(share, 0.9999):.2%}",  # all of the time means all of it
        f"{cause['code']} at {cause['host']}" if cause else "-",
    )


def _line(row: Mapping[str, str], widths: Mapping[str, int], style: Style = plain) -> str:
    """A row; ``style`` paints its state."""
    parts = []
    for head, width in widths.items():
        kept = clip(row[head], width)
        pad = " " * (width - cells(kept))
        shown = style(kept, row[head]) if head == "state" else kept
        parts.append(pad + shown if head in _NUMBERS else shown + pad)
    return "  ".join(parts).rstrip()


def _minute(moment: str | None) -> str:
    return "-" if moment is None else f"{moment[:10]} {moment[11:16]}"


def _lasted(seconds: int | None) -> str:
    """``45s``, ``12m``, ``3h20m``, ``2d4h``"""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes}m"
    return f"{hours}h{minutes % 60}m" if hours < 48 else f"{days}d{hours % 24}h"
