# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Why a rule stops a packet, and which other rules would have let it through, in words."""

from __future__ import annotations

from ..._model.firewall_records import Verdict
from ..._model.firewall_subjects import TakenAhead
from ..._model.opening_records import MissedRule
from ..case import Case
from ..sources import declared_beside
from . import hidden


def from_another(case: Case, verdict: Verdict) -> str:
    """What is to be said of a source that is the client's own, and not the one that the inventory has for it, as rules may have it."""
    better = declared_beside(case, verdict.source) if verdict.packet == "syn" else None
    own = case.client.interface_of(verdict.source)
    if better is None or own is None:
        return ""
    kind = "a temporary address (IPv6 privacy extensions)" if "temporary" in own.flags else "an address"
    return f"; it comes from {verdict.source}, {kind} of {case.client.name}, and not from {better}, which the inventory has"


def named(verdict: Verdict) -> str:
    return f": {' or '.join(f'{rule.name}' for rule in verdict.one_of)}" if verdict.one_of else ""


def missed(verdict: Verdict) -> str:
    """That a rule for this port would let the packet through, and by what it misses it: other sources, another interface ..."""
    if not verdict.missed or verdict.way_back or verdict.marked_by or verdict.shadowed:
        return ""
    nearest = verdict.missed[0]
    return f"; {nearest.rule.name} would let it through, and misses it by {by_what(nearest)}"


def ahead(taken: TakenAhead | None) -> str:
    """That it is stopped where it is because rules ahead of a translation took it."""
    return f"; {hidden.in_words(taken.hidden)}" if taken else ""


def by_what(missed: MissedRule) -> str:
    """``'-i eth1' (the SYN: interface eth0)``"""
    used_up = ", which is used up, and stays so until somebody resets it" if missed.used_up else ""
    full = f", since set {missed.full} is full" if missed.full else ""
    return f"'{missed.condition.text}'{used_up}{full}" + (f" (the SYN: {missed.condition.seen})" if missed.condition.seen else "")


def for_the_way_back(verdict: Verdict) -> str:
    """That a rule stops the packet only because what goes back to its source would leave elsewhere."""
    back = verdict.way_back
    if back is None:
        return ""
    leaves = f"leaves by {back.leaves_by}" if back.leaves_by else "has no way"
    return f": what goes back to {verdict.source} {leaves}, and it came in by {back.came_by}"


def marked(verdict: Verdict) -> str:
    """That a rule stops the packet only for a mark, and which rule gave it the mark."""
    if not verdict.marked_by:
        return ""
    marking, *led = verdict.marked_by
    return f", for its mark, which {marking.name} sets" + (f", to which {led[0].name} leads" if led else "")


def used_up(verdict: Verdict) -> str:
    """That the rule stops what comes since its quota is used up."""
    return ": its quota is used up, and stays so until somebody resets it" if verdict.quota_used_up else ""


def unserved(verdict: Verdict) -> str:
    """That TPROXY drops the packet because the proxy is not there, or because it is not led to it."""
    if verdict.past_its_proxy:
        return ": it hands packets to a socket of this host, and no policy rule leads them to a local route, so that they are not delivered"
    return ": no transparent socket listens where it hands packets to" if verdict.rule and verdict.without_a_proxy else ""


def with_what(verdict: Verdict) -> str:
    if verdict.verdict == "reject":
        return f"rejects (with {verdict.reject_with})" if verdict.reject_with else "rejects"
    return "drops"


def shadow(verdict: Verdict) -> str:
    """That a rule exists which would accept the packet, and comes too late."""
    if not verdict.shadowed or verdict.rule is None:
        return ""
    late, stopper = verdict.shadowed[0], verdict.left_by or verdict.rule
    elsewhere = f" of chain {late.chain}" if late.chain != stopper.chain else ""  # whose numbers say nothing of the order
    return f"; an accept rule for this flow exists but comes too late: {late.tag}{elsewhere} after {stopper.tag}"
