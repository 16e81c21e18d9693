# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""``report.html``: one page that needs nothing but itself, and no script to be read."""

from __future__ import annotations

import base64
import functools
import hashlib
import pkgutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from .._report.read import view
from .._report.view import STATUSES, Flow
from .._values.text import file_name
from . import words
from .ladder import ROWS, at, ladder, observations, retransmission
from .matrix import matrix

LADDERS = 600
"""Ladder diagrams on a page at most, the worst flows first."""
ATTEMPTS = 3
"""Attempts of one flow that are drawn; of a healthy one the first only."""

GLYPHS = {"broken": "✕", "undetermined": "?", "degraded": "!", "ok": "✓"}


@dataclass(frozen=True, slots=True)
class Drawing:
    attempt: int
    svg: Markup
    shown: bool
    packets_left_out: int


def render(report: Mapping[str, object], captures: Collection[str] = ()) -> str:
    """The page; flows whose id is in ``captures`` link to captures/<id>.pcapng beside it."""
    seen = view(report)
    flows = sorted(seen.flows, key=lambda flow: STATUSES.index(flow.status))
    budget = LADDERS
    drawings: dict[int, list[Drawing]] = {}
    for flow in flows:
        drawings[id(flow)] = _drawings(flow, budget)
        budget -= len(drawings[id(flow)])
    anchors = {id(flow): f"flow-{number}-{file_name(flow.id)}" for number, flow in enumerate(seen.flows, 1)}
    style, script = (f"\n{_part(name)}" for name in ("style.css", "script.js"))
    return _page().render(
        report=seen,
        flows=flows,
        first_of_group={id(group.flows[0]) for group in seen.groups},
        matrix=matrix(seen.flows),
        drawings=drawings,
        anchors=anchors,
        captures={flow.id: f"captures/{file_name(flow.id)}.pcapng" for flow in flows if flow.id in captures},
        glyphs=GLYPHS,
        packet_names=words.PACKET_NAMES,
        words=words,
        observations=observations,
        at=at,
        retransmission=retransmission,
        key=id,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


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


def _drawings(flow: Flow, budget: int) -> list[Drawing]:
    attempts = sorted({packet.attempt for packet in flow.packets if packet.seen})
    drawn: list[Drawing] = []
    for attempt in attempts[: min(1 if flow.status == "ok" else ATTEMPTS, budget)]:
        if svg := ladder(flow, attempt):
            left_out = sum(packet.attempt == attempt and bool(packet.seen) for packet in flow.packets) - ROWS
            drawn.append(Drawing(attempt, svg, not drawn, max(left_out, 0)))
    return drawn


def _hash(text: str) -> str:
    """A content security policy's source for that inline element."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
