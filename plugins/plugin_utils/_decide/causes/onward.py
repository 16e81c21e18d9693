# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Where a managed host on the way is to send the packet that it kept, and whether its own routing decision is what kept it."""

from __future__ import annotations

from dataclasses import dataclass

from ..._model.host import Host
from ..._model.network_records import Neighbour, Route
from ..case import Case
from ..outcome import Leg
from .counted import proof
from .kernel import hook_of
from .traversals import Place, comes_to_routing, judged


@dataclass(frozen=True)
class Onward:
    """``target``: the destination after the host's own translations, and ``route``: the host's way there. ``passed``: the packet
    demonstrably came through its routing decision. ``sure``: it came that far, and nothing contradicts that it ended there."""

    target: str | None
    route: Route | None
    passed: bool
    sure: bool


def onward(case: Case, via: Host) -> Onward:
    back = case.outcome.kind == "lost_syn_ack"
    leg: Leg = "ack" if case.outcome.kind == "lost_ack" else "syn_ack" if back else "syn"
    place = Place(via, leg, "forward", "path.return" if back else "path.forward")
    target, known = _target(case, place)
    passed = _passed_routing(case, place)
    # What routes refuse, they refuse of each attempt.
    route = case.way(via, target, back=back) if target else None
    return Onward(target, route, passed, known and not passed and not case.completed and comes_to_routing(case, place))


def unresolved_hop(case: Case, via: Host) -> Neighbour | None:
    """The entry of a host's next hop for the packet, where it does not know, or not yet, the link address: the packet waits for that."""
    way = onward(case, via)
    hop = way.route and (way.route.gateway or way.target)
    entry = via.neighbour(hop, way.route.interface) if way.route and hop and not way.route.multipath else None
    return entry if entry and entry.unresolved else None


def _target(case: Case, place: Place) -> tuple[str | None, bool]:
    """The packet's destination, and whether it is known: a host translates it ahead of its routes."""
    came = case.observation("syn", place.host, "in")
    if place.leg == "syn_ack":  # what was done to the SYN's source is undone first
        return (came.packet.src, True) if came else (case.client_address, place.host.translates("prerouting", "postrouting") is False)
    verdict = judged(case, Place(place.host, "syn", "forward", "path.forward"))  # a connection is translated as its SYN was
    if verdict is not None and verdict.rewritten:
        return verdict.rewritten.destination, True
    known = place.host.translates("prerouting") is False or (verdict is not None and verdict.verdict in ("accept", "drop", "reject"))
    return came.packet.dst if came else case.address, known


def _passed_routing(case: Case, place: Place) -> bool:
    """Whether a rule at a hook after the routing decision counted the packet."""
    verdict = judged(case, place)
    if verdict is None or not verdict.stops or verdict.rule is None or hook_of(verdict, verdict.rule) not in ("forward", "postrouting"):
        return False
    return proof(case, place, verdict, verdict.rule).certainty == "proven"
