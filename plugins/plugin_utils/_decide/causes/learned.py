# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Gateways that a host learned from the network, by an ICMP redirect or a router advertisement, beside those that it was given."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_records import Route
from ..case import Case
from ..finding import Evidence, Finding
from ..last_hop import by_policy
from .catalogue import Cause


def _learned_gateway(case: Case) -> Finding | None:
    """What a host sends to a gateway that it learned is lost there, and it knows of another gateway for the same destination."""
    back = case.outcome.kind == "lost_syn_ack"
    host, route = (case.server, _way_back(case)) if back else (case.client, case.route)
    if host is None or route is None or route.gateway is None or case.outcome.recovered or case.outcome.host not in (None, "path"):
        return None
    if case.outcome.last_seen is not None and case.outcome.last_seen.host != host.name:
        return None  # it came further: that gateway knows the way
    how, others = _learned(route)
    if not others:
        return None
    target = (case.client_address if back else case.address) or ""
    return Finding(
        "likely",  # whether the other one leads there, nobody tried
        host.name,
        "path.return" if back else "path.forward",
        f"{host.name} sends to {target} by {route.gateway}{by_policy(route)}, {how}, and what it sends there is lost; its table has "
        f"{', '.join(others)} as well",
        (
            *case.passage(),
            case.saw(host, "rtnetlink route get", f"{target}: via {route.gateway} dev {route.interface}, {how}"),
            case.saw(host, "rtnetlink routes", f"{route.prefix}: via {', '.join(others)}"),
            *_neighbour(case, host, route),
        ),
        leg="syn_ack" if back else "syn",
        detail={"gateway": route.gateway, "others": list(others), "origin": route.origin, "redirected": route.instead_of is not None},
        undecided=(f"an attempt by way of {others[0]} would show whether it leads there",),
        subject=route,
    )


def _way_back(case: Case) -> Route | None:
    return case.way(case.server, case.client_address, case.server_address, back=True) if case.server and case.client_address else None


def _learned(route: Route) -> tuple[str, tuple[str, ...]]:
    """How the gateway was learned, and which others there are."""
    if route.instead_of is not None:
        return "to which an ICMP redirect sent it", (route.instead_of,)
    return "a router by its own advertisement", route.others or ()


def _neighbour(case: Case, host: Host, route: Route) -> tuple[Evidence, ...]:
    entry = host.neighbour(route.gateway or "", route.interface)
    return (case.saw(host, "rtnetlink neighbour", f"{route.gateway} is {entry.mac}, {entry.state}"),) if entry and entry.mac else ()


CAUSES = (
    Cause(
        "learned_gateway",
        "A gateway that the network taught leads nowhere",
        ("path.forward", "path.return"),
        ("lost_syn", "lost_syn_ack", "silent"),
        "Not provable from the ends: what leaves a host by a gateway that an ICMP redirect or a router advertisement taught it comes to no "
        "other managed host, and its table has another gateway for the same destination.",
        "It comes further than that gateway.",
        rule=_learned_gateway,
        precedes=("path_drop",),
    ),
)
