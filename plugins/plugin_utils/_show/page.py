# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""``report.html``: one page that needs nothing but itself. The flows are in it once, as data; script.js shows what a reader looks at.

Without a script it has the verdict, the root causes, and the worst flows.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import pkgutil
from collections.abc import Callable, Collection, Mapping, Sequence

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from .._report.read import view
from .._report.view import STATUSES, Flow, Report
from .._values.text import file_name
from . import fix_words, words
from .flow_text import flow_text, remedy, traffic
from .ladder import at, observations, retransmission
from .pool import Pool

GROUPS = 25
"""Root causes that are shown before somebody asks for more."""
PLAIN = 20
"""Flows that are shown where no script runs, the first one of each root cause before others."""
ROOM = 6_000_000
"""Characters that what the flows say when they are opened may take, the worst flows first."""

GLYPHS = {"broken": "✕", "undetermined": "?", "degraded": "!", "ok": "✓"}
_PARTS = {"style": ("style.css",), "script": ("ladder.js", "script.js")}


def render(report: Mapping[str, object], captures: Collection[str] = ()) -> str:
    """The page; flows whose id is in ``captures`` link to captures/<id>.pcapng beside it."""
    seen = view(report)
    flows = _worst_first(seen)
    anchors = _anchors(flows)
    parts = {what: "\n" + "".join(map(_part, names)) for what, names in _PARTS.items()}
    return _page().render(
        report=seen,
        in_common=words.in_common(seen),
        probed=words.probed(seen),
        groups=[(group, anchors[id(group.flows[0])]) for group in seen.groups[:GROUPS]],
        plain=[(flow, flow_text(flow), anchors[id(flow)]) for flow in flows[:PLAIN]],
        captures={flow.id: _capture(flow) for flow in flows[:PLAIN] if flow.id in captures},
        glyphs=GLYPHS,
        words=words,
        fix_words=fix_words,
        remedy=remedy,
        observations=observations,
        at=at,
        retransmission=retransmission,
        data=Markup(_json(_data(seen, flows, anchors, captures))),
        **{what: Markup(text) for what, text in parts.items()},
        **{f"{what}_hash": _hash(text) for what, text in parts.items()},
    )


def _worst_first(report: Report) -> list[Flow]:
    """The first flow of each root cause before the others of its status, so that it has room."""
    firsts = {id(group.flows[0]) for group in report.groups}
    return sorted(report.flows, key=lambda flow: (STATUSES.index(flow.status), id(flow) not in firsts))


def _anchors(flows: Sequence[Flow]) -> dict[int, str]:
    """``flow-`` and the id of the flow, which is the same in the next report; a number where ids are not unique."""
    taken: dict[str, int] = {}
    anchors = {}
    for flow in flows:
        name = f"flow-{file_name(flow.id)}"
        number = taken[name] = taken.get(name, 0) + 1
        anchors[id(flow)] = name if number == 1 else f"{name}.{number}"
    return anchors


def _data(report: Report, flows: Sequence[Flow], anchors: Mapping[int, str], captures: Collection[str]) -> dict[str, object]:
    pool = Pool()
    groups = {id(flow): number for number, group in enumerate(report.groups) for flow in group.flows}
    paths = {flow.id: _capture(flow) for flow in flows if flow.id in captures}
    rows = [[anchors[id(flow)], *map(pool.add, _row(flow, paths.get(flow.id, ""))), groups.get(id(flow), -1)] for flow in flows]
    searched, limit = len(pool.values), pool.size + ROOM
    details = [[_room(pool, limit, describe, flow) for flow in flows] for describe in (flow_text, traffic)]
    return {
        "statuses": list(STATUSES),
        "glyphs": GLYPHS,
        "shapes": pool.shapes,
        "values": pool.values,
        "searched": searched,
        "rows": [[*row, *found] for row, found in zip(rows, zip(*details, strict=True), strict=True)],
    }


def _capture(flow: Flow) -> str:
    return f"captures/{file_name(flow.id)}.pcapng"


def _row(flow: Flow, capture: str) -> tuple[object, ...]:
    """What is known of a flow before it is opened; script.js has the names of these."""
    cause = flow.cause
    shown = (cause.certainty, cause.code, cause.title, cause.host) if cause else ("", "", "", "")
    return (STATUSES.index(flow.status), flow.name, flow.client, words.destination(flow), words.verdict(flow), *shown, capture)


def _room(pool: Pool, limit: int, describe: Callable[[Flow], object], flow: Flow) -> int:
    """A reference as long as there is room; -1 for what is left to report.json."""
    return pool.add(describe(flow)) if pool.size < limit else -1


def _json(data: object) -> str:
    """Nothing in it ends a script or begins a comment: ASCII, and no ``<``."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


@functools.cache
def _page() -> Template:
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(_part("template.html"))


@functools.cache
def _part(name: str) -> str:
    """A file beside this one. It is as constant as code, and is asked of what loaded the code."""
    content = pkgutil.get_data(__package__, name)
    if content is None:  # as Ansible's loader has it
        raise FileNotFoundError(name)
    return content.decode("utf-8")


def _hash(text: str) -> str:
    """A content security policy's source for that inline element."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
