# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Translations of a packet's destination that are not made because rules ahead of them take the packet: RETURN, ACCEPT, goto, notrack."""

from __future__ import annotations

import typing as t

from .evaluation import Explored, Rule, Step
from .packet import Packet

HOOKS = ("prerouting", "output")  # where destinations are translated
DESTINATIONS = ("dnat", "redirect", "netmap")
_TAKING = ("accept", "return", "goto", "notrack")
_MOST_IN_A_ROW = 4  # rules that take it, one after the other

Explore = t.Callable[[Packet, t.Collection[Rule]], Explored]


class Hidden(t.NamedTuple):
    """The rules without which the packet would be translated, all of them; the rule that would do it; the packet as it would be then."""

    by: t.Sequence[Rule]
    translating: Rule
    packet: Packet


def find_hidden(packet: Packet, first: Explored, explore: Explore) -> Hidden | None:
    """The first such translation; one of a packet for this host itself only where it is meant for the packet's port.

    `explore(packet, ignored)`: what happens to a packet without these rules.
    """
    taking: list[Rule] = []
    explored: Explored | None = first
    for _more in range(_MOST_IN_A_ROW):
        more = [rule for rule in map(_taker, explored.first.path) if rule and rule not in taking] if explored else []
        if not more:
            return None
        for rule in more:
            explored = explore(packet, (*taking, rule))
            if _translated(explored, first):
                return _meant(packet, (*_needed(packet, (*taking, rule), first, explore), rule), explored, explore)
        taking += more
        explored = explore(packet, taking)
    return None


def _needed(packet: Packet, by: t.Sequence[Rule], first: Explored, explore: Explore) -> list[Rule]:
    """Those ahead of the last one that have to be left out as well."""
    without = {id(each): [rule for rule in by if rule is not each] for each in by[:-1]}
    return [each for each in by[:-1] if not _translated(explore(packet, without[id(each)]), first)]


def _taker(step: Step) -> Rule | None:
    return step.rule if takes(step.chain.get("hook"), step.matched, [each.kind for each in step.effects]) else None


def takes(hook: str | None, matched: bool | None, effects: t.Sequence[str]) -> bool:
    """Whether a rule with these effects may keep a packet from others that translate its destination."""
    return hook in HOOKS and matched is True and any(kind in _TAKING for kind in effects)


def _translating(explored: Explored) -> Rule | None:
    steps = [step for step in explored.first.path if step.rule and step.matched and any(one.kind in DESTINATIONS for one in step.effects)]
    return steps[-1].rule if steps else None


def _translated(explored: Explored, first: Explored) -> bool:
    """Whether it goes to another end than now."""
    ends = {(each.destination, each.destination_port) for each in (explored.packet, first.packet)}
    sure = explored.outcome is not None or not explored.first.choices  # there may be no way from there
    return sure and len(ends) > 1 and _translating(explored) is not None


def _meant(packet: Packet, by: t.Sequence[Rule], explored: Explored, explore: Explore) -> Hidden | None:
    translating, port = _translating(explored), packet.destination_port
    if translating is None or port is None:
        return None
    if packet.direction == "in":
        other = packet.copy()
        other.rewrite(destination_port=port ^ 0x8000 or 1)
        if _translating(explore(other, by)) is translating:
            return None
    return Hidden(by, translating, explored.packet)
