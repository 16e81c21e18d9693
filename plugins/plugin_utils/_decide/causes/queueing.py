# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Queueing disciplines that drop what a host sends: shapers whose burst or limit no packet fits into, or that are overrun."""

from __future__ import annotations

from ..._model.firewall_subjects import Queueing
from ..._model.hook_records import TrafficControl
from ..._model.host import Host
from ..._model.network_records import Route
from ..._model.snapshot import Snapshot
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..kernel_word import Dropped
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .onward import onward
from .traversals import PACKETS, judged, suspects

_FILTERING = ("clsact", "ingress")  # they queue nothing, and have one counter for what comes in and what leaves (sch_ingress.c)
_REASONS = "QDISC_"  # what the kernel's reasons begin with (include/net/dropreason-qdisc.h, dropreason-core.h)


def _queueing_drop(case: Case) -> Finding | None:
    """Recorders see what leaves a host after its queueing disciplines: what these drop is seen on no wire."""
    place = place_of(case)
    if place is None:
        return None
    host, leg, segment, route = place
    drops = _risen(host, route.interface if route else None)
    least = max(1, len(case.subject))
    said = next((each for each in case.dropped if (each.host, each.leg) == (host, leg) and each.exact and _by_queue(each)), None)
    if not drops or (said is None and (drops[1] < least or ends_earlier(case, host, leg, route))):
        return None
    queue, by = drops
    kind = f"the queueing discipline {queue.kind}" if queue.kind else "a queueing discipline"
    return Finding(
        "proven" if said else "likely",
        host.name,
        segment,
        f"{kind} of {queue.interface} on {host.name} drops {PACKETS[leg]} on its way out",
        (
            case.saw(
                host, "tc", f"{queue.interface}, egress{f', {queue.kind}' if queue.kind else ''}: {plural(by, 'packet')} dropped meanwhile"
            ),
            *([said.evidence()] if said else []),
            *(case.accepted_by_server() if leg == "syn_ack" and host is case.server else ()),
            *case.passage(),
        ),
        leg=leg,
        detail={"interface": queue.interface, "kind": queue.kind, "drops": by},
        undecided=() if said else (f"tc -s qdisc show dev {queue.interface} on {host.name}, before and after an attempt, would show it",),
        subject=Queueing(queue.interface, queue.kind),
    )


def _by_queue(dropped: Dropped) -> bool:
    return dropped.drop_reason.startswith(_REASONS)


def place_of(case: Case) -> tuple[Host, Leg, str, Route | None] | None:
    """Where the packet vanished on its way out, and the route by which it was to leave, as far as that is known."""
    kind = case.outcome.kind
    if kind == "unsent":
        return case.client, "syn", "client.egress", case.route
    if kind == "unanswered" and case.server and case.client_address and case.accepted_by_server():
        return case.server, "syn_ack", "server.egress", case.way(case.server, case.client_address, case.server_address, back=True)
    via = next((via for via in case.vias if via.name == case.outcome.host), None)
    if kind in ("lost_syn", "lost_syn_ack") and via is not None:
        leg: Leg = "syn" if kind == "lost_syn" else "syn_ack"
        return via, leg, "path.forward" if leg == "syn" else "path.return", onward(case, via).route
    return None


def ends_earlier(case: Case, host: Host, leg: Leg, route: Route | None) -> bool:
    """Whether the packet does not come to the interface at all, so that what is dropped there is others'."""
    if any(verdict.stops for place in suspects(case) if place.host is host and place.leg == leg and (verdict := judged(case, place))):
        return True
    if route is None or route.error:
        return route is not None
    hop = route.gateway or route.remote
    entry = host.neighbour(hop, route.interface)
    return entry is not None and entry.unresolved and bool(host.unanswered_requests(hop))


def _risen(host: Host, interface: str | None) -> tuple[TrafficControl, int] | None:
    """What dropped most of what left by an interface, or by any, between the looks at a host, and how many packets."""
    was = {(each.interface, each.kind): each.drops for each in sending(host.before)}
    now = [(each, each.drops - was.get((each.interface, each.kind), 0)) for each in sending(host.after)]
    return max((each for each in now if interface in (None, each[0].interface) and each[1] > 0), key=lambda each: each[1], default=None)


def sending(snapshot: Snapshot | None) -> list[TrafficControl]:
    tc = (snapshot.hooks.tc if snapshot and snapshot.hooks else None) or ()
    return [each for each in tc if each.direction == "egress" and each.kind not in _FILTERING]


CAUSES = (
    Cause(
        "queueing_drop",
        "A queueing discipline drops what a host sends",
        ("client.egress", "server.egress", "path.forward", "path.return"),
        ("unsent", "unanswered", "lost_syn", "lost_syn_ack"),
        "The packet is seen on no wire behind the host, a queueing discipline on its way out dropped packets meanwhile, and the kernel "
        "says for this very packet that a queueing discipline drops it. Without the kernel's word, and if it dropped at least as many "
        "packets as there were attempts: likely.",
        "The queueing discipline drops nothing.",
        rule=_queueing_drop,
        precedes=("path_drop", "kernel_drop"),
        accounts_for=(Accounts("counter", ("qdisc.egress drops",), any_leg=True),),
    ),
)
