# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The sentences on fixes and on changes that several formats share."""

from __future__ import annotations

from .._plan.options import ALLOWED, KINDS
from .._remediate.mending import MENDED
from .._report.view import Change, Fix, Flow, Report

_RISKS = ("low", "disruptive")
REMEDIATE = "ansible-playbook -i inventory.yml -e @flows.yml --become threeway.handshake.remediate"
SIMPLE = "shorter, but for more than this flow"
REHEARSAL = "rehearsal"
OUTCOMES = {
    "kept": "made and kept",
    "rolled_back": "made and undone",
    "failed": "made, not known to be undone",
    "escalated": "left to people",
    "planned": "planned",
    "refused": "not made",
}
"""Outcomes of changes, in the order in which they are shown."""


def made(fix: Fix) -> bool:
    """Whether `remediate` can make it; else it is advice."""
    return fix.risk in _RISKS and fix.kind in KINDS


def remediate(flow: Flow) -> str:
    """The command line that makes the fix of this flow's decisive cause; nothing where there is none to make."""
    cause = flow.cause
    if cause is None or cause.fix is None or not made(cause.fix) or flow.status not in MENDED or flow.expect == "blocked":
        return ""
    options = ["remediate_apply=true"]
    if cause.fix.kind not in ALLOWED:
        options.append(f"""'{{"remediate_allow": ["{cause.fix.kind}"]}}'""")
    if cause.fix.risk != _RISKS[0]:
        options.append(f"remediate_max_risk={cause.fix.risk}")
    if cause.certainty in ("likely", "possible"):
        options.append(f"remediate_require={cause.certainty}")
    return f"{REMEDIATE} {' '.join(f'-e {option}' for option in options)}"


def risk(fix: Fix) -> str:
    """`` (risk: low)``, of what can be made."""
    return f" (risk: {fix.risk})" if made(fix) else ""


def changes(report: Report) -> list[Change]:
    """What was done first, then what was not."""
    ranks = list(OUTCOMES)
    return sorted(report.changes, key=lambda change: ranks.index(change.outcome) if change.outcome in ranks else len(ranks))


def outcome(change: Change) -> str:
    return OUTCOMES.get(change.outcome, change.outcome)


def tried(change: Change) -> list[str]:
    """``web-to-db: broken, 0 of 3 connected; then ok, 3 of 3``"""
    after = {each.flow: each for each in change.after}
    parts = []
    for each in change.before:
        said = f"{each.flow}: {each.status}, {each.connected} of {each.attempts} connected"
        then = after.get(each.flow)
        parts.append(f"{said}; then {then.status}, {then.connected} of {then.attempts}" if then else said)
    return parts


def about(fix: Fix) -> list[tuple[str, str]]:
    """What else there is to know of a fix with commands."""
    known = [
        (SIMPLE, fix.simple),
        (REHEARSAL, fix.rehearsed),
        ("why", fix.why),
        ("check", fix.check),
        *(("undo", command) for command in fix.undo),
    ]
    return [(what, text) for what, text in known if text]
