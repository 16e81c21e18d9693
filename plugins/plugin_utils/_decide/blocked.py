# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Flows that must be closed (``expect: blocked``): what would be a fault of another flow is the required result, and vice versa."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .._model.prose import Prose, Wording
from .case import Case
from .causes.unexpected import CAUSES
from .explain import Explanation, Found

Answers = Sequence[tuple[Case, Explanation]]

_OPEN = {cause.code for cause in CAUSES}
_CLIENT_BLOCKS = ("client.firewall", "client.route")
_RULES = ("client.firewall", "server.firewall")


@dataclass(frozen=True)
class Blocked:
    """``answers``: the cases that connect, each with that as its only cause. ``by``: what keeps the others from it. ``untested``: why
    nothing was learned of cases in which no SYN left the client, and no rule of its own was why. ``remarks``: what an auditor should know.
    """

    status: str
    answers: Answers
    by: Sequence[Found] = ()
    untested: Sequence[Wording] = ()
    remarks: Sequence[Wording] = ()


def judge(answers: Answers) -> Blocked:
    """The verdict on a flow that must be closed, from what `explain` says of each of its addresses."""
    opened = [
        (case, replace(explained, causes=[found for found in explained.causes if found[0].code in _OPEN])) for case, explained in answers
    ]
    contrary = [(case, explained) for case, explained in opened if explained.causes]
    if contrary:
        return Blocked("broken", contrary)
    untested = [
        Prose(f"whether {case.target} is blocked was not tested: {_why(case, explained)}")
        for case, explained in answers
        if not _is_tested(case, explained)
    ]
    if untested:
        return Blocked("undetermined", (), untested=untested)
    return Blocked("ok", (), [found for _case, explained in answers if (found := explained.decisive)], remarks=_remarks(answers))


def _remarks(answers: Answers) -> list[Wording]:
    remarks: list[Wording] = []
    for case, explained in answers:
        if explained.decisive is None:
            remarks.append(Prose(f"{case.target} cannot be reached, and what blocks it was not found"))
            continue
        cause, finding = explained.decisive
        if finding.segment not in _RULES and not cause.forbids:
            remarks.append(Prose(f"{case.target} is not reached because of {cause.code}: no rule was seen to block it"))
    return remarks


def _is_tested(case: Case, explained: Explanation) -> bool:
    if case.outcome.kind == "unresolved" or not case.attempts:
        return False
    cause, finding = explained.decisive or (None, None)
    if cause and cause.passing:
        return False
    if not case.outcome.local:
        answered = case.count("syn_ack", case.client, "in") > 0  # it is open, and only the client did not wait or take it
        return not answered or (finding is not None and finding.segment in _RULES)
    return cause is not None and finding is not None and (finding.segment in _CLIENT_BLOCKS or cause.forbids)


def _why(case: Case, explained: Explanation) -> Wording:
    return explained.decisive[1].summary if explained.decisive else f"no SYN left {case.client.name}"
