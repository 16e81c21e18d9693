# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Following a history: what changed in the runs that were recorded since one last looked, each change once, in the order of the runs.

Runs need not be recorded in the order in which they finished: control hosts differ. So one keeps which runs of the last hour were seen,
and of each flow the last verdict. A run whose record was replaced since, by its digest, is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..._history.document import iso
from ..._history.errors import HistoryError
from ..._history.histories import History, Wanted
from . import ask, news
from .session import Session

SCHEMA = "threeway.handshake/position/1"
LATE = 3600
"""Seconds after a newer one for which a run that is recorded late still counts as news."""
AT_ONCE = 100
"""Runs of one look: more are for the next one."""

_BEFORE = """
SELECT flow, finished, run, status, code, host FROM (
    SELECT verdicts.flow, verdicts.finished, verdicts.run, status, COALESCE(code, '') AS code, COALESCE(host, '') AS host,
        ROW_NUMBER() OVER (PARTITION BY verdicts.flow ORDER BY verdicts.finished DESC, verdicts.run DESC) AS number
    FROM handshake_verdicts AS verdicts
    LEFT JOIN handshake_causes AS causes ON causes.flow = verdicts.flow AND causes.run = verdicts.run AND causes.rank = 0
    WHERE verdicts.finished < :since
) AS latest_first
WHERE number = 1
"""

_VERDICTS = """
SELECT verdicts.flow, verdicts.finished, verdicts.run, status, COALESCE(code, '') AS code, COALESCE(host, '') AS host
FROM handshake_verdicts AS verdicts
LEFT JOIN handshake_causes AS causes ON causes.flow = verdicts.flow AND causes.run = verdicts.run AND causes.rank = 0
WHERE verdicts.run IN :runs
ORDER BY verdicts.finished, verdicts.run, verdicts.flow
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """The last verdict on a flow that was looked at."""

    finished: int
    run: str
    status: str
    code: str
    host: str


@dataclass(frozen=True, slots=True)
class Position:
    """How far a history was followed: from ``since`` on, ``runs`` (when they finished, and their digests), and ``flows`` by their keys."""

    since: int
    runs: Mapping[str, tuple[int, str]]
    flows: Mapping[str, Seen]

    def after(self, event: Event) -> Position:
        """The position once this event was emitted, and those after it were not yet."""
        return replace(self, flows={**self.flows, event.flow: event.seen})


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a flow; ``document`` is what is sent of it."""

    flow: str
    seen: Seen
    document: dict[str, Any]


def start(session: Session, since: float) -> Position:
    """Where to begin so that the runs that finished at that time or later are news."""
    rows = session.rows(_BEFORE, {"since": int(since)})
    flows = {row.flow: Seen(row.finished, row.run, row.status, row.code, row.host) for row in rows}
    runs = {run: (finished, digest) for run, finished, digest in _runs(session, int(since) - LATE) if finished < since}
    return Position(int(since), runs, flows)


def look(session: Session, position: Position, wanted: Wanted, causes: bool) -> tuple[list[Event], Position]:
    """What has changed since, and the position once all of that is emitted. With ``causes``, another decisive cause is a change, too."""
    newest = max((finished for finished, _digest in position.runs.values()), default=position.since)
    unseen = [row for row in _runs(session, newest - LATE) if position.runs.get(row[0]) != row[1:]][:AT_ONCE]
    if not unseen:
        return [], position
    named = {flow.key: flow for flow in ask.named(session, wanted)}
    flows, found = dict(position.flows), []
    for key, seen in _verdicts(session, [run for run, _finished, _digest in unseen]):
        before = flows.get(key)
        if before and (seen.finished, seen.run) < (before.finished, before.run):
            continue
        flows[key] = seen
        state = _state(key, seen, before)
        if key in named and state.is_news(causes):
            found.append((state, seen))
    changed = {state.flow for state, _seen in found}
    histories = {history.flow.key: history for history in ask.histories(session, [named[key] for key in changed])}
    events = [Event(state.flow, seen, _document(histories[state.flow], state, seen)) for state, seen in found]
    runs = {**position.runs, **{run: (finished, digest) for run, finished, digest in unseen}}
    newest = max(finished for finished, _digest in runs.values())
    return events, Position(position.since, {run: known for run, known in runs.items() if known[0] >= newest - LATE}, flows)


def to_json(position: Position) -> dict[str, Any]:
    return {"schema": SCHEMA, **asdict(position)}


def from_json(document: object) -> Position:
    """HistoryError where it is not what `to_json` made."""
    try:
        if not isinstance(document, dict) or document["schema"] != SCHEMA:
            raise HistoryError(f"It is not of the schema {SCHEMA}.")
        runs = {str(run): (int(finished), str(digest)) for run, (finished, digest) in document["runs"].items()}
        return Position(int(document["since"]), runs, {str(flow): Seen(**seen) for flow, seen in document["flows"].items()})
    except (KeyError, TypeError, ValueError, AttributeError):
        raise HistoryError(f"It is not of the schema {SCHEMA}.") from None


def _runs(session: Session, since: int) -> list[tuple[str, int, str]]:
    query = "SELECT run, finished, digest FROM handshake_runs WHERE finished >= :since ORDER BY finished, run"
    return [(row.run, row.finished, row.digest) for row in session.rows(query, {"since": since})]


def _verdicts(session: Session, runs: Sequence[str]) -> Iterator[tuple[str, Seen]]:
    for row in session.rows(_VERDICTS, {"runs": list(runs)}):
        yield row.flow, Seen(row.finished, row.run, row.status, row.code, row.host)


def _state(key: str, seen: Seen, before: Seen | None) -> news.FlowState:
    return news.FlowState(
        flow=key,
        status=seen.status,
        code=seen.code,
        host=seen.host,
        status_told=before.status if before else None,
        code_told=before.code if before else None,
        host_told=before.host if before else None,
    )


def _document(history: History, state: news.FlowState, seen: Seen) -> dict[str, Any]:
    """What a webhook is sent of a change, as it was when that run had found it, and what kind of change it is."""
    then = replace(history, spans=tuple(span for span in history.spans if span.begin <= seen.finished))
    outage = then.outages[-1] if then.outages else None
    if state.status == state.status_told:
        event = "cause_changed"
    elif outage and outage.first_bad == seen.finished:
        event = "first_bad"
    elif outage and outage.mended == seen.finished:
        event = "mended"
    else:
        event = "changed"
    names = {"event": event, "id": f"{seen.run}/{state.flow}/{state.status}", "run": seen.run, "finished": iso(seen.finished)}
    return {**names, **news.change(then, state)}
