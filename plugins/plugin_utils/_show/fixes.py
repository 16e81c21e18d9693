# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The plan of a remediation on a terminal: what would be changed and how, and what is left alone and why."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._model.prose import Prose, Wording
from .._remediate.judgement import named
from .._remediate.mending import Mending, by_host
from .._remediate.rehearsal import Rehearsed, remark
from .._values.text import NAME, clean, clip, wrap
from .fix_words import REHEARSAL
from .terminal import Style, plain
from .words import count

LINES = 60
"""Lines of one step's difference that are shown."""
LEFT, ALIKE = 40, 5
"""Reasons that are shown why fixes are not made, and fixes that are named for each."""

_INDENT = "    "

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FixPlan:
    """``wanted`` are made, the canary's first, but on the hosts ``only_planned``; ``left`` with outcome and reason.

    ``previews``: per host, what each step would do.
    """

    wanted: Sequence[Mending]
    left: Sequence[tuple[Mending, str, Wording]]
    previews: Mapping[str, Sequence[Json]]
    only_planned: Collection[str]
    stopped: Prose | None
    left_open: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Per host, the transactions of other runs that keep it from being changed, as sentences."""
    rehearsed: Rehearsed = field(default_factory=dict)
    check_mode: bool = False


def render(plan: FixPlan, report: Json, *, width: int, style: Style = plain) -> str:
    """The plan in lines; ``report`` has the flows that it is for."""
    width = max(width, 40)
    return "\n".join(_lines(plan, {flow["id"]: clean(named(flow)) for flow in report["flows"]}, width, style)) + "\n"


def _lines(plan: FixPlan, flows: Mapping[str, str], width: int, style: Style) -> Iterator[str]:
    yield style(_title(plan), "strong")
    if plan.stopped:
        yield from wrap(clean(plan.stopped), width, _INDENT)
    mixed = any(mending.where not in plan.only_planned for mending in plan.wanted)
    for host, several in by_host(plan.wanted).items():
        for mending in several:
            yield ""
            yield from _mending(mending, flows, width, style)
            if said := remark(mending, plan.rehearsed):
                yield from wrap(clean(f"{REHEARSAL}: {said}"), width, _INDENT, _INDENT * 2)
            if mixed and host in plan.only_planned:
                yield from wrap(f"not made: remediate_apply is not true for host {clean(host, NAME)}", width, _INDENT, _INDENT * 2)
        for sentence in plan.left_open.get(host, ()):
            yield from wrap(clean(f"another transaction is open on {host}: {sentence}"), width, _INDENT, _INDENT * 2)
        yield from _differences(plan.previews.get(host, ()), width, style)
    yield from _left(plan, width, style)


def _left(plan: FixPlan, width: int, style: Style) -> Iterator[str]:
    """What is not made, those with the same reason together. Advice stands in the answer, and is only counted."""
    reasons: dict[str, list[Mending]] = {}
    for mending, _outcome, why in plan.left:
        if mending.steps or mending.rehearsed:
            reasons.setdefault(clean(why), []).append(mending)
    left = sum(map(len, reasons.values()))
    advice = len(plan.left) - left
    if plan.left:
        yield ""
        yield style("not fixed", "strong")
    for why, several in list(reasons.items())[:LEFT]:
        for mending in several[:ALIKE]:
            yield from wrap(clean(f"{mending.code} at {mending.host}: {mending.summary}"), width, "  ", _INDENT)
        if len(several) > ALIKE:
            yield f"  ... and {len(several) - ALIKE} more for the same reason"
        yield from (style(line, "dim") for line in wrap(why, width, _INDENT))
    if len(reasons) > LEFT:
        yield f"  ... and {left - sum(len(each) for each in list(reasons.values())[:LEFT])} more, see report.json"
    if advice:
        yield from wrap(f"{count(advice, 'cause')} for which there is advice, and no fix that can be made", width, "  ", _INDENT)


def _title(plan: FixPlan) -> str:
    if not plan.wanted:
        return "nothing to fix" + (" that the policy allows" if plan.left else "")
    made = [mending for mending in plan.wanted if mending.where not in plan.only_planned]
    if made and not plan.stopped:
        return f"fixing: {_counted(made)}, one host first"
    return f"planned: {_counted(plan.wanted)}; nothing is changed" + _why_not(plan, bool(made))


def _why_not(plan: FixPlan, made: bool) -> str:
    """What keeps it all from being made; nothing where another line says that."""
    if made:
        return ""
    return " in check mode" if plan.check_mode else " without remediate_apply=true"


def _counted(several: Sequence[Mending]) -> str:
    return f"{count(len(several), 'fix', 'es')} on {count(len(by_host(several)), 'host')}"


def _mending(mending: Mending, flows: Mapping[str, str], width: int, style: Style) -> Iterator[str]:
    head = clean(f"{mending.where}  {mending.kind}, risk {mending.risk}, {mending.code} at {mending.host} [{mending.certainty}]", 2 * NAME)
    yield from (style(line, "strong") for line in wrap(head, width))
    yield from wrap(clean(mending.summary), width, _INDENT, _INDENT * 2)
    yield from wrap(f"for: {', '.join(flows.get(flow, clean(flow, NAME)) for flow in mending.flows)}", width, _INDENT, _INDENT * 2)
    if mending.why:
        yield from wrap(f"why: {clean(mending.why)}", width, _INDENT, _INDENT * 2)
    for step in mending.steps:
        yield from wrap(f"$ {clean(step['command'])}", width, _INDENT * 2, _INDENT * 3)
    for command in mending.undo:
        yield from wrap(f"undo: $ {clean(command)}", width, _INDENT, _INDENT * 3)
    if mending.check:
        yield from wrap(f"check: {clean(mending.check)}", width, _INDENT, _INDENT * 2)


def _differences(steps: Sequence[Json], width: int, style: Style) -> Iterator[str]:
    for step in steps:
        if step["why"]:
            yield from (style(line, "dim") for line in wrap(clean(f"not known in advance: {step['why']}"), width, _INDENT))
        for diff in step["diff"]:
            lines = list(_difference(diff))
            for line in lines[:LINES]:
                role = {"+": "ok", "-": "broken"}.get(line[:1], "dim")
                yield _INDENT + style(clip(line, width - len(_INDENT)), role)
            if len(lines) > LINES:
                yield f"{_INDENT}... and {len(lines) - LINES} more lines"


def _difference(diff: Json) -> Iterator[str]:
    if "prepared" in diff:
        yield from (clean(line) for line in str(diff["prepared"]).splitlines())
        return
    before, after = _text(diff.get("before")), _text(diff.get("after"))
    old, new = (clean(diff.get(f"{side}_header") or side, NAME) for side in ("before", "after"))
    yield from (clean(line) for line in difflib.unified_diff(before, after, old, new, lineterm="", n=2))


def _text(value: object) -> list[str]:
    """A text of a difference in lines; a mapping, as some modules have it, with a line for each name."""
    if isinstance(value, Mapping):
        return [f"{name}: {item}" for name, item in value.items()]
    return str(value or "").splitlines()
