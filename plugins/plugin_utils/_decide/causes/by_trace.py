# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The rule that the kernel's own trace names, whatever an evaluation says."""

from __future__ import annotations

from ..._model.firewall_records import Verdict
from ..._model.prose import Prose
from ..._model.rule_records import Rule
from ..case import Case
from ..finding import Evidence, Finding
from ..kernel_word import ended_alike
from ..traced import TracedRule
from .kernel import is_rule, stop
from .limits import depends_on_a_limit
from .rules import details, invalid_verdict, kept_by, stopped
from .traversals import Place, judged, suspects

_REFUSED = ("refused_locally", "reset", "icmp")


def by_trace(case: Case, wanted: str) -> Finding | None:
    """The first place at which the kernel saw the packet stopped by a rule: ``wanted`` is drop or reject, which it calls drop as well.

    Rules that stop only what conntrack finds invalid, or what is over a limit, are other causes'.
    """
    if not ended_alike(case):
        return None  # nothing of these handshakes was traced
    invalid = invalid_verdict(case)
    for place in suspects(case):
        seen, verdict = stop(case, place), judged(case, place)
        if seen is None or seen.verdict != "drop":
            continue
        if (verdict and depends_on_a_limit(verdict)) or (invalid and is_rule(seen, invalid[2])):
            return None
        if verdict and verdict.rule and verdict.stops and is_rule(seen, verdict.rule):
            return stopped(case, place, verdict) if verdict.verdict == wanted else None
        rule = _known(case, place, seen)
        rejects = case.outcome.kind in _REFUSED or (rule is not None and place.host.verdicts.rejects(rule))
        return _named(case, place, seen, rule, verdict, wanted) if rejects == (wanted == "reject") else None
    return None


def _known(case: Case, place: Place, seen: TracedRule) -> Rule | None:
    """The rule as the evaluation of any packet of the run has it."""
    known = (rule for verdict in place.host.verdicts.all() for rule in verdict.rules())
    return next((rule for rule in known if is_rule(seen, rule)), None)


def _named(case: Case, place: Place, seen: TracedRule, rule: Rule | None, verdict: Verdict | None, wanted: str) -> Finding:
    """A rule that no evaluation holds responsible. Without one, or with too many unknowns, it may stop packets only over a limit."""
    host = place.host
    name = rule.name if rule else seen.text
    against: tuple[Evidence, ...] = ()
    if verdict is not None and verdict.verdict != "undecided":
        other = f" by {verdict.rule.name}" if verdict.rule else ""
        against = (Evidence(host.name, "firewall", f"evaluated: {verdict.verdict}{other}, which is not what the kernel did"),)
    unknown = verdict.undecided if verdict else None
    blind = verdict is None or (unknown.kind == "too_many" if unknown else verdict.in_words_alone)
    return Finding(
        "likely" if seen.passed or blind else "proven",
        host.name,
        place.segment,
        f"{name} on {host.name} {wanted}s {place.packet}",
        (seen.evidence(), *(kept_by(host, rule) if rule else ()), *case.passage()),
        against=against,
        leg=place.leg,
        detail={**(details(verdict, None) if verdict else {}), "rule": _of_rule(rule or seen, name)},
        undecided=(f"an evaluation of the rules of {host.name} would show whether it always does",) if verdict is None else (),
    )


def _of_rule(rule: Rule | TracedRule, name: Prose) -> dict[str, object]:
    place = {"family": rule.family, "table": rule.table, "chain": rule.chain}
    said = {"text": rule.text} if isinstance(rule, Rule) else {}  # of a rule that was traced only, nobody knows what it says
    return {**place, **said, "name": name, "handle": rule.handle, "number": rule.number}
