# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Elements of sets: a client that is listed by itself is taken off the list, by whoever may do that."""

from __future__ import annotations

from collections.abc import Sequence

from .._model.firewall_records import Verdict
from .._model.fixes import Fix
from .._model.host import Host
from .._model.opening_records import InSet
from .make import advice


def delisted(host: Host, verdict: Verdict, later: Sequence[Verdict]) -> Fix | None:
    """Advice to take a client out of a set that has it by its own address: a rule for it would outlast the reason why it is there.

    None where something else would stop `later` packets of the handshake.
    """
    found = verdict.sets[0] if verdict.sets else None
    if found is None or not found.alone or not found.commands or not all(_opened(other, verdict, found) for other in later):
        return None
    listed = " and ".join(str(each) for each in found.elements)
    summary = f"take {listed} out of {found.name} on {host.name}, if it is there in error"
    if found.file:
        summary += f", and out of {found.file}" + (f" line {found.line}" if found.line else "") + ", which would bring it back"
    if found.filled_by:
        summary += f"; {found.filled_by.name} puts such addresses there"
    return advice(
        "firewall",
        host.name,
        summary,
        found.commands,
        why=f"{found.rule.name if found.rule else 'a rule'} stops what is in the set, and without this element nothing else does, "
        "limits apart",
        check=f"{found.name} has no {listed}",
    )


def _opened(later: Verdict, verdict: Verdict, found: InSet) -> bool:
    """Whether a later packet is stopped as the first one is, behind the rule that looks into the set, and by nothing else."""
    met = [step.rule.identity for step in later.path if step.rule and step.matched]
    same = later.rule and verdict.rule and later.rule.identity == verdict.rule.identity
    behind = found.rule is None or found.rule.identity in met
    return bool(same) and behind and later.then is not None and not later.then.stops


def shorter(verdict: Verdict) -> str:
    """The command that changes a set instead of adding a rule; empty where there is none, or where it would let whole networks in."""
    found = verdict.sets[0] if verdict.sets else None
    return " && ".join(found.commands) if found and (found.alone or not found.elements) else ""
