# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A managed host on the way whose own routes refuse the destination, or have it on a link where it is not."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_subjects import REFUSING, RouterRoute
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..last_hop import added_rules, believed, by_policy, refusing_rule
from .catalogue import Accounts, Cause
from .icmp import NOT_FOR_EACH, NOT_SENT, answer_of, meaning_of, quoting
from .needs import FirstOf, needs
from .neighbour import on_link
from .onward import onward
from .stretch import packet_of, swallower
from .unroutable import marked_astray

_MEANINGS = ("unreachable", "no_route", "rejected")  # of ICMP errors


def stopped_at(case: Case) -> Host | None:
    """The host on the way that took the packet in and did not let it out, or said with an ICMP error that it cannot."""
    via = swallower(case)
    if via is not None:
        return via
    answer = answer_of(case)
    if answer is not None and answer.meaning in _MEANINGS:
        return next((host for host in case.vias if host.owns(answer.offender)), None)
    senders = {row.packet.src for row, _seen in quoting(case) if meaning_of(case, row)[0] in _MEANINGS}
    return next((host for host in case.vias if any(host.owns(source) for source in senders)), None)


@needs(stopped_at)
def _router_refuses(case: Case, via: Host) -> Finding | None:
    """A route of type unreachable, blackhole or prohibit: the kernel says so when it is asked for the way."""
    way = onward(case, via)
    target, route = way.target, way.route
    if way.passed or target is None or route is None or route.type not in REFUSING:
        return None
    prefix, rule = route.prefix or "default", refusing_rule(via, route)
    what = (
        f"{rule} on {via.name} refuses {target}"
        if rule
        else f"{via.name} has a route of type {route.type}, {prefix}{by_policy(route)}, for {target}"
    )
    return Finding(
        "proven" if way.sure and _only_usual_rules(case, via) else "likely",  # it was asked as for a packet of its own
        via.name,
        case.outcome.segment or "path.forward",
        f"{what}: the {packet_of(case)} goes in and does not come out",
        (*case.passage(), case.saw(via, "rtnetlink route get", f"{target}: {route.type} {'' if rule else prefix}".strip())),
        detail={"type": route.type, "prefix": route.prefix, "table": route.table},
        subject=RouterRoute(route, target),
    )


def _only_usual_rules(case: Case, via: Host) -> bool:
    """Whether no policy rule may have what is forwarded go another way than what the host itself sends."""
    return added_rules(via, case.family) == []


@needs(stopped_at, lambda case: case.client if case.outcome.kind == "lost_syn_ack" else case.server)
def _router_hides(case: Case, via: Host, owner: Host) -> Finding | None:
    """A bridge of containers, a VPN or a prefix that is too wide has the address on a link of the host on the way, where nobody answers."""
    way = onward(case, via)
    target, route = way.target, way.route
    entry = owner.interface_of(target) if target else None
    if target is None or entry is None or route is None or route.error or route.interface is None:
        return None
    why, neighbour, asked = believed(via, route), via.neighbour(target, route.interface), via.unanswered_requests(target)
    if why is None or on_link(via, owner, target, route.interface) or not (asked or (neighbour and neighbour.unresolved)):
        return None
    return Finding(
        "likely",
        via.name,
        case.outcome.segment or "path.forward",
        f"{via.name} has {target} on its own link ({why}), where nobody answers for it, but {owner.name} has it on {entry.interface} in "
        f"another network, {entry.address}/{entry.prefix}: that route hides the one that leads there",
        (
            *case.passage(),
            case.saw(via, "rtnetlink route get", f"{target}: on the link, {why}{by_policy(route)}"),
            *([case.saw(via, "rtnetlink neighbour", f"{target} on {neighbour.interface} is {neighbour.state}")] if neighbour else []),
            *([case.saw(via, "capture", f"{plural(asked, 'request')} for {target}, no reply")] if asked else []),
            case.saw(owner, "rtnetlink addresses", f"{entry.address}/{entry.prefix} is on {entry.interface}"),
        ),
        detail={"interface": route.interface, "prefix": route.prefix},
        subject=RouterRoute(route, target),
    )


CAUSES = (
    Cause(
        "router_route",
        "A route of a host on the way refuses or hides the destination",
        ("path.forward", "path.return"),
        ("lost_syn", "lost_syn_ack", "icmp"),
        "A managed host on the way takes the packet in and does not let it out, or answers it with an ICMP error, and its own route lookup "
        "for the destination, as it is after its translations, ends at a route of type unreachable, blackhole or prohibit. Where it has "
        "policy rules of its own, where a rule may stop the packet ahead of the lookup, or where it has the destination on a link where it "
        "is not and nobody answers for it, or where a rule, evaluated, gives it a mark for which the kernel finds no way: likely.",
        "The route lookup leads on.",
        rule=FirstOf((_router_refuses, _router_hides, marked_astray)),
        precedes=("path_drop", "path_icmp_unreachable", "path_icmp_rejected", "path_no_route", "kernel_drop"),
        accounts_for=(
            Accounts("icmp_error", anywhere=True, any_leg=True),
            Accounts("request_unanswered"),
            Accounts(
                "counter", ("Ip.OutNoRoutes", "Ip6.OutNoRoutes", "IpExt.InNoRoutes", "Ip6.InNoRoutes", "Ip6.OutDiscards"), any_leg=True
            ),
            NOT_SENT,
            NOT_FOR_EACH,
        ),
    ),
)
