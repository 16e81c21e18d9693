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
from .._report.captures import captures
from .._report.document import SCHEMA
from .arrivals import Arrivals
from .case import Case, Totals
from .common import common
from .entry import entry_document, identify
from .examine import Examined, examine
from .groups import groups, isolated
from .observed import parties
from .status import STATUSES


@dataclass(frozen=True)
class Conclusion:
    """What the decide room hands to the show room: the document of report.json, and a pcapng file per flow id."""

    report: dict[str, Any]
    captures: dict[str, bytes]


def decide(
    plan: Plan, evidence: Mapping[str, Mapping[str, Mapping[str, Any]]], started: str, finished: str, *, keep_all: bool = True
) -> Conclusion:
    """Conclude from ``evidence[host][phase]`` (docs/evidence.md). Pure: times are given as ISO 8601 text.

    Without ``keep_all`` the entries of flows that are ok are compact, and have no capture.
    """
    hosts, examined = examine(plan, evidence)
    flows, pcaps, taken = [], {}, set[str]()
    totals = replace(_totals([case for each in examined for case in each.cases]), arrivals={name: Arrivals(hosts[name]) for name in hosts})
    for entry, each in zip(plan.entries, examined, strict=True):
        flows.append(_decided(entry, identify(entry, taken), each, hosts, totals, keep_all))
        if flows[-1]["status"] == "ok" and not keep_all:
            continue
        if any(attempt.rows for case in each.cases for attempt in case.attempts):
            capture = contained(str, captures, each.cases, flows[-1]["causes"])
            if isinstance(capture, bytes):
                pcaps[flows[-1]["id"]] = capture
            else:
                flows[-1]["not_observed"].append(f"the packets cannot be written to a capture: {capture}")
    counted = Counter(flow["status"] for flow in flows)
    shared = common(hosts, plan.groups)
    report = {
        "schema": SCHEMA,
        "run": plan.run,
        "started": started,
        "finished": finished,
        "summary": {"flows": len(flows), **{status: counted[status] for status in STATUSES}},
        "unobserved": _unobserved(plan, hosts),
        "flows": flows,
        "groups": groups(flows, shared),
        "isolated": isolated(flows, shared),
        "changes": [],
    }
    return Conclusion(report, pcaps)


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
            "why": unwrapped(host.gap.why or f"it {host.gap.told}"),
            "phase": host.gap.phase,
            "roles": sorted(roles[name]),
        }
        for name, host in hosts.items()
        if host.gap
    ]


def _totals(cases: Sequence[Case]) -> Totals:
    """What counters of each host have to account for; attempts that several flows share count once."""
    swallowed, resets, known = Counter[str](), Counter[str](), set[tuple[str, int, int, str]]()
    failing = Counter(
        host.name for case in cases if case.outcome.kind != "completed" for host in {each.name: each for each in case.hosts}.values()
    )
    for case in cases:
        for attempt, outcome in zip(case.attempts, case.outcomes, strict=True):
            key = (case.client.name, attempt.probe.dial, attempt.probe.attempt, attempt.probe.address)
            if key in known or case.server is None:
                continue
            known.add(key)
            if outcome.kind == "unanswered":
                swallowed[case.server.name] += attempt.count("syn", case.server.name, "in")
            elif outcome.kind == "ignored_syn_ack":
                swallowed[case.client.name] += attempt.count("syn_ack", case.client.name, "in")
            resets[case.server.name] += attempt.count("rst", case.server.name, "out", "server")
    return Totals(swallowed, resets, failing=failing)


def _decided(entry: Entry, identity: str, examined: Examined, hosts: Mapping[str, Host], totals: Totals, keep_all: bool) -> dict[str, Any]:
    """One entry of the report; one that cannot be decided for a fault of ours is undetermined, and says so."""
    for case in examined.cases:
        case.totals = totals

    def undetermined(why: Wording) -> dict[str, Any]:
        return {**entry_document(entry, identity, [], hosts, keep_all), "undecided": [f"this entry cannot be decided: {why}"]}

    if examined.fault:
        return undetermined(examined.fault)
    return contained(undetermined, entry_document, entry, identity, examined.cases, hosts, keep_all)
