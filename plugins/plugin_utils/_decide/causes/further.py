# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Rules that would stop the flow as well, once what stops it today is mended; and evaluations that the packets contradict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..._model.firewall_records import Verdict
from ..._model.firewall_subjects import Stop
from ..case import Case
from ..finding import Finding
from .backlog import would_wait
from .lifetimes import may_not_suffice
from .rules import details, kept_by
from .sockets import would_refuse
from .traversals import Place, judged, passed, suspects, way
from .why_stopped import with_what

MOST = 5
_SOCKETS = ("server.socket", "server.backlog", "server.application")
CODES = {"drop": "firewall_drop", "reject": "firewall_reject"}
QUEUE_DROPS = "firewall_queue_drops"
# What these outcomes' packets did not reach is not distinguished from what they passed.
_FAILED = ("refused_locally", "unsent", "reset", "icmp", "lost_syn", "unanswered", "lost_syn_ack", "ignored_syn_ack", "unresolved")


def further(case: Case, found: Sequence[Finding]) -> list[tuple[str, Finding]]:
    """(code, finding) of rules that would also stop the flow, at any place that its packets have not passed, and of a listener that would
    not take it.

    ``found``: the causes so far; a rule that they name is not named again.
    """
    if case.outcome.kind == "late" and case.server is not None and case.server.temporary_listeners is not None:
        ending = would_refuse(case)  # it was a temporary listener that completed it, too late
        return [ending] if ending else []
    if case.outcome.kind not in _FAILED or case.completed:
        return []
    at_socket = any(finding.segment in _SOCKETS for finding in found)
    ending = None if at_socket or not found or _of_service(found) else would_refuse(case) or would_wait(case)
    named = {(finding.host, *_named(finding.detail)) for finding in found}
    lowered = None if any(finding.segment == "client.egress" for finding in found) or not found else may_not_suffice(case)
    more: dict[object, tuple[str, Finding]] = {}
    for place, verdict in _stopping(case):
        rule = verdict.rule
        if rule is None or passed(case, place) or not _beyond(place, found):
            continue
        if (place.host.name, rule.family, rule.table, rule.chain, rule.handle, rule.number) in named:
            continue
        finding = Finding(
            "likely",
            place.host.name,
            place.segment,
            f"{rule.name} on {place.host.name} would also {verdict.verdict} {place.packet}",
            (
                case.saw(place.host, "firewall", f"evaluated: it {with_what(verdict)} {place.packet}, which has not come that far"),
                *kept_by(place.host, rule),
            ),
            leg=place.leg,
            detail=details(verdict, None),
            subject=Stop(verdict),
        )
        more.setdefault((place.host.name, rule.identity), (CODES[verdict.verdict], finding))
    return list(more.values())[:MOST] + [each for each in (lowered, ending) if each]


def _of_service(found: Sequence[Finding]) -> bool:
    """Whether the port is one of a Kubernetes service, which is there in kube-proxy's rules only: nobody is to listen on it."""
    stop = found[0].about(Stop)
    return stop is not None and stop.verdict.rule is not None and stop.verdict.rule.manager == "kube-proxy"


def only_evaluated(code: str, finding: Finding) -> bool:
    """Whether a finding rests on the evaluation of a rule alone: it has no counter, a shared one, or one that says otherwise, or it hands
    the packet to a program of which nothing says what that decides."""
    evaluated = code in CODES.values() and finding.detail.get("verdict") in CODES
    return finding.certainty != "proven" and (evaluated or code == QUEUE_DROPS)


def _beyond(place: Place, found: Sequence[Finding]) -> bool:
    """Whether the first cause does not itself show that the packet got through there: the server's socket comes after its firewall."""
    first = found[0] if found else None
    after_it = ("server.socket", "server.backlog", "server.egress", "server.application")
    took_in = first is not None and first.certainty == "proven" and first.segment in after_it and first.host == place.host.name
    return not (took_in and place.leg == "syn" and place.direction == "in")


def _named(detail: dict[str, object]) -> tuple[object, ...]:
    """The rule that a finding names, by its place."""
    rule = detail.get("rule")
    return tuple(rule.get(name) for name in ("family", "table", "chain", "handle", "number")) if isinstance(rule, dict) else ()


def _stopping(case: Case) -> Iterator[tuple[Place, Verdict]]:
    for place in way(case):
        verdict = judged(case, place) if place.host.verdicts.stops_any else None
        if verdict is not None and verdict.stops:
            yield place, verdict


def contradictions(case: Case, found: Sequence[Finding]) -> list[str]:
    """Sentences about evaluated rules that stop a packet which got through all the same: something about them was not as we read it."""
    sentences = []
    for place, verdict in _stopping(case):
        ended = suspects(case) if case.outcome.kind not in ("completed", "late") else []
        if (place in ended or not passed(case, place)) and _beyond(place, found):
            continue
        what = verdict.rule.name if verdict.rule else "the firewall"
        known = verdict.rule is not None and place.host.rules_changed(verdict.rule) is False
        why = "our evaluation is wrong there" if known else "the rules changed meanwhile, or our evaluation is wrong there"
        sentences.append(
            f"{place.host.name}: firewall: evaluated, {what} {with_what(verdict)} {place.packet}, and yet it got through: {why}"
        )
    return sentences
