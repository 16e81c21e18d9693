# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the catalogue says of each of the plan's entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._faults import contained
from .._model.host import Host
from .._model.prose import Prose, Wording
from .._plan.plan import Entry, Plan
from . import blocked
from .arrivals import Arrivals
from .case import Case
from .causes.catalogue import Cause
from .examine import Examined, examine
from .explain import Found, explain
from .finding import Finding
from .status import BY_SEVERITY, case_status, flow_status
from .totals import Totals
from .undecided import undecided

MOST_ALIKE = 3
"""Causes with one code and host that an entry has: a name may have very many addresses, to each of which the same happens."""


@dataclass(frozen=True)
class Answer:
    """What the catalogue says of one of the plan's entries; ``fault``: why that could not be worked out.

    ``explained``: of each address. ``standing``: of those that the status is about, the worst first, which is all but for a flow that must
    be closed.
    """

    status: str
    explained: blocked.Answers = ()
    standing: blocked.Answers = ()
    would_decide: Sequence[Wording] = ()
    closed: blocked.Blocked | None = None
    fault: Prose | None = None

    @property
    def decisive(self) -> Found | None:
        """The first cause of the entry's flow in the report."""
        return next((found for _case, each in self.standing if (found := each.decisive)), None)

    @property
    def causes(self) -> list[tuple[Case, Cause, Finding]]:
        """The causes in the report: each once, where several addresses of a name have the same."""
        found: dict[tuple[str, str, Wording], tuple[Case, Cause, Finding]] = {}
        alike = Counter[tuple[str, str]]()
        for case, cause, finding in ((case, *each) for case, explained in self.standing for each in explained.causes):
            key = (cause.code, finding.host, finding.summary)
            if key not in found and alike[cause.code, finding.host] < MOST_ALIKE:
                found[key] = case, cause, finding
                alike[cause.code, finding.host] += 1
        return list(found.values())


@dataclass(frozen=True)
class Judged:
    """Entries of a plan, the hosts by name, how far the handshakes of each entry came, and what the catalogue says of them."""

    entries: Sequence[Entry]
    hosts: Mapping[str, Host]
    examined: Sequence[Examined]
    answers: Sequence[Answer]


def judge(
    plan: Plan, evidence: Mapping[str, Mapping[str, Mapping[str, Any]]], *, short: bool = False, closely: Container[str] = ()
) -> Judged:
    """Judge a plan's entries by the evidence of its hosts. ``short`` and ``closely`` as for `examine`."""
    hosts, examined = examine(plan, evidence, short=short, closely=closely)
    return Judged(plan.entries, hosts, examined, answer_all(plan, hosts, examined))


def answer_all(plan: Plan, hosts: Mapping[str, Host], examined: Sequence[Examined]) -> list[Answer]:
    """What the catalogue says of each of the plan's entries."""
    totals = replace(_totals([case for each in examined for case in each.cases]), arrivals={name: Arrivals(hosts[name]) for name in hosts})
    for case in (case for each in examined for case in each.cases):
        case.totals = totals
    return [
        _WELL if each.well else contained(_unanswered, _answer, entry, each.cases, hosts) if each.fault is None else _unanswered(each.fault)
        for entry, each in zip(plan.entries, examined, strict=True)
    ]


_WELL = Answer("ok")


def _unanswered(why: Wording) -> Answer:
    return Answer("undetermined", fault=Prose(f"{why}"))


def _answer(entry: Entry, cases: Sequence[Case], hosts: Mapping[str, Host]) -> Answer:
    explained = [(case, explain(case)) for case in cases]
    standing: blocked.Answers = sorted(explained, key=lambda pair: -BY_SEVERITY.index(case_status(*pair)))
    status = flow_status(standing)
    closed = blocked.judge(standing) if entry.expect == "blocked" and standing else None
    if closed:
        return Answer(closed.status, explained, closed.answers, closed.untested, closed)
    return Answer(status, explained, standing, undecided(standing, status, hosts[entry.client], entry.user))


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
                swallowed[case.server.name] += attempt.counted("syn", case.server, "in")
            elif outcome.kind == "ignored_syn_ack":
                swallowed[case.client.name] += attempt.counted("syn_ack", case.client, "in")
            resets[case.server.name] += attempt.counted("rst", case.server, "out", "server")
    return Totals(swallowed, resets, failing=failing)
