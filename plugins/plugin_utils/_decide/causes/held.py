# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Queueing disciplines that hold what a host sends: shapers whose rate is so low that packets leave too late, or not at all."""

from __future__ import annotations

from ..._model.firewall_subjects import Queueing
from ..._model.hook_records import TrafficControl
from ..._model.host import Host
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from .catalogue import Cause
from .queueing import ends_earlier, place_of, sending
from .traversals import PACKETS

_WITHOUT_RATE = ("pfifo_fast", "pfifo", "bfifo", "prio", "sfq", "codel", "fq_codel", "mq", "mqprio", "multiq")
"""They send as fast as the device takes it: what waits there is on its way, as on any host that sends much."""


def _queueing_held(case: Case) -> Finding | None:
    """Recorders see what leaves a host after its queueing disciplines: what waits there is seen on no wire."""
    place = place_of(case)
    if place is None:
        return None
    host, leg, segment, route = place
    queue = _fullest(host, route.interface if route else None)
    if queue is None or queue.waiting < len(case.subject) or ends_earlier(case, host, leg, route):
        return None
    kind = f"the queueing discipline {queue.kind}" if queue.kind else "a queueing discipline"
    return Finding(
        "possible" if queue.kind in _WITHOUT_RATE else "likely",  # whose packets wait there is not known
        host.name,
        segment,
        f"{kind} of {queue.interface} on {host.name} holds what the host sends: {plural(queue.waiting, 'packet')} wait there, and "
        f"{PACKETS[leg]} does not come out",
        (
            case.saw(host, "tc", f"{queue.interface}, egress{f', {queue.kind}' if queue.kind else ''}: {queue.waiting} waiting afterwards"),
            *(case.accepted_by_server() if leg == "syn_ack" and host is case.server else ()),
            *case.passage(),
        ),
        leg=leg,
        detail={"interface": queue.interface, "kind": queue.kind, "waiting": queue.waiting},
        undecided=(f"tc -s class show dev {queue.interface} on {host.name}, twice, would show at which rate its classes send",),
        subject=Queueing(queue.interface, queue.kind),
    )


def _fullest(host: Host, interface: str | None) -> TrafficControl | None:
    """What holds most of what is to leave by an interface, or by any, after the attempts."""
    there = [each for each in sending(host.after) if each.waiting and interface in (None, each.interface)]
    return max(there, key=lambda each: each.waiting, default=None)


CAUSES = (
    Cause(
        "queueing_held",
        "A queueing discipline holds what a host sends",
        ("client.egress", "server.egress", "path.forward", "path.return"),
        ("unsent", "unanswered", "lost_syn", "lost_syn_ack"),
        "Not provable from the ends: the packet is seen on no wire behind the host, and at least as many packets as there were attempts "
        "wait in a queueing discipline on its way out afterwards. In one that has no rate: possible.",
        "Nothing waits there.",
        rule=_queueing_held,
        precedes=("path_drop", "kernel_drop"),
    ),
)
