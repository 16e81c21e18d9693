# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A host on the way that delivers to itself what its rules mark for a transparent proxy, where no rule hands it to the proxy."""

from __future__ import annotations

from ..._model.firewall_records import Verdict
from ..._model.host import Host
from ..._model.network_records import PolicyRule
from ..._model.network_subjects import MarkedForOwn
from ..._model.rule_records import Rule
from ..case import Case
from ..finding import Finding
from ..last_hop import added_rules
from .needs import needs
from .rules import kept_by
from .stretch import swallower
from .traversals import Place, judged


def _asking(case: Case, via: Host, mark: int) -> PolicyRule | None:
    """The first policy rule that leads what has the mark to a table of its own."""
    rules = [each for each in added_rules(via, case.family) or () if each.mark and mark & each.mark.mask == each.mark.value and each.table]
    return min(rules, key=lambda each: each.priority, default=None)


def _marking(verdict: Verdict) -> Rule | None:
    """The only rule on the packet's way that sets something of it."""
    setting = [step.rule for step in verdict.path if step.rule and step.matched and any(each.kind == "set" for each in step.effects)]
    return setting[0] if len(setting) == 1 else None


@needs(swallower)
def marked_for_own(case: Case, via: Host) -> Finding | None:
    """By the mark, a policy rule leads the SYN to a route of type local: it is for a socket that TPROXY would give it, and has none."""
    verdict = judged(case, Place(via, "syn", "forward", "path.forward"))
    ends = verdict.rewritten if verdict else None
    if case.outcome.kind != "lost_syn" or verdict is None or verdict.verdict != "accept" or ends is None or not ends.mark:
        return None
    if ends.direction != "in" or via.owns(ends.destination) is not False or verdict.last_to("tproxy", "redirect") is not None:
        return None
    policy, rule = _asking(case, via, ends.mark), _marking(verdict)
    if policy is None:
        return None
    by = f"{rule.name} marks it" if rule else "rules mark it"
    return Finding(
        "likely",
        via.name,
        "path.forward",
        f"{via.name} takes {ends.destination} for its own, and keeps the SYN: {by} with {ends.mark:#x}, policy rule {policy.priority} "
        f"('{policy.text}') leads it to a local route by that, and no rule hands it to a transparent proxy (TPROXY)",
        (
            case.saw(via, "rtnetlink rules", f"{policy.priority}: {policy.text}"),
            case.saw(via, "firewall", f"evaluated: the SYN ends at {via.name} itself, which has not got {ends.destination}"),
            *case.passage(),
            *(kept_by(via, rule) if rule else ()),
        ),
        leg="syn",
        detail={"mark": ends.mark, "table": policy.table},
        undecided=(f"a kernel trace (diagnose_depth=full) on {via.name} would show where the SYN ends",),
        subject=MarkedForOwn(ends.mark, policy, rule),
    )
