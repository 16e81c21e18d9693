# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a webhook has not been sent yet: flows whose status is not the one that it was sent last.

What was sent is kept per webhook, so that news that could not be delivered is sent after the next run, if it still is news.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..._history.document import cause_document, iso, name_document
from ..._history.histories import History
from . import ask
from .session import Session

SCHEMA = "threeway.handshake/changes/1"

_LATEST = """
SELECT verdicts.flow, verdicts.status, COALESCE(causes.code, '') AS code, COALESCE(causes.host, '') AS host,
    told.status AS status_told, told.code AS code_told, told.host AS host_told
FROM handshake_verdicts AS verdicts
LEFT JOIN handshake_causes AS causes ON causes.flow = verdicts.flow AND causes.run = verdicts.run AND causes.rank = 0
LEFT JOIN handshake_told AS told ON told.flow = verdicts.flow AND told.webhook = :webhook
WHERE verdicts.run = :run AND NOT EXISTS (
    SELECT 1 FROM handshake_verdicts AS later WHERE later.flow = verdicts.flow
        AND (later.finished > verdicts.finished OR (later.finished = verdicts.finished AND later.run > verdicts.run))
)
"""

_REMEMBER = """
INSERT INTO handshake_told (webhook, flow, status, code, host) VALUES (:webhook, :flow, :status, :code, :host)
ON CONFLICT (webhook, flow) DO UPDATE SET status = excluded.status, code = excluded.code, host = excluded.host
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowState:
    """The status of a flow, and the one that the webhook was sent last; it was sent none where ``status_told`` is None."""

    flow: str
    status: str
    code: str
    host: str
    status_told: str | None
    code_told: str | None
    host_told: str | None

    def is_news(self, causes: bool) -> bool:
        """Whether the status has changed, or with ``causes`` the decisive cause. That a flow is ok which nobody heard of is no news."""
        if self.status_told is None:
            return self.status != "ok"
        return self.status != self.status_told or (causes and (self.code, self.host) != (self.code_told, self.host_told))


def states(session: Session, webhook: str, run: str) -> list[FlowState]:
    """The flows of a run, as far as no later run is recorded for them."""
    return [FlowState(**row._asdict()) for row in session.rows(_LATEST, {"webhook": _key(webhook), "run": run})]


def remember(session: Session, webhook: str, states: Sequence[FlowState]) -> None:
    """Keep that the webhook knows these states."""
    if states:
        rows = [{"flow": state.flow, "status": state.status, "code": state.code, "host": state.host} for state in states]
        session.run_many(_REMEMBER, [{"webhook": _key(webhook), **row} for row in rows])


def document(session: Session, run: str, finished: str, controller: str, news: Sequence[FlowState]) -> dict[str, Any]:
    """What is posted."""
    states = {state.flow: state for state in news}
    flows = [flow for flow in ask.named(session) if flow.key in states]
    changes = [change(history, states[history.flow.key]) for history in ask.histories(session, flows)]
    return {"schema": SCHEMA, "run": run, "finished": finished, "controller": controller, "changes": changes}


def change(history: History, state: FlowState) -> dict[str, Any]:
    """How a flow has changed from what was sent to what is."""
    outage = history.outages[-1] if history.outages else None
    before = {"code": state.code_told, "host": state.host_told} if state.code_told else None
    return {
        **name_document(history.flow),
        "from": state.status_told,
        "to": state.status,
        "last_good": iso(outage.last_good) if outage else None,
        "first_bad": iso(outage.first_bad) if outage else None,
        "mended": iso(outage.mended) if outage else None,
        "time_to_mend_seconds": outage.seconds if outage else None,
        "cause": cause_document(history.spans[-1].cause),
        "cause_before": before,
    }


def _key(webhook: str) -> str:
    """A webhook in the database: its URL may be a secret."""
    return hashlib.sha256(webhook.encode("utf-8", "surrogatepass")).hexdigest()[:32]
