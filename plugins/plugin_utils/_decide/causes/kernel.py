# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the kernel's own trace (diagnose_trace) says of a packet at a place: which rule stopped it there, or that none did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._model.firewall_records import Rule
from ..case import Case
from ..kernel_word import ended_alike
from ..traced import TracedRule, let_through, traced

if TYPE_CHECKING:
    from .traversals import Place

_HOOKS = {
    "in": ("ingress", "prerouting", "input"),
    "out": ("output", "postrouting", "egress"),
    "forward": ("ingress", "prerouting", "forward", "postrouting", "egress"),
}


def stop(case: Case, place: Place) -> TracedRule | None:
    """The rule at which the kernel saw the packet end there."""
    return traced(case, place.host, place.leg, _HOOKS[place.direction]) if ended_alike(case) else None


def cleared(case: Case, place: Place) -> bool:
    """Whether the kernel saw nf_tables let the packet through there, and there is no other firewall."""
    hooks = place.host.snapshot.hooks if place.host.snapshot else None
    if hooks is None or hooks.iptables_legacy != () or place.host is case.client is case.server:
        return False
    return ended_alike(case) and let_through(case, place.host, place.leg) > 0


def is_rule(seen: TracedRule, rule: Rule) -> bool:
    """Whether the kernel and an evaluation mean the same rule: iptables counts its rules, and gives no handles."""
    if (seen.family, seen.table, seen.chain) != (rule.family, rule.table, rule.chain):
        return False
    if rule.handle is not None or rule.is_policy:
        return seen.handle == rule.handle
    return seen.number is not None and seen.number == rule.number
