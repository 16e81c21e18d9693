# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A report without its packets: what a condition of a play, a ticket or a job's artifacts need of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any

from .read import view
from .view import Cause, Flow, Report


def digest(report: Mapping[str, object], path: str, statuses: Collection[str] = (), name: str = "") -> dict[str, Any]:
    """``summary`` and ``groups`` as report.json has them, and each flow with its decisive cause.

    ``path``: where the report is. ``statuses`` and ``name`` (a pattern as a shell has it) choose flows; empty for all.
    """
    seen = view(report)
    wanted = [flow for flow in seen.flows if (not statuses or flow.status in statuses) and (not name or fnmatchcase(flow.name, name))]
    return {
        "path": path,
        "run": report.get("run"),
        "started": report.get("started"),
        "finished": report.get("finished"),
        "summary": _summary(seen),
        "flows": [_flow(flow) for flow in wanted],
        "groups": report.get("groups"),
    }


def _summary(report: Report) -> dict[str, int]:
    return {"flows": len(report.flows), **{status: report.counts.get(status, 0) for status in ("ok", "degraded", "broken", "undetermined")}}


def _flow(flow: Flow) -> dict[str, Any]:
    cause = flow.cause
    return {
        "name": flow.name,
        "id": flow.id,
        "client": flow.client,
        "server": flow.server or None,
        "address": flow.address,
        "port": flow.port,
        "expect": flow.expect,
        "status": flow.status,
        "leg": flow.leg or None,
        "segment": flow.segment or None,
        **_cause(cause),
        "unexplained": len(flow.unexplained),
        "undecided": list(flow.undecided),
    }


def _cause(cause: Cause | None) -> dict[str, str | None]:
    """The decisive cause; ``fix``: what would remove it, in a sentence."""
    if cause is None:
        return dict.fromkeys(("code", "host", "certainty", "summary", "fix"))
    return {
        "code": cause.code,
        "host": cause.host,
        "certainty": cause.certainty,
        "summary": cause.summary,
        "fix": cause.fix.summary if cause.fix else None,
    }
