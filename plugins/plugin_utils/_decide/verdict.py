# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""From evidence to the report: one answer per flow entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._faults import contained
from .._model.host import Host
from .._model.prose import Wording, unwrapped
from .._plan.plan import Entry, Plan
from .._plan.slices import View
from .._report.captures import captures
from .._report.document import SCHEMA
from .._values.collection import without_collection
from .answer import Answer, answer_all
from .common import common
from .entry import entry_document, identify, well_document
from .examine import examine
from .groups import Common, groups, isolated
from .observed import parties
from .status import STATUSES
from .worth_trying import probed as told_of_probes


@dataclass(frozen=True)
class Conclusion:
    """What the decide room hands to the show room: the document of report.json, and a pcapng file per flow id."""

    report: dict[str, Any]
    captures: dict[str, bytes]
    common: Common
    """What hosts have in common with others."""


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

    ``probed``: of handshakes that were only tried to tell what failures have in common. They are no entries of the report.
    """
    with without_collection():
        return _decide_views(plan, views, started, finished, keep_all, probed)


def _decide_views(plan: Plan, views: Sequence[View], started: str, finished: str, keep_all: bool, probed: Conclusion | None) -> Conclusion:
    flows: list[dict[str, Any]] = []
    pcaps: dict[str, bytes] = {}
    taken: set[str] = set()
    known: dict[str, Host] = {}
    gaps: dict[str, Host] = {}
    for view in views:
        part = replace(plan, entries=view.entries)
        hosts, examined = examine(part, view.evidence, short=not keep_all)
        for name, host in hosts.items():
            (gaps if host.gap else known).setdefault(name, host)
        for entry, each, answer in zip(part.entries, examined, answer_all(part, hosts, examined), strict=True):
            identity = identify(entry, taken)
            flows.append(
                well_document(entry, identity, each.well, hosts) if each.well else _decided(entry, identity, answer, hosts, keep_all)
            )
            if flows[-1]["status"] == "ok" and not keep_all:
                continue
            if any(attempt.rows for case in each.cases for attempt in case.attempts):
                capture = contained(str, captures, each.cases, flows[-1]["causes"])
                if isinstance(capture, bytes):
                    pcaps[flows[-1]["id"]] = capture
                else:
                    flows[-1]["not_observed"].append(f"the packets cannot be written to a capture: {capture}")
    counted = Counter(flow["status"] for flow in flows)
    shared = common({**gaps, **known}, plan.groups)
    more: list[dict[str, Any]] = probed.report["flows"] if probed else []
    report = {
        "schema": SCHEMA,
        "run": plan.run,
        "started": started,
        "finished": finished,
        "summary": {"flows": len(flows), **{status: counted[status] for status in STATUSES}},
        "unobserved": _unobserved(plan, gaps),
        "flows": flows,
        "groups": groups(flows, shared),
        "isolated": isolated(flows, shared, more),
        "probed": told_of_probes(more),
        "changes": [],
    }
    return Conclusion(report, pcaps, shared)


def _unobserved(plan: Plan, hosts: Mapping[str, Host]) -> list[dict[str, Any]]:
    """The hosts whose answers lack something, and what they are in the flows."""
    roles: dict[str, set[str]] = {}
    for entry in plan.entries:
        for name, role in parties(entry):
            roles.setdefault(name, set()).add(role)
    return [
        {
            "host": name,
            "kind": host.gap.kind,
            "why": unwrapped(host.gap.why or f"it {host.gap.phrase}"),
            "phase": host.gap.phase,
            "roles": sorted(roles[name]),
        }
        for name, host in hosts.items()
        if host.gap
    ]


def _decided(entry: Entry, identity: str, answer: Answer, hosts: Mapping[str, Host], keep_all: bool) -> dict[str, Any]:
    """One entry of the report; one that cannot be decided for a fault of ours is undetermined, and says so."""

    def undetermined(why: Wording) -> dict[str, Any]:
        document = entry_document(entry, identity, Answer("undetermined"), hosts, keep_all)
        return {**document, "undecided": [f"this entry cannot be decided: {why}"]}

    if answer.fault:
        return undetermined(answer.fault)
    return contained(undetermined, entry_document, entry, identity, answer, hosts, keep_all)
