# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""From evidence to the report: one answer per flow entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._plan.plan import Plan
from .._plan.slices import View
from .._report.document import SCHEMA
from .._values.collection import without_collection
from .answer import judge
from .decided import Decided, decided
from .groups import Common, groups, isolated
from .status import STATUSES
from .worth_trying import probed as told_of_probes


@dataclass(frozen=True)
class Conclusion:
    """What the decide room hands to the show room: the document of report.json, and a pcapng file per flow id."""

    report: dict[str, Any]
    captures: dict[str, bytes]
    common: Common
    """What hosts have in common with others."""
    unasked: Mapping[str, str]
    """Hosts that the controller could not ask for a fault of its own, and which."""


def decide(
    plan: Plan, evidence: Mapping[str, Mapping[str, Mapping[str, Any]]], started: str, finished: str, *, keep_all: bool = True
) -> Conclusion:
    """Conclude from ``evidence[host][phase]`` (docs/evidence.md). Pure: times are given as ISO 8601 text.

    Without ``keep_all`` the entries of flows that are ok are compact, and have no capture.
    """
    return decide_views(plan, [View(plan.entries, evidence)], started, finished, keep_all=keep_all)


def decide_views(
    plan: Plan, views: Sequence[View], started: str, finished: str, *, keep_all: bool = True, probed: Conclusion | None = None
) -> Conclusion:
    """The same from several views, which together have the plan's entries.

    ``probed``: of handshakes that were only tried to find out what failures have in common. They are no entries of the report.
    """
    with without_collection():
        judged = (judge(replace(plan, entries=view.entries), view.evidence, short=not keep_all) for view in views)
        return conclude(plan, decided(plan, judged, keep_all), started, finished, probed)


def conclude(plan: Plan, found: Decided, started: str, finished: str, probed: Conclusion | None = None) -> Conclusion:
    """The report of what is decided; ``probed`` as above."""
    more: Sequence[dict[str, Any]] = probed.report["flows"] if probed else []
    # What failures have in common: without one, no entry that is plainly well need be made; else each is looked at many times.
    compared = [*found.flows] if more or found.flows.counts["ok"] < len(found.flows) else []
    report = {
        "schema": SCHEMA,
        "run": plan.run,
        "started": started,
        "finished": finished,
        "summary": {"flows": len(found.flows), **{status: found.flows.counts[status] for status in STATUSES}},
        "unobserved": found.unobserved,
        "flows": found.flows,
        "groups": groups(compared, found.common),
        "isolated": isolated(compared, found.common, more),
        "probed": told_of_probes(more),
        "changes": [],
    }
    return Conclusion(report, found.captures, found.common, found.unasked)
