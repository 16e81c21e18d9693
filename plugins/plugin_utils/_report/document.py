# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""``report.json``: the report itself, its keys always in one order."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence

SCHEMA = "threeway.handshake/report/1"

_READING_ORDER = """
schema run started finished summary unobserved flows groups isolated probed changes
name id client server address port dialled resolved source user via expect status leg segment between last_seen causes
blocked_by unexplained remarks undecided probes
code title host role recorded why certainty evidence against detail fix
phase roles attempt attempts connected errors connect_ms outcome errno elapsed_ms late_ms local_port
timeline t_ms packet label from transmission seen lost interface direction
vantages clock not_observed ok degraded broken undetermined kind observation risk
commands steps module arguments command saves undo check rehearsed result
"""
_RANK = {name: rank for rank, name in enumerate(_READING_ORDER.split())}


def render(report: Mapping[str, object]) -> str:
    """ASCII JSON; names in reading order, unknown ones after them by the alphabet; no NaN.

    It is indented by two spaces, but a flow that is ok takes one line: there may be a hundred thousand of them.
    """
    return "".join(parts(report))


def parts(report: Mapping[str, object]) -> Iterator[str]:
    """The same in parts, each flow by itself."""
    before = "{\n"
    for name in sorted(report, key=_rank):
        value = report[name]
        yield f'{before}  "{name}": '
        yield from _flows(value) if name == "flows" and isinstance(value, Sequence) and value else [_indented(_ordered(value), 1)]
        before = ",\n"
    yield "\n}\n" if report else "{\n\n}\n"


def _flows(flows: Sequence[object]) -> Iterator[str]:
    before = "[\n    "
    for flow in flows:
        ordered = _ordered(flow)
        yield before + (_indented(ordered, 2) if _status(flow) != "ok" else _line(ordered))
        before = ",\n    "
    yield "\n  ]"


def _status(flow: object) -> object:
    return flow.get("status") if isinstance(flow, Mapping) else None


def _indented(value: object, depth: int) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False).replace("\n", "\n" + "  " * depth)


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _rank(name: str) -> tuple[int, str]:
    return _RANK.get(name, len(_RANK)), name


def _ordered(value: object) -> object:
    if isinstance(value, Mapping):
        names = sorted(map(str, value), key=_rank)
        items = {str(name): item for name, item in value.items()}
        return {name: _ordered(items[name]) for name in names}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_ordered(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
