# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Flows that must be closed (``expect: blocked``): what is a fault elsewhere is what they are to show, and the other way round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._model.prose import Prose, Wording
from .case import Case
from .causes.catalogue import Cause
from .causes.unexpected import CAUSES
from .finding import Finding

Answers = Sequence[tuple[Case, Sequence[tuple[Cause, Finding]]]]

_OPEN = {cause.code for cause in CAUSES}
_AT_HOME = ("refused_locally", "unsent")
_CLIENT_BLOCKS = ("client.firewall", "client.route")
_FORBIDDEN = "connect_forbidden"
_RULES = ("client.firewall", "server.firewall")
_FOR_A_WHILE = ("firewall_rate_limited", "conntrack_full", "nat_ports_exhausted")  # others get through, or the same later


@dataclass(frozen=True)
class Blocked:
    """``answers``: the cases that connect, each with that as its only cause. ``by``: what keeps the others from it. ``untested``: why
    nothing was learned of cases in which no SYN left the client, and no rule of its own was why. ``remarks``: what an auditor should know.
    """

    status: str
    answers: Answers
    by: Sequence[tuple[Cause, Finding]] = ()
    untested: Sequence[Wording] = ()
    remarks: Sequence[Wording] = ()


def judge(answers: Answers) -> Blocked:
    """The verdict on a flow that must be closed, from what `explain` says of each of its addresses."""
    opened = [(case, [found for found in explained if found[0].code in _OPEN]) for case, explained in answers]
    contrary = [(case, explained) for case, explained in opened if explained]
    if contrary:
        return Blocked("broken", contrary)
    untested = [
        Prose(f"whether {case.target} is blocked was not tested: {_why(case, explained)}")
        for case, explained in answers
        if not _is_tested(case, explained)
    ]
    if untested:
        return Blocked("undetermined", (), untested=untested)
    return Blocked("ok", (), [explained[0] for _case, explained in answers if explained], remarks=_remarks(answers))


def _remarks(answers: Answers) -> list[Wording]:
    told: list[Wording] = []
    for case, explained in answers:
        if not explained:
            told.append(Prose(f"{case.target} cannot be reached, and what blocks it was not found"))
        elif explained[0][1].segment not in _RULES and explained[0][0].code != _FORBIDDEN:
            told.append(Prose(f"{case.target} is not reached because of {explained[0][0].code}: no rule was seen to block it"))
    return told


def _is_tested(case: Case, explained: Sequence[tuple[Cause, Finding]]) -> bool:
    if case.outcome.kind == "unresolved" or not case.attempts:
        return False
    if explained and explained[0][0].code in _FOR_A_WHILE:
        return False
    if case.outcome.kind not in _AT_HOME:
        answered = case.count("syn_ack", case.client, "in") > 0  # it is open, and only the client did not wait or take it
        return not answered or bool(explained and explained[0][1].segment in _RULES)
    return bool(explained) and (explained[0][1].segment in _CLIENT_BLOCKS or explained[0][0].code == _FORBIDDEN)


def _why(case: Case, explained: Sequence[tuple[Cause, Finding]]) -> Wording:
    return explained[0][1].summary if explained else f"no SYN left {case.client.name}"
