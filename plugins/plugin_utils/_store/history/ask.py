# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Questions to a history. SQL reduces the verdicts of a flow to those that differ from the one before, ``outages`` reads these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from ..._history.histories import History, Named, PastChange, Wanted
from ..._history.outages import DecisiveCause, Span
from .session import Session

_AT_ONCE = 500
"""Flows of one query: databases bound the number of parameters."""

_SPANS = """
SELECT * FROM (
    SELECT verdicts.flow, verdicts.finished, verdicts.run, status, code, host, certainty, summary,
        LAG(verdicts.finished) OVER earlier AS finished_before,
        LAG(status) OVER earlier AS status_before,
        LAG(code) OVER earlier AS code_before,
        LAG(host) OVER earlier AS host_before,
        LEAD(verdicts.finished) OVER earlier AS finished_after,
        ROW_NUMBER() OVER earlier AS number
    FROM handshake_verdicts AS verdicts
    LEFT JOIN handshake_causes AS causes ON causes.flow = verdicts.flow AND causes.run = verdicts.run AND causes.rank = 0
    WHERE verdicts.flow IN :flows
    WINDOW earlier AS (PARTITION BY verdicts.flow ORDER BY verdicts.finished, verdicts.run)
) AS observed
WHERE finished_after IS NULL OR number = 1 OR status <> status_before
    OR COALESCE(code, '') <> COALESCE(code_before, '') OR COALESCE(host, '') <> COALESCE(host_before, '')
ORDER BY flow, number
"""

_KEPT = """
SELECT DISTINCT flows.flow, changes.code, changes.host, changes.subject, runs.finished, runs.run
FROM handshake_changes AS changes
JOIN handshake_changed_flows AS flows ON flows.run = changes.run AND flows.number = changes.number
JOIN handshake_runs AS runs ON runs.run = changes.run
WHERE changes.outcome = 'kept'
"""

_NOT_HELD = f"""
SELECT flow, code, host, COUNT(*) FROM (
    SELECT flow, code, host, finished, run,
        LEAD(finished) OVER later AS finished_again,
        LEAD(run) OVER later AS run_again
    FROM ({_KEPT}) AS kept_once
    WINDOW later AS (PARTITION BY flow, code, host ORDER BY finished, run)
) AS kept
WHERE run_again IS NOT NULL OR EXISTS (
    SELECT 1 FROM handshake_verdicts AS verdicts
    JOIN handshake_causes AS causes ON causes.flow = verdicts.flow AND causes.run = verdicts.run AND causes.rank = 0
    WHERE verdicts.flow = kept.flow AND verdicts.status = 'broken' AND causes.code = kept.code AND causes.host = kept.host
        AND (verdicts.finished > kept.finished OR (verdicts.finished = kept.finished AND verdicts.run > kept.run))
)
GROUP BY flow, code, host
"""


def named(session: Session, wanted: Wanted | None = None) -> list[Named]:
    """The flows that are wanted; all of them by default."""
    rows = session.rows("SELECT flow AS key, name, client, server, address, port FROM handshake_flows ORDER BY name, flow")
    flows = [Named(**row._asdict()) for row in rows]
    return [flow for flow in flows if wanted is None or wanted.matches(flow)]


def histories(session: Session, flows: Sequence[Named]) -> list[History]:
    """What runs found of these flows, in their order; a flow without a run is left out."""
    found: dict[str, History] = {}
    for begin in range(0, len(flows), _AT_ONCE):
        part = {flow.key: flow for flow in flows[begin : begin + _AT_ONCE]}
        found.update((history.flow.key, history) for history in _histories(session, part))
    return [found[flow.key] for flow in flows if flow.key in found]


def changes(session: Session, flows: Sequence[Named], since: float) -> list[PastChange]:
    """Changes that were made for one of these flows, and such that name no flow, the oldest first."""
    query = """
        SELECT changes.run, changes.number, runs.finished, code, host, kind, outcome, summary, flow FROM handshake_changes AS changes
        JOIN handshake_runs AS runs ON runs.run = changes.run
        LEFT JOIN handshake_changed_flows AS flows ON flows.run = changes.run AND flows.number = changes.number
        WHERE runs.finished >= :since
        ORDER BY runs.finished, changes.run, changes.number
    """
    wanted = {flow.key: flow for flow in flows}
    found = []
    for (run, _number), group in groupby(session.rows(query, {"since": int(since)}), key=lambda row: (row.run, row.number)):
        rows = list(group)
        concerned = tuple(wanted[row.flow] for row in rows if row.flow in wanted)
        if concerned or rows[0].flow is None:
            first = rows[0]
            found.append(
                PastChange(
                    run=run,
                    finished=first.finished,
                    code=first.code,
                    host=first.host,
                    kind=first.kind,
                    outcome=first.outcome,
                    summary=first.summary,
                    flows=concerned,
                )
            )
    return found


def not_held(session: Session) -> Mapping[tuple[str, str, str], int]:
    """How many fixes were kept and did not hold, per (key of the flow, code of the cause, host).

    A fix did not hold if a later run found the flow broken by the same cause on the same host, or kept a fix for it again.
    """
    return {(flow, code, host): number for flow, code, host, number in session.rows(_NOT_HELD)}


def kept(session: Session) -> Mapping[tuple[str, str, str, str], int]:
    """How many fixes were kept, per (key of the flow, code of the cause, host, subject). Where a fix is wanted again, none of them held."""
    query = f"SELECT flow, code, host, subject, COUNT(*) FROM ({_KEPT}) AS kept GROUP BY flow, code, host, subject"
    return {(flow, code, host, subject): number for flow, code, host, subject, number in session.rows(query)}


def _histories(session: Session, flows: Mapping[str, Named]) -> Iterator[History]:
    for key, group in groupby(session.rows(_SPANS, {"flows": list(flows)}), key=lambda row: str(row.flow)):
        spans: list[Span] = []
        rows = list(group)
        for row in rows:
            cause = DecisiveCause(row.code, row.host, row.certainty, row.summary) if row.code is not None else None
            if spans and spans[-1].status == row.status and _same(spans[-1].cause, cause):  # the last run, which found nothing new
                spans[-1] = replace(spans[-1], last=row.finished, end=row.finished, cause=cause)
                continue
            if spans:
                spans[-1] = replace(spans[-1], last=row.finished_before, end=row.finished)
            spans.append(Span(row.finished, row.finished, row.finished, row.status, cause))
        yield History(flows[key], tuple(spans), rows[-1].number)


def _same(one: DecisiveCause | None, other: DecisiveCause | None) -> bool:
    return (one and (one.code, one.host)) == (other and (other.code, other.host))
