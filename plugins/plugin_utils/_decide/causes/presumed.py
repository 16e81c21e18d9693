# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The rule that stops the packet if something unknown is so, where that rule's counter says that it is."""

from __future__ import annotations

from dataclasses import replace

from ..._model.firewall_records import Verdict
from ..._model.rule_records import Rule
from ..case import Case
from ..finding import Finding
from .counted import proof
from .limits import depends_on_a_limit
from .rules import answered_so, stopped
from .traversals import judged, suspects


def presumed(case: Case, wanted: str) -> Finding | None:
    """The first place at which the packet may have ended, where an undecided evaluation and a counter name the rule together."""
    for place in suspects(case):
        verdict = judged(case, place)
        rule = _candidate(verdict, wanted) if verdict and not depends_on_a_limit(verdict) else None
        if verdict is None or rule is None:
            continue
        supposed = replace(verdict, verdict=wanted, rule=rule, undecided_because=None, undecided=None)
        weighed = proof(case, place, supposed, rule)
        if weighed.counter is None or weighed.against or not answered_so(case, place, supposed):
            continue  # nothing says that it is so
        finding = stopped(case, place, supposed)
        passed = case.saw(
            place.host, "firewall", f"evaluated: {verdict.undecided_because}; the counter shows that the packets met this rule"
        )
        detail = {**finding.detail, "undecided_because": verdict.undecided_because}
        return replace(finding, evidence=(*finding.evidence, passed), detail=detail)
    return None


def _candidate(verdict: Verdict, wanted: str) -> Rule | None:
    """The one rule that stops the packet if the unknown is so, or, if it is not, the rule at the end of the reported way."""
    undecided = verdict.undecided
    if verdict.verdict != "undecided" or undecided is None:
        return None
    if (undecided.otherwise, undecided.if_so) == ("accept", wanted):
        candidates = {step.rule.identity: step.rule for step in verdict.path if step.rule and step.matched is None}
        return next(iter(candidates.values())) if len(candidates) == 1 else None
    if (undecided.otherwise, undecided.if_so) == (wanted, "accept") and verdict.path:
        last = verdict.path[-1]
        return last.rule if last.matched and last.last_effect.kind == wanted else None
    return None
