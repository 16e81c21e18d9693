# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A report.json document into the tables, and old runs out of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..._history.errors import HistoryError
from ..._report import document
from ..._report.read import view
from ..._report.view import STATUSES, Flow
from ..._values.text import NAME, clean
from ..._values.times import moment
from .session import Session


def record(session: Session, report: Mapping[str, object], controller: str) -> bool:
    """Keep a report; False where it is kept already. A report that has changed replaces the one with the same run id.

    Texts are stored as they are shown: one bounded line of printable characters (``_text.clean``). HistoryError for a report without a
    run id or an end.
    """
    seen = view(report)
    run = run_id(report)
    started, finished = moment(seen.started), moment(seen.finished)
    if finished is None:
        raise HistoryError(f"The report of the run {run} does not say when it finished: it cannot be put in order with others.")
    digest = hashlib.sha256(document.render(report).encode()).hexdigest()
    earlier = [row.digest for row in session.rows("SELECT digest FROM handshake_runs WHERE run = :run", {"run": run})]
    if earlier == [digest]:
        return False
    if earlier:
        session.run("DELETE FROM handshake_runs WHERE run = :run", {"run": run})

    ended = int(finished.timestamp())
    flows = _distinct(seen.flows)
    _insert(
        session,
        "runs",
        [{"run": run, "started": int(started.timestamp()) if started else None, "finished": ended}],
        controller=clean(controller, NAME),
        digest=digest,
    )
    _insert(session, "flows", [{"flow": key, **_names(flow)} for key, flow in flows.items()], unless_there=True)
    _insert(session, "verdicts", [{"flow": key, **_verdict(flow)} for key, flow in flows.items()], run=run, finished=ended)
    _insert(session, "causes", [cause for key, flow in flows.items() for cause in _causes(key, flow)], run=run)
    changes = list(_changes(report.get("changes")))
    _insert(session, "changes", [change for change, _flows in changes], run=run)
    keys = {flow.id: flow_key(flow) for flow in seen.flows}
    changed = ((change["number"], keys[flow]) for change, ids in changes for flow in ids if flow in keys)
    _insert(session, "changed_flows", [{"number": number, "flow": key} for number, key in dict.fromkeys(changed)], run=run)
    return True


def forget(session: Session, before: float) -> int:
    """Delete the runs that finished before that time (seconds since 1970), and flows that no run is left of; return how many runs."""
    deleted = session.run("DELETE FROM handshake_runs WHERE finished < :before", {"before": int(before)})
    if deleted:
        lost = "NOT EXISTS (SELECT 1 FROM handshake_verdicts WHERE handshake_verdicts.flow = handshake_flows.flow)"
        session.run(f"DELETE FROM handshake_flows WHERE {lost}")
    return deleted


def run_id(report: Mapping[str, object]) -> str:
    """The identity of the report's run, as it is stored. HistoryError where there is none."""
    if run := clean(report.get("run"), NAME):
        return run
    raise HistoryError("The report has no run id, without which it cannot be recorded.")


def flow_key(flow: Flow) -> str:
    """What a flow is known by from run to run: its name, client, server, address and port."""
    return hashlib.sha256(json.dumps(list(_names(flow).values())).encode()).hexdigest()[:32]


def _distinct(flows: Iterable[Flow]) -> dict[str, Flow]:
    """Entries that are the same flow count as one, with the worst of their verdicts."""
    distinct: dict[str, Flow] = {}
    for flow in sorted(flows, key=lambda flow: STATUSES.index(flow.status)):
        distinct.setdefault(flow_key(flow), flow)
    return distinct


def _names(flow: Flow) -> dict[str, Any]:
    return {"name": flow.name, "client": flow.client, "server": flow.server, "address": flow.address, "port": flow.port}


def _verdict(flow: Flow) -> dict[str, Any]:
    return {
        "status": flow.status,
        "leg": flow.leg,
        "segment": flow.segment,
        "attempts": flow.attempts,
        "connected": flow.connected,
        "connect_ms": flow.connect_ms,
    }


def _causes(key: str, flow: Flow) -> Iterator[dict[str, Any]]:
    for rank, cause in enumerate(flow.causes):
        values = {"code": cause.code, "host": cause.host, "certainty": cause.certainty, "summary": cause.summary}
        yield {"flow": key, "rank": rank, **values}


def _changes(value: object) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Each change, and the ids of the report's flows that it was made for."""
    changes = [change for change in value if isinstance(change, Mapping)] if isinstance(value, list | tuple) else []
    for number, change in enumerate(changes):
        values = {name: clean(change.get(name), NAME) for name in ("code", "host", "subject", "kind", "outcome")}
        flows = change.get("flows")
        yield {"number": number, **values, "summary": clean(change.get("summary"))}, [*map(str, flows)] if isinstance(flows, list) else []


def _insert(session: Session, table: str, rows: list[dict[str, Any]], *, unless_there: bool = False, **shared: object) -> None:
    if rows:
        names = [*rows[0], *shared]
        statement = f"INSERT INTO handshake_{table} ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})"
        session.run_many(statement + (" ON CONFLICT DO NOTHING" if unless_there else ""), [{**row, **shared} for row in rows])
