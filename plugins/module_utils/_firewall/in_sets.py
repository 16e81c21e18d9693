# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Elements of named sets for which a packet is stopped, and those for the lack of which it is.

An element counts only where the packet, evaluated with the set as it would be then, is let through on all of its way, or within a limit.
"""

from __future__ import annotations

import typing as t

from .evaluation import LIMIT, Explored, Looked, Membership, SetChanges, Step
from .missed import Missed
from .packet import Packet

MOST_SETS = 3  # that are returned for one packet
MOST_EXPLORED = 50  # evaluations for one packet
MOST_ELEMENTS = 5  # of one set that meet a packet, such as a network in a network

Explore = t.Callable[[SetChanges], Explored]


class InSet(t.NamedTuple):
    """What a set has for a packet, or lacks, and the rule's step that looked into it; `elements`: those that would have to go."""

    step: Step
    looked: Looked
    elements: tuple[Looked, ...]


def in_sets(packet: Packet, first: Explored, missed: t.Sequence[Missed], explore: Explore) -> list[InSet]:
    """Of a packet that is stopped, the last set on its way first; as many as are reported, of those that `MOST_EXPLORED` evaluations
    find."""
    if first.outcome is None or first.outcome.verdict not in ("drop", "reject"):
        return []
    found: dict[Membership, InSet] = {}
    tried: set[tuple[Membership, t.Any]] = set()  # many rules may look for the same
    bounded = _bounded(explore)
    for step, looked in _on_the_way(first, missed):
        if len(found) == MOST_SETS:
            break
        if looked.set not in found and (looked.set, looked.element) not in tried:
            tried.add((looked.set, looked.element))
            elements = _to_remove(looked, bounded)
            if elements is not None:
                found[looked.set] = InSet(step, looked, elements)
    return list(found.values())


def _on_the_way(first: Explored, missed: t.Sequence[Missed]) -> t.Iterator[tuple[Step, Looked]]:
    """What rules looked for: those that matched, the last one first, then those that would have let the packet through."""
    for step in reversed([each for each in first.first.path if each.matched]):
        yield from ((step, looked) for looked in reversed(step.looked))
    for each in missed:
        yield from ((each.step, looked) for looked in each.step.looked[-1:] if looked.element is None)


def _bounded(explore: Explore) -> t.Callable[[SetChanges], Explored | None]:
    """None where it would be one evaluation too many."""
    left = iter(range(MOST_EXPLORED))
    return lambda changed: None if next(left, None) is None else explore(changed)


def _to_remove(looked: Looked, explore: t.Callable[[SetChanges], Explored | None]) -> tuple[Looked, ...] | None:
    """The elements without which the packet passes: none where it passes with one more; None where it does not pass either way."""
    if looked.element is None:
        return () if _passes(explore({looked.set: None})) else None
    elements = [looked]
    while len(elements) <= MOST_ELEMENTS:
        explored = explore({looked.set: [each.element for each in elements]})
        if explored is None:
            return None
        if _passes(explored):
            return tuple(elements)
        again = (each for step in explored.first.path for each in step.looked if each.set == looked.set and each.element is not None)
        wider = next(again, None)
        if wider is None or any(wider.element == each.element for each in elements):
            return None
        elements.append(wider)
    return None


def _passes(explored: Explored | None) -> bool:
    if explored is None:
        return False
    if explored.outcome is None:
        limited = explored.undecided is not None and explored.undecided.kind == LIMIT
        return limited and any(each.verdict == "accept" for each in explored.possible)
    return explored.outcome.verdict == "accept"
