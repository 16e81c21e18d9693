# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Ask the catalogue about a case, and hold its findings against everything that was seen.

A finding is proven only where no anomaly of the case is left that neither it nor another finding which stands with it accounts for, and
where the client itself made the handshakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from . import causes
from .anomalies import anomalies
from .anomalies.anomaly import Anomaly
from .case import Case
from .causes.catalogue import Accounts, Cause
from .causes.further import further, only_evaluated
from .finding import Finding
from .logged import with_lines
from .outcome import step

Found = tuple[Cause, Finding]
_CERTAINTIES = ("proven", "likely", "possible")
_BY_BYSTANDERS = ("third_host", "claimed_address")
"""Anomalies that only hosts without a part in the flow report: they may lie, and so neither decide nor weaken an answer."""


@dataclass(frozen=True)
class Explanation:
    """What the catalogue says of a case: the causes of its outcome, the decisive one first; what is only worth a remark; and what was seen
    that none of this accounts for."""

    causes: Sequence[Found] = ()
    remarks: Sequence[Found] = ()
    unexplained: Sequence[Anomaly] = ()

    @property
    def decisive(self) -> Found | None:
        """The cause that stands for the case."""
        return self.causes[0] if self.causes else None


def explain(case: Case) -> Explanation:
    """The causes of a case's outcome, and what they leave over."""
    seen = anomalies(case)
    from_rules = _ask(case, last_resort=False)
    remarks = sorted((found for found in from_rules if found[1].remark), key=lambda found: _place(case, found))
    findings = [found for found in from_rules if not found[1].remark]
    if not any(finding.certainty in ("proven", "likely") for _cause, finding in findings):
        codes = {cause.code for cause, _finding in findings}
        findings += [(cause, finding) for cause, finding in _ask(case, last_resort=True) if cause.code not in codes]
    beside = [*remarks, *_further(case, _kept(_ranked(case, findings, seen)))]
    kept = _kept(_ranked(case, _capped(case, findings, beside, seen), seen))
    whole = [*kept, *_further(case, kept)]
    standing = [*whole[:1], *_standing(whole[1 : len(kept)]), *whole[len(kept) :], *remarks]
    return Explanation(whole, remarks, [anomaly for anomaly in seen if not _accounted(case, standing, anomaly)])


def _ask(case: Case, last_resort: bool) -> list[Found]:
    outcome = case.outcome.kind
    concerned = case.fleet.once(("causes of", outcome), lambda: [cause for cause in causes.CATALOGUE if outcome in cause.outcomes])
    asked = ((cause, cause.last_resort if last_resort else cause.rule) for cause in concerned)
    return [(cause, with_lines(case, cause.code, finding)) for cause, rule in asked if rule and (finding := rule(case))]


def _further(case: Case, found: Sequence[Found]) -> list[Found]:
    """What would stop the flow as well, once its causes are mended."""
    more = further(case, [finding for _cause, finding in found]) if found else []
    by_code = {cause.code: cause for cause in causes.CATALOGUE} if more else {}
    return [(by_code[code], finding) for code, finding in more]


def _ranked(case: Case, findings: Sequence[Found], seen: Sequence[Anomaly]) -> list[Found]:
    """A cause after all that are at least likely and precede it, then the certain first; of those that are equally certain, the one that
    accounts for more, then as a handshake passes them."""
    preceding = [cause for cause, finding in findings if finding.certainty != "possible"]

    def depth(code: str) -> int:
        return max((1 + depth(cause.code) for cause in preceding if code in cause.precedes), default=0)

    def rank(found: Found) -> tuple[int, int, int, tuple[int, str]]:
        accounted = sum(_accounted(case, [found], anomaly) for anomaly in seen)
        return depth(found[0].code), _CERTAINTIES.index(found[1].certainty), -accounted, _place(case, found)

    return sorted(findings, key=rank)


def _place(case: Case, found: Found) -> tuple[int, str]:
    """The position of the finding's segment in a handshake; the code breaks ties, so that the order of the catalogue does not matter."""
    cause, finding = found
    return step(finding.leg or case.outcome.leg, finding.segment), cause.code


def _kept(ranked: Sequence[Found]) -> list[Found]:
    """Rules that only were evaluated to stop the packet do not stop what something else proves to end earlier: they would."""
    first = ranked[0][1] if ranked else None
    proven = first is not None and first.certainty == "proven"
    return [*ranked[:1], *((cause, finding) for cause, finding in ranked[1:] if not (proven and only_evaluated(cause.code, finding)))]


def _capped(case: Case, findings: Sequence[Found], beside: Sequence[Found], seen: Sequence[Anomaly]) -> list[Found]:
    """The findings, each likely at most where it leaves an anomaly over; ``beside``: what accounts for some as well."""

    def capped(found: Found) -> Found:
        cause, finding = found
        if finding.certainty != "proven":
            return found
        if case.second_hand:
            return cause, replace(finding, certainty="likely")
        standing = [found, *_standing(findings), *beside]
        whole = not case.lacks_proof and all(anomaly.kind in _BY_BYSTANDERS or _accounted(case, standing, anomaly) for anomaly in seen)
        return found if whole else (cause, replace(finding, certainty="likely"))

    return [capped(found) for found in findings]


def _standing(findings: Iterable[Found]) -> list[Found]:
    """Those that hold whatever the others say; the rest are rivals, of which one at most is right."""
    return [found for found in findings if found[1].certainty == "proven"]


def _accounted(case: Case, findings: Iterable[Found], anomaly: Anomaly) -> bool:
    return any(_accounts(case, finding, each, anomaly) for cause, finding in findings for each in cause.accounts_for)


def _accounts(case: Case, finding: Finding, account: Accounts, anomaly: Anomaly) -> bool:
    """Whether an anomaly is one that a finding would cause, by its kind, its host and its packet."""
    leg = finding.leg or case.outcome.leg
    return (
        account.kind == anomaly.kind
        and (not account.names or anomaly.name in account.names)
        and (account.anywhere or anomaly.host == finding.host)
        and (account.any_leg or None in (leg, anomaly.leg) or leg == anomaly.leg)
    )
