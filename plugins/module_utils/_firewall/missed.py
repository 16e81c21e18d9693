# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rules that are meant for a packet's port, and miss it by one condition: the interface by which it comes, the address that it is for ...

Of a packet that is stopped, those that would let it through; of one that is not, those that would send it to another end.
"""

from __future__ import annotations

import typing as t

from .evaluation import Explored, Step, Supposed
from .packet import Packet

MOST_TRIED = 32  # rules of one packet's way that are supposed to match
_ELSE = (9, 60009, 1009)  # ports that rules seldom name, privileged and others
_TRANSLATING = ("prerouting", "output")  # hooks where destinations are translated

Explore = t.Callable[[Packet, Supposed], Explored]


class Missed(t.NamedTuple):
    """The rule's step, at whose `stopped` it misses the packet, and else the packet as it would be, and its way."""

    step: Step
    packet: Packet
    path: t.Sequence[Step]


def missed(packet: Packet, first: Explored, explore: Explore) -> list[Missed]:
    """Rules on a packet's way that would change what happens to it; one that would do the same with any port is not meant for this one."""
    port, stopped = packet.destination_port, first.outcome is not None and first.outcome.verdict in ("drop", "reject")
    if port is None:
        return []
    found = []
    other = _to_another_port(packet, port, explore, stopped)
    for step in [each for each in first.first.path if each.matched is False and each.rule and each.stopped][:MOST_TRIED]:
        if step.rule is None or step.stopped is None or not (stopped or step.chain.get("hook") in _TRANSLATING):
            continue
        supposed = {step.rule: (step.stopped.number,)}
        explored = explore(packet, supposed)
        if not _otherwise(packet, explored, stopped):
            continue
        elsewhere = explore(other, supposed)
        any_port = _otherwise(other, elsewhere, stopped) or (stopped and _ends_in_another_table(step, elsewhere))
        if not any_port or not _matches(step, elsewhere) or _asked_for_port(step, port):
            found.append(Missed(step, explored.packet, explored.first.path))
    return found


def _to_another_port(packet: Packet, port: int, explore: Explore, stopped: bool) -> Packet:
    """The packet as it would be for a port that nobody means, as far as one is found: what happens to it is the same."""
    other = packet
    for number in (port ^ 0x8000 or 1, *_ELSE):
        other = packet.copy()
        other.rewrite(destination_port=number)
        if number != port and not _otherwise(other, explore(other, {}), stopped):
            break
    return other


def _matches(step: Step, explored: Explored) -> bool:
    """Whether the rule is not for one port: what it does not match may have been let through anyway."""
    return any(each.rule is step.rule and each.matched is not False for each in explored.first.path)


def _ends_in_another_table(step: Step, explored: Explored) -> bool:
    """Whether the rule's own table lets the packet through, and another firewall's stops it."""
    chain = explored.outcome.chain if explored.outcome else None
    return chain is not None and any(chain.get(name) != step.chain.get(name) for name in ("family", "table", "legacy"))


def _asked_for_port(step: Step, port: int) -> bool:
    """Whether the set that has nothing for the packet was asked for its port as well."""
    return any(each.holds(port.to_bytes(2, "big")) for each in step.looked[-1:] if each.element is None)


def _otherwise(packet: Packet, explored: Explored, stopped: bool) -> bool:
    if stopped:
        return explored.outcome is not None and explored.outcome.verdict == "accept"
    left, outcome = explored.packet, explored.outcome
    passes = outcome.verdict == "accept" if outcome is not None else not explored.first.choices
    return passes and (left.destination, left.destination_port) != (packet.destination, packet.destination_port)
