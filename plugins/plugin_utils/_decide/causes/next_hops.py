# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A managed host on the way asks for its next hop, and nobody answers: the packet goes in and does not come out."""

from __future__ import annotations

from ipaddress import ip_address

from ..._model.address_subjects import DeadHop
from ..._model.host import Host
from ..._model.network_records import Route
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from .catalogue import Accounts, Cause
from .icmp import NOT_FOR_EACH, NOT_SENT
from .needs import needs
from .onward import onward
from .routers import stopped_at
from .stretch import forbidden


@needs(stopped_at)
def _next_hop_silent(case: Case, via: Host) -> Finding | None:
    way = onward(case, via)
    route = way.route
    if way.passed or way.target is None or route is None or route.error or route.multipath or route.interface is None:
        return None
    hop = route.gateway
    entry, asked = (via.neighbour(hop, route.interface), via.unanswered_requests(hop)) if hop else (None, 0)
    if hop is None or not asked or not (entry is None or entry.unresolved):
        return None  # of the destination itself there is more to say
    return Finding(
        "proven" if way.sure and entry and via.saw_everything and not forbidden(case) else "likely",
        via.name,
        case.outcome.segment or "path.forward",
        f"{via.name} sends what is for {way.target} to {hop} ({route.words}), which does not answer its requests: the packet goes in and "
        "does not come out",
        (
            case.saw(via, "capture", f"{plural(asked, 'request')} for {hop}, no reply"),
            *([case.saw(via, "rtnetlink neighbour", f"{hop} on {entry.interface} is {entry.state}")] if entry else []),
            case.saw(via, "rtnetlink route get", f"{way.target}: {route.words}"),
            *case.passage(),
        ),
        detail={"next_hop": hop, "interface": route.interface, "prefix": route.prefix},
        subject=DeadHop(hop, route, _next_door(via, way.target, route)),
    )


def _next_door(via: Host, target: str, route: Route) -> bool:
    """Whether the host has the destination's network itself, so that a more specific route alone leads away from it."""
    entries = (via.snapshot.addresses if via.snapshot else None) or ()
    return route.prefix is not None and any(ip_address(target) in each.network and str(each.network) != route.prefix for each in entries)


CAUSES = (
    Cause(
        "next_hop_silent",
        "The next hop of a host on the way does not answer",
        ("path.forward", "path.return"),
        ("lost_syn", "lost_syn_ack", "icmp"),
        "A managed host on the way takes the packet in and does not let it out, or answers it with an ICMP error; its route for the "
        "destination has a gateway, its recording has requests for that which nobody answers, and its neighbour table has it unresolved. "
        "Where a rule may stop the packet ahead of the route, the table does not have it, or an error says that policy forbids it: likely.",
        "The gateway answers, or the packet leaves.",
        rule=_next_hop_silent,
        precedes=("path_drop", "path_icmp_unreachable", "host_down", "kernel_drop", "router_not_forwarding"),
        accounts_for=(
            Accounts("icmp_error", anywhere=True, any_leg=True),
            Accounts("request_unanswered"),
            NOT_FOR_EACH,
            NOT_SENT,
            Accounts("counter", ("Ip.OutDiscards", "Ip6.OutDiscards"), any_leg=True),  # errors that its own rules drop
        ),
    ),
)
