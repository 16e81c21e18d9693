# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What is for a host itself, and is routed instead of delivered: by a policy rule ahead of the one for the local table, or as that table
does not have the address."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_records import Address, Route
from ..._model.network_subjects import RuleAhead
from ..._model.recording import Observation
from ..case import Case
from ..finding import Finding
from ..last_hop import added_rules
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .hooks import comes_as_it_is
from .needs import FirstOf, needs
from .reverse_path import entered

_UNSETTLED = frozenset(("tentative", "dadfailed"))
_NOT_FORWARDED = ("EHOSTUNREACH", "ENETUNREACH")  # and no errors of the checks of a source


def _led_past(case: Case) -> tuple[Host, Route, str, Leg] | None:
    """An end that a packet for its own address entered, and the kernel's answer by which it is not delivered there."""
    entry = entered(case)
    if entry is None:
        return None
    host, seen, segment, leg = entry
    if host not in (case.client, case.server) or host.owns(seen.packet.dst) is not True or case.sent_on_by(host):
        return None
    found = not_delivered(host, seen.interface, seen.packet.src, seen.packet.dst)
    return (host, found, segment, leg) if found else None


def not_delivered(host: Host, interface: str, source: str, own: str) -> Route | None:
    """The kernel's answer by which what comes from a source, by an interface, for a host's own address is not delivered there."""
    asked = [route for route in (host.snapshot.routes if host.snapshot else None) or () if route.iif == interface]
    found = next((route for route in asked if (route.local, route.remote) == (own, source)), None)
    return found if found and (found.type == "unicast" or found.error in _NOT_FORWARDED) else None


def ahead(route: Route) -> str:
    """The rule that precedes the rule for the local table, in words."""
    return f"policy rule {route.rule} (table {route.table})" if route.rule is not None else "a policy rule"


def not_in_table(host: Host, own: str) -> Route | None:
    """The kernel's answer for a host's own address, where that is not local although no policy rule leads elsewhere. The addresses of a
    VRF are in its table, and those that may be another machine's are in none yet."""
    entry, route = host.interface_of(own), host.route(own)
    link = host.link(entry.interface) if entry else None
    if entry is None or link is None or not link.up or link.vrf or not _UNSETTLED.isdisjoint(entry.flags):
        return None
    if route is None or route.type == "local" or added_rules(host, 6 if ":" in own else 4) != []:
        return None
    return route


def said_of(own: str, route: Route) -> str:
    way = route.error or f"{route.type} via {route.gateway or 'the link'} dev {route.interface}"
    return f"{own}: {way}, not local"


@needs(entered)
def _no_local_route(case: Case, entry: tuple[Host, Observation, str, Leg]) -> Finding | None:
    """The kernel adds it with the address; who deletes it alone, or restores a table that lacks it, takes the address away in effect."""
    host, seen, segment, leg = entry
    own = seen.packet.dst
    route, on = not_in_table(host, own), host.interface_of(own)
    if host not in (case.client, case.server) or route is None or on is None or case.sent_on_by(host):
        return None
    errors = host.delta("Ip" if case.family == 4 else "Ip6", "InAddrErrors")
    return Finding(
        "proven" if comes_as_it_is(host, case.family) and not case.completed else "likely",
        host.name,
        segment,
        f"{host.name} does not deliver what is for its own address {own} on {on.interface}: its local table has no route for it",
        (
            *case.passage(),
            case.saw(host, "rtnetlink route get", said_of(own, route)),
            *([case.saw(host, "counter InAddrErrors", f"+{errors}")] if errors else []),
        ),
        leg=leg,
        detail={"address": own, "interface": on.interface},
        subject=on,
    )


def _dialled_itself(case: Case) -> tuple[Address, Route] | None:
    """The client's own address, which it dials, and the kernel's answer by which what it sends there does not stay within it."""
    client, own = case.client, case.address
    route, on = not_in_table(client, own), client.interface_of(own)
    sent = case.count("syn", client, "out") or case.sent_on_by(client)
    return None if route is None or on is None or sent else (on, route)


@needs(_dialled_itself)
def _out_of_itself(case: Case, dialled: tuple[Address, Route]) -> Finding:
    (on, route), client, own = dialled, case.client, case.address
    return Finding(
        "proven" if client.saw_everything and not case.completed else "likely",
        client.name,
        "client.route",
        f"{client.name} does not deliver what it sends to its own address {own} on {on.interface}: its local table has no route for it",
        (case.saw(client, "rtnetlink route get", said_of(own, route)), *case.passage()),
        leg="syn",
        detail={"address": own, "interface": on.interface},
        subject=on,
    )


@needs(entered, _led_past)
def _local_table_late(case: Case, entry: tuple[Host, Observation, str, Leg], past: tuple[Host, Route, str, Leg]) -> Finding:
    """The kernel goes through the rules by their number, and `lookup local` is the first one, 0, until somebody moves it."""
    host, route, segment, leg = past
    seen = entry[1]
    errors = host.delta("Ip" if case.family == 4 else "Ip6", "InAddrErrors")
    said = route.error or f"{route.type} via {route.gateway or 'the link'} dev {route.interface}"
    return Finding(
        "proven" if comes_as_it_is(host, case.family) and not case.completed else "likely",
        host.name,
        segment,
        f"{host.name} does not deliver what {seen.packet.src} sends to its own address {seen.packet.dst}: {ahead(route)} "
        "precedes the rule for the local table",
        (
            *case.passage(),
            case.saw(host, "rtnetlink route get", f"{seen.packet.dst} from {seen.packet.src} iif {seen.interface}: {said}, not local"),
            *([case.saw(host, "counter InAddrErrors", f"+{errors}")] if errors else []),
        ),
        leg=leg,
        detail={"rule": route.rule, "table": route.table},
        subject=RuleAhead(route.rule, route.table),
    )


CAUSES = (
    Cause(
        "local_table_late",
        "A policy rule stands ahead of the local table",
        ("server.route", "client.ingress"),
        ("unanswered", "ignored_syn_ack"),
        "A packet for a host's own address enters the host, and the kernel, asked what happens to one from that source on that interface, "
        "does not deliver it, by a policy rule ahead of that for the local table. Where rules may have marked or "
        "translated it before that: likely.",
        "The kernel delivers it.",
        rule=_local_table_late,
        accounts_for=(
            Accounts("counter", ("Ip.InAddrErrors", "Ip6.InAddrErrors", "IpExt.InNoRoutes", "Ip6.InNoRoutes", "Ip.ForwDatagrams")),
            Accounts("icmp_error", anywhere=True),
        ),
    ),
    Cause(
        "no_local_route",
        "The local table lacks the host's own address",
        ("server.route", "client.ingress", "client.route"),
        ("unanswered", "ignored_syn_ack", "unsent", "refused_locally"),
        "A packet for a host's own address, which is on an interface that is up and in no VRF, enters the host, which has no policy rules "
        "of its own, and the kernel, asked for the way to that address, does not call it local. Where rules may have marked or translated "
        "it before that: likely. The same of a client that dials its own address, and whose SYNs do not leave it.",
        "The kernel calls it local.",
        rule=FirstOf((_no_local_route, _out_of_itself)),
        precedes=("neighbour_unresolved",),
        accounts_for=(
            Accounts("counter", ("Ip.InAddrErrors", "Ip6.InAddrErrors", "IpExt.InNoRoutes", "Ip6.InNoRoutes", "Ip.ForwDatagrams")),
            Accounts("icmp_error", anywhere=True),
            Accounts("request_unanswered", anywhere=True, any_leg=True),
        ),
    ),
)
