# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What managed and foreign routers on the way refuse or send elsewhere: people have to correct that there."""

from __future__ import annotations

from collections.abc import Sequence

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.network_subjects import (
    REFUSING,
    MarkedAstray,
    RouterError,
    RouterRoute,
)
from .._values.nat64 import translated_from
from .make import advice
from .policy_rules import ahead_of


def router_route(_case: Case, finding: Finding) -> Fix | None:
    """A routing daemon that put a route there would put it there again: nothing is removed without people."""
    found, host = finding.about(RouterRoute), finding.host
    if marked := finding.about(MarkedAstray):
        return _unmarked(host, marked)
    if found is None:
        return None
    route, target = found.route, found.target
    if route.refused_by_rule:
        return ahead_of(host, route)
    if route.type == "throw":  # others are to lead there: without it, this table would
        behind = f"in a table to which a policy rule of {host} leads, behind the rule for table {route.table}"
        return advice("route", host, f"add a route to {target} {behind}", ["ip rule"])
    if route.type in REFUSING:
        return advice(
            "route",
            host,
            f"find out who puts the {route.type} route {route.prefix or 'default'} on {host}, as a routing daemon does for what it "
            f"announces, and take it away, or announce a more specific route to {target}",
            [f"ip route show table all type {route.type}"],
        )
    return advice(
        "route",
        host,
        f"give {route.interface} of {host} another network than {route.prefix} (that of a bridge of containers can be chosen), or add a "
        f"more specific route to {target}",
    )


def _unmarked(host: str, marked: MarkedAstray) -> Fix:
    tables = " or ".join(str(table) for table in marked.tables)
    return advice(
        "route",
        host,
        f"bring up what table {tables} of {host} leads to, such as a VPN, which leaves a blackhole route when it is down; or exempt this "
        f"flow from {marked.rule.tag} of chain {marked.rule.chain}, which marks it with {marked.mark:#x}",
        [f"ip route show table {table}" for table in marked.tables],
    )


def router_error(case: Case, finding: Finding) -> Fix | None:
    """What a router on the way says that it cannot do, or will not: with the SYN, or with the answer to it."""
    error = finding.about(RouterError)
    if error is None:
        return None
    offender = error.offender
    if error.remote:
        remedies = {
            "no_route": f"add a route back to {error.remote} on {offender}",
            "unreachable": f"find out why {offender} cannot reach {error.remote}",
            "loop": f"correct the routes that send packets for {error.remote} in a circle",
            "rejected": f"allow the answers of {case.server_address} tcp/{case.server_port} to {error.remote} on {offender}",
        }
        other = f", or have {case.client.name} send from {error.instead} (the src of its route, or masquerading)" if error.instead else ""
        return advice("route" if error.meaning in ("no_route", "loop") else "advice", finding.host, f"{remedies[error.meaning]}{other}")
    if error.unheard:
        name = case.server.name if case.server else case.address
        return advice(
            "advice",
            "path",
            f"find out what keeps {name}'s ARP replies or neighbour advertisements for {case.address} from {offender}: a switch or a "
            f"hypervisor that lets {name} use its first address only (port security, anti-spoofing, allowed address pairs)",
        )
    about = error.about or case.address
    if (meant := translated_from(about)) and error.meaning in ("no_route", "unreachable"):
        return by_nat64(finding.host, meant, f"have {offender} send {about} to a NAT64 translator")
    if error.only_from:
        return advice("route", finding.host, for_more_sources(offender, about, error.only_from, case.client_address or case.client.name))
    remedies = {
        "rejected": f"allow tcp/{error.port or case.port} to {about} on {offender}",
        "no_route": f"add a route to {about} on {offender}",
        "unreachable": f"find out why {offender} cannot reach {about} (host down, wrong VLAN, wrong address)",
        "loop": f"correct the routes that send packets for {about} in a circle",
    }
    return advice("route" if error.meaning in ("no_route", "loop") else "advice", finding.host, remedies[error.meaning])


def for_more_sources(host: str, remote: str, sources: Sequence[str], sender: str) -> str:
    """`from` of iproute2, "sourcefilter" of OpenWrt: a router with prefixes of several providers must not mix them up."""
    these = " or ".join(sources)
    return (
        f"have {host} send what {sender} sends to {remote} as well: its way there is for sources of {these} only ('from' in "
        f"ip -6 route show table all; sourcefilter in OpenWrt); or have an address of {these} as the source, there or by translation"
    )


def by_nat64(host: str, meant: str, route: str) -> Fix:
    """DNS64 makes such addresses up for names that have IPv4 addresses only."""
    return advice(
        "route",
        host,
        f"{route}; where there is none, have the nameserver stop making such addresses up (DNS64), and the client dial {meant} over IPv4",
    )
