# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""``report.md``: what goes into a ticket. GitHub's and GitLab's Markdown, no HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .._report.read import view
from .._report.view import STATUSES, Cause, Flow, Group, Report
from .._values.text import markdown
from . import fix_words, words

GROUPS = 50
"""Root causes shown in full."""
FLOWS = 20
"""Flows listed for one root cause, and rows of the table of destinations times five."""


def render(report: Mapping[str, object]) -> str:
    """Totals, each root cause with its evidence and fix, and a table of destinations."""
    return "\n".join(_lines(view(report))) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield "# Handshake report"
    yield ""
    yield markdown(words.totals(report))
    yield ""
    yield f"Run of {markdown(words.when(report))}"
    if report.unobserved:
        yield ""
        yield from (f"- {markdown(line)}" for line in words.unobserved(report))
    patterns, probed = words.in_common(report), words.probed(report)
    if patterns or probed:
        yield ""
    yield from (f"- {words.IN_COMMON}: {markdown(words.isolated(found))}" for found in patterns)
    if probed:
        yield f"- {markdown(probed)}"
    for group in report.groups[:GROUPS]:
        yield ""
        yield from _group(group)
    if len(report.groups) > GROUPS:
        yield ""
        yield f"... and {len(report.groups) - GROUPS} more root causes, see report.json"
    yield ""
    yield from _destinations(report)
    if report.changes:
        yield ""
        yield from _changes(report)


def _group(group: Group) -> Iterator[str]:
    flow = group.flows[0]
    more = (
        f" (and {words.count(len(group.flows) - 1, 'more flow')}{' with this cause' if flow.cause else ' like it'})"
        if len(group.flows) > 1
        else ""
    )
    yield f"## {flow.status.upper()}: {markdown(words.route(flow))}{more}"
    yield ""
    certainty = f" \\[{markdown(flow.cause.certainty)}\\]" if flow.cause and flow.cause.certainty else ""
    yield f"**{markdown(words.verdict(flow))}**{certainty}"
    if flow.cause:
        yield ""
        yield from _cause(flow.cause)
    yield ""
    yield f"- attempts: {markdown(words.connects(flow))}"
    if words.dialled(flow):
        yield f"- dialled: {markdown(words.dialled(flow))}"
    yield from (f"- also: {markdown(f'{cause.code} [{cause.certainty}] {cause.summary}')}" for cause in flow.causes[1:])
    yield from (f"- {words.LEFT_OVER}: {markdown(words.noted(note))}" for note in flow.unexplained)
    yield from (f"- remark: {markdown(remark)}" for remark in flow.remarks)
    yield from (f"- not observed: {markdown(sentence)}" for sentence in flow.not_observed)
    yield from (f"- would decide: {markdown(sentence)}" for sentence in flow.undecided)
    others = group.flows[1:]
    if others:
        yield ""
        more = f" and {len(others) - FLOWS} more" if len(others) > FLOWS else ""
        yield f"The same{' cause' if flow.cause else ''}: {', '.join(markdown(words.route(other)) for other in others[:FLOWS])}{more}"


def _cause(cause: Cause) -> Iterator[str]:
    yield f"**Cause** {markdown(f'{cause.code}: {cause.summary or cause.title}')}"
    if cause.evidence:
        yield ""
        yield "| host | source | observation |"
        yield "| --- | --- | --- |"
        yield from (f"| {markdown(item.host)} | {markdown(item.source)} | {markdown(item.observation)} |" for item in cause.evidence)
    if cause.steps:
        yield ""
        yield "| rule on the way | conditions | effect | counter |"
        yield "| --- | --- | --- | --- |"
        for step in cause.steps:
            parts = "; ".join(words.condition(part) for part in step.parts) or step.text
            cells = (words.rule(step), parts, words.effect(step), "" if step.packets is None else str(step.packets))
            yield f"| {' | '.join(map(markdown, cells))} |"
    if cause.against:
        yield ""
        yield from (f"- against it: {markdown(sentence)}" for sentence in cause.against)
    if cause.fix:
        at = f"on {cause.fix.host}: " if cause.fix.host not in ("", "path") else ""
        yield ""
        yield f"**{'Fix' if fix_words.made(cause.fix) else 'Advice'}** {markdown(at + cause.fix.summary + fix_words.risk(cause.fix))}"
        if cause.fix.commands:
            yield ""
            yield from (f"- {markdown(command)}" for command in cause.fix.commands)
        if about := fix_words.about(cause.fix) if cause.fix.commands or cause.fix.rehearsed else []:
            yield from ([] if cause.fix.commands else [""])
            yield from (f"- {what}: {markdown(text)}" for what, text in about)


def _changes(report: Report) -> Iterator[str]:
    yield "## Changes"
    yield ""
    yield "| outcome | host | change | flows before and after | why |"
    yield "| --- | --- | --- | --- | --- |"
    for change in fix_words.changes(report)[: FLOWS * 5]:
        cells = (
            fix_words.outcome(change),
            change.where,
            f"{change.kind}: {change.summary}",
            ". ".join(fix_words.tried(change)),
            change.why,
        )
        yield f"| {' | '.join(map(markdown, cells))} |"


def _destinations(report: Report) -> Iterator[str]:
    by_destination: dict[str, list[Flow]] = {}
    for flow in report.flows:
        by_destination.setdefault(words.destination(flow), []).append(flow)
    ranked = sorted(by_destination.items(), key=lambda item: (min(STATUSES.index(flow.status) for flow in item[1]), words.natural(item[0])))
    yield "## Destinations"
    yield ""
    yield f"| destination | {' | '.join(STATUSES)} |"
    yield f"| --- |{' ---: |' * len(STATUSES)}"
    for place, flows in ranked[: FLOWS * 5]:
        yield f"| {markdown(place)} | {' | '.join(str(sum(flow.status == status for flow in flows)) for status in STATUSES)} |"
    if len(ranked) > FLOWS * 5:
        yield ""
        yield f"... and {len(ranked) - FLOWS * 5} more destinations"
