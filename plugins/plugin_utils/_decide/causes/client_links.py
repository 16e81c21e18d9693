# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""client.neighbour and client.egress: interfaces that are down, next hops that do not answer."""

from __future__ import annotations

from ..._model.network_records import LOOPBACK, Link
from ..._model.socket_records import Namespace
from ..case import Case
from ..finding import Evidence, Finding
from .catalogue import Accounts, Cause
from .client import errno_evidence, nothing_sent
from .link_states import concerned, is_down, state

_UPPER = ("macvlan", "macvtap", "ipvlan")  # kinds of links on top of another one


def _link_down(case: Case) -> Finding | None:
    _gateway, interface = case.gateway
    link = case.client.link(interface)
    if link is None:
        return _no_link_up(case)
    if not is_down(link) or case.errno() not in ("EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", None):
        return None
    return Finding(
        "proven",
        case.client.name,
        "client.egress",
        f"the interface {link.name} of {case.client.name}, on the way to {case.address}, is {state(case.client, link)}",
        (_seen(case, link), *nothing_sent(case)),
        subject=concerned(case.client, link),
    )


def _no_link_up(case: Case) -> Finding | None:
    """The kernel removes the routes of an interface that is switched off, and no others; which these were is not known afterwards."""
    snapshot = case.client.snapshot
    links = [link for link in (snapshot.links if snapshot else None) or () if link.name != LOOPBACK]
    addressed = {entry.interface for entry in (snapshot.addresses if snapshot else None) or ()}
    none_up = all(map(is_down, links))
    suspects = [link for link in links if none_up or link.up is False]  # without carrier routes stay, as those of an unused bridge
    used = [link for link in suspects if link.name in addressed] or (suspects if none_up else [])
    if case.errno() != "ENETUNREACH" or not used:
        return None
    switched_off = none_up and all(link.up is False for link in used)
    states = ", ".join(f"{link.name} is {state(case.client, link)}" for link in used[:3])
    return Finding(
        "proven" if switched_off else "possible",
        case.client.name,
        "client.egress",
        f"no interface of {case.client.name} is up: {states}" if none_up else f"the route may have gone with its interface: {states}",
        (errno_evidence(case), *(_seen(case, link) for link in used[:3]), *nothing_sent(case)),
        subject=used[0],
    )


def _seen(case: Case, link: Link) -> Evidence:
    return case.saw(case.client, "rtnetlink link", f"{link.name}: operstate {link.operstate}, carrier {link.carrier}")


def _neighbour_unresolved(case: Case) -> Finding | None:
    gateway, interface = _unresolved(case)
    entry = case.client.neighbour(gateway, interface)
    asked = case.client.unanswered_requests(gateway)
    failed = entry is not None and entry.unresolved
    if interface == LOOPBACK or case.errno() not in ("EHOSTUNREACH", "ETIMEDOUT", None) or not (failed or asked):
        return None
    if failed and not asked and case.client.answers_for(gateway):
        return None  # the answer came, and the client did not take it
    what = "neighbour solicitations" if ":" in gateway else "ARP requests"  # a way of IPv4 may have a next hop of IPv6 (RFC 8950)
    guest = next(
        (each for each in (case.client.snapshot.namespaces if case.client.snapshot else None) or () if gateway in each.addresses), None
    )
    return Finding(
        "proven" if failed and asked else "likely",  # else the requests may not have left the client
        case.client.name,
        "client.neighbour",
        f"nobody answers {case.client.name}'s {what} for {gateway}"
        + (f" on {interface}" if interface else "")
        + _of_several(case)
        + (_of_guest(case, guest) if guest else ""),
        (
            *([errno_evidence(case)] if case.errno() else []),
            *([case.saw(case.client, "rtnetlink neighbour", f"{gateway} is {entry.state}")] if entry else []),
            *([case.saw(case.client, "capture", f"{asked} {what} for {gateway}, no reply")] if asked else []),
            *nothing_sent(case),
            *([case.saw(case.client, "setns", f"namespace {guest.netns} has {gateway}")] if guest else ()),
        ),
        detail={"next_hop": gateway, "interface": interface},
        subject=guest if guest and set(guest.kinds) & set(_UPPER) else None,
    )


def _unresolved(case: Case) -> tuple[str, str | None]:
    """The next hop that is not resolved, of several; else the one that the kernel chose."""
    for gateway, interface in case.gateways:
        entry = case.client.neighbour(gateway, interface)
        if entry is not None and entry.unresolved:
            return gateway, interface
    return case.gateway


def _of_several(case: Case) -> str:
    """That the route has other next hops, so that connections fail or not by the one that they get."""
    number, prefix = len(case.gateways), case.route.prefix if case.route else None
    return f", one of {number} next hops of the route to {prefix or case.address}, over which connections are spread" if number > 1 else ""


def _of_guest(case: Case, guest: Namespace) -> str:
    """That the next hop is on this very host. The kernel hands nothing between a link and the macvlans or ipvlans on top of it."""
    named = guest.name or f"namespace {guest.netns}"
    kind = next((kind for kind in guest.kinds if kind in _UPPER), None)
    has = f", which {named} on {case.client.name} has, in another network namespace"
    return has + (f": on a {kind}, which the host cannot reach through the link below it" if kind else "")


CAUSES = (
    Cause(
        "link_down",
        "The client's interface is down",
        ("client.egress",),
        ("refused_locally", "unsent"),
        "The interface of the route is administratively down or has no carrier, and no SYN leaves. Or the kernel has no route, and all "
        "interfaces with addresses are administratively down. Where others are up, or only the carrier is missing: possible.",
        "A SYN left through the interface.",
        rule=_link_down,
        precedes=("no_route",),
        accounts_for=(
            Accounts("icmp_error"),
            Accounts("request_unanswered"),
            Accounts("counter", ("link.tx_dropped", "Ip.OutNoRoutes", "Ip6.OutNoRoutes")),
        ),
    ),
    Cause(
        "neighbour_unresolved",
        "The next hop does not answer ARP or neighbour discovery",
        ("client.neighbour",),
        ("refused_locally", "unsent"),
        "The client's requests for the next hop stay unanswered in its recording, and the next hop is FAILED or INCOMPLETE in its "
        "neighbour table. One of the two alone: likely.",
        "The next hop is resolved.",
        rule=_neighbour_unresolved,
        accounts_for=(
            Accounts("icmp_error"),
            Accounts("request_unanswered"),
        ),
    ),
)
