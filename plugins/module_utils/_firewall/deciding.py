# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which rules decide about a packet, read from the ways that it may take: those that stop it, lead there, or would have let it through."""

from __future__ import annotations

import typing as t

from .evaluation import UNROUTABLE, Action, Evaluation, Explored, Outcome, Reference, Rule, Step

_CONNTRACK = -200  # NF_IP_PRI_CONNTRACK


def bringing(outcome: Outcome | None, path: t.Sequence[Step]) -> Rule | None:
    """Where a rule of an inline chain decides: the rule that brought that chain along, which the kernel lets nobody add rules to."""
    if outcome is None or outcome.rule is None or not (outcome.chain or {}).get("inline"):
        return None
    chain = outcome.chain or {}
    for step in reversed(path):
        last = step.effects[-1] if step.matched and step.effects else None
        if step.rule and last and last.kind in ("jump", "goto") and last.target == chain["chain"]:
            if not step.chain.get("inline"):
                return step.rule
            chain = step.chain
    return None


def leaving(explored: Explored) -> Rule | None:
    """Where a policy decides: the first rule by which the packet may leave the base chain for good (goto, return). What stands after
    that one is not met, or need not be.
    """
    outcome = explored.outcome
    if outcome is None or outcome.rule is not None or outcome.chain is None:
        return None
    base = _place_of(outcome.chain)
    left = [step.rule for each in explored.tries for step in each.path if step.rule and _place_of(step.chain) == base and _leaves(step)]
    return min(left, key=lambda rule: int(rule.reference()["number"])) if left else None


def accepting(evaluation: Evaluation) -> Rule | None:
    """The last rule that accepted the packet."""
    return next((step.rule for step in reversed(evaluation.path) if step.rule and _accepts(step)), None)


def shadowed_by(explored: Explored, without: t.Callable[[t.Collection[Rule]], Explored]) -> list[Rule]:
    """The rule after the one that stops the packet that would have let it through, if there is one."""
    outcome = explored.outcome
    culprit = (outcome.rule or leaving(explored)) if outcome and outcome.verdict in ("drop", "reject") else None
    if outcome is None or culprit is None:
        return []
    instead = without((culprit,))
    if instead.outcome is None or instead.outcome.verdict != "accept":
        return []
    place = _hook(outcome.chain or {})
    return [step.rule for step in instead.first.path if step.rule and _accepts(step) and _hook(step.chain) == place]


def marking_rules(explored: Explored, without: t.Callable[[t.Collection[Rule]], Explored]) -> list[Rule]:
    """Where a rule stops the packet for its mark, or the kernel has no way for it: the rule that gave it the mark, and the one that led
    there. Empty: not for a mark."""
    outcome, path = explored.outcome, explored.first.path
    stopped = outcome is not None and outcome.verdict in ("drop", "reject") and outcome.rule is not None
    if not stopped and not _is_unroutable(explored):
        return []
    marked = [number for number, step in enumerate(path) if step.rule and step.matched and any(map(sets_mark, step.effects))]
    if not marked:
        return []
    last = path[marked[-1]]
    instead = without((last.rule,)) if last.rule else explored
    if _is_unroutable(instead) if outcome is None else instead.outcome is not None and instead.outcome.rule is outcome.rule:
        return []
    led = [step.rule for step in path[: marked[-1]] if step.rule and any(_leads_to(each, last.chain) for each in step.effects)]
    return [rule for rule in (last.rule, *led[-1:]) if rule]


def entered_chains(path: t.Sequence[Step]) -> list[tuple[str, str, str]]:
    """The chains on the packet's way, by family, table and name: also those that it left without meeting a rule of theirs."""
    found = [(str(step.chain["family"]), str(step.chain["table"]), str(step.chain["chain"])) for step in path]
    for step in path:
        for each in step.effects if step.matched else ():
            if each.kind in ("jump", "goto"):
                found.append((str(step.chain["family"]), str(step.chain["table"]), str(each.target)))
    return list(dict.fromkeys(found))


def is_answered(evaluation: Evaluation) -> bool:
    """Whether synproxy took it, which answers it in the server's place."""
    return any(each.kind == "synproxy" for step in evaluation.path[-1:] for each in step.effects)


def is_ahead_of_conntrack(chain: Reference) -> bool:
    """Whether its rules meet packets before the kernel has looked for their connection (NF_IP_PRI_CONNTRACK)."""
    hook, priority = chain.get("hook"), chain.get("priority")
    return hook in ("ingress", "egress") or (hook in ("prerouting", "output") and isinstance(priority, int) and priority < _CONNTRACK)


def _is_unroutable(explored: Explored) -> bool:
    return explored.undecided is not None and explored.undecided.kind == UNROUTABLE


def _leaves(step: Step) -> bool:
    return step.matched is not False and bool(step.effects) and step.effects[-1].kind in ("goto", "return")


def _accepts(step: Step) -> bool:
    return step.matched is not False and bool(step.effects) and step.effects[-1].kind == "accept"


def sets_mark(action: Action) -> bool:
    return action.kind == "set" and (action.target or "").startswith("mark")


def _leads_to(action: Action, chain: Reference) -> bool:
    return action.kind in ("jump", "goto") and action.target == chain.get("chain")


def _place_of(chain: Reference) -> list[t.Any]:
    return [chain.get(name) for name in ("family", "table", "chain", "legacy")]


def _hook(chain: Reference) -> tuple[t.Any, ...]:
    """The base chain that a rule was reached from."""
    return tuple(chain.get(name) for name in ("family", "table", "hook", "priority"))
