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
_TRANSLATING = ("prerouting", "output")  # hooks where destinations are translated

Explore = t.Callable[[Packet, Supposed], Explored]


class Missed(t.NamedTuple):
    """The rule's step, at whose `stopped` it misses the packet, and else the packet as it would be, and its way."""

    step: Step
    packet: Packet
    path: t.Sequence[Step]


def missed(packet: Packet, first: Explored, explore: Explore) -> list[Missed]:
    """Rules on a packet's way that would change what becomes of it; one that would do so with any port is not meant for this one."""
    port, stopped = packet.destination_port, first.outcome is not None and first.outcome.verdict in ("drop", "reject")
    if port is None:
        return []
    found = []
    for step in [each for each in first.first.path if each.matched is False and each.rule and each.stopped][:MOST_TRIED]:
        if step.rule is None or step.stopped is None or not (stopped or step.chain.get("hook") in _TRANSLATING):
            continue
        supposed = {step.rule: (step.stopped.number,)}
        explored = explore(packet, supposed)
        if not _otherwise(packet, explored, stopped):
            continue
        other = packet.copy()
        other.rewrite(destination_port=port ^ 0x8000 or 1)
        if not _otherwise(other, explore(other, supposed), stopped):
            found.append(Missed(step, explored.packet, explored.first.path))
    return found


def _otherwise(packet: Packet, explored: Explored, stopped: bool) -> bool:
    if stopped:
        return explored.outcome is not None and explored.outcome.verdict == "accept"
    left, outcome = explored.packet, explored.outcome
    passes = outcome.verdict == "accept" if outcome is not None else not explored.first.choices
    return passes and (left.destination, left.destination_port) != (packet.destination, packet.destination_port)
