# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The status of a flow, by how far its attempts came and by what explains it."""

from __future__ import annotations

from collections.abc import Sequence

from .case import Case
from .explain import Explanation

STATUSES = ("ok", "degraded", "broken", "undetermined")
BY_SEVERITY = ("ok", "degraded", "undetermined", "broken")
# connect() succeeded, but not with the server, or not for long: the handshake as such completed.
DEGRADING = ("diverted", "answered_elsewhere", "reset_after")


def case_status(case: Case, explanation: Explanation) -> str:
    explained = explanation.causes
    outcomes = case.outcomes or [case.outcome]
    completed = sum(outcome.completed for outcome in outcomes)
    unfinished = bool(explained) and explained[0][1].leg == "ack"
    if unfinished and all(outcome.kind == "completed" for outcome in outcomes):
        return "broken"  # connect() returns at the SYN-ACK, whoever sent that: the service has no connection
    if completed == len(outcomes):
        return "degraded" if any(outcome.recovered for outcome in outcomes) or explained else "ok"
    if completed or (all(outcome.completed or outcome.kind in DEGRADING for outcome in outcomes) and not unfinished):
        return "degraded"
    return "broken" if explained else "undetermined"


def flow_status(answers: Sequence[tuple[Case, Explanation]]) -> str:
    """Several addresses of a name: while one of them connects, the flow is degraded, not broken."""
    statuses = [case_status(case, explained) for case, explained in answers]
    if not statuses:
        return "undetermined"
    if len(set(statuses)) > 1 and ("ok" in statuses or "degraded" in statuses):
        return "degraded"
    return max(statuses, key=BY_SEVERITY.index)
