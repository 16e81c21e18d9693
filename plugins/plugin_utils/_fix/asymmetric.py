# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Answers that take another way than what they answer, or that no way leads back: advice, for ways are for people to choose."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.network_records import Route
from .._model.network_subjects import Source, SplitWays, TwoWays
from . import fit
from .make import advice, shell

_OWN_TABLE = 100  # any number that no other table has
_OWN_BIT = "0x1000"  # a bit of marks outside kube-proxy's 0xc000, WireGuard's 0xca6c and the upper half, which Calico and Cilium use


def asymmetric_route(case: Case, finding: Finding) -> Fix | None:
    """The subject is the two ways, or the route by which the server takes the client for a neighbour."""
    ways, route, server = finding.about(TwoWays), finding.about(Route), finding.host
    if split := finding.about(SplitWays):
        return _by_the_way_in(server, split)
    if route:
        client = case.client_address or ""
        summary = f"correct the prefix on {route.interface} of {server}, or give it a route to {client} by the router"
        return advice("route", server, summary)
    if ways is None:
        return None
    source = case.server_address
    way = (ways.network,) if ways.network else ("default", "via", ways.router) if ways.router else ()
    return advice(
        "route",
        server,
        f"have {server} answer from {source} by {ways.comes_in} (a table of its own for that source), or have the way behind "
        f"{ways.leaves} let its answers pass",
        [
            shell("ip", "route", "add", *way, "dev", ways.comes_in, "table", _OWN_TABLE),
            shell("ip", "rule", "add", "from", source, "table", _OWN_TABLE),
        ]
        if way
        else (),
    )


def _by_the_way_in(host: str, split: SplitWays) -> Fix:
    """By connection: what is routed is the server's answer, whose address may be translated only behind the routing decision."""
    name = split.comes_in
    marking = (
        f'table ip handshake_answers {{ chain by_way {{ type filter hook prerouting priority mangle; iifname "{name}" ct state new '
        f'ct mark set ct mark or {_OWN_BIT}; iifname != "{name}" ct mark and {_OWN_BIT} == {_OWN_BIT} '
        f"meta mark set meta mark or {_OWN_BIT}; }}; }}"
    )
    return advice(
        "route",
        host,
        f"have {host} send answers to what came in by {name} back by {name} (mark the connection by a bit of its own, and a "
        f"table of its own for that), "
        f"or have the way behind {split.leaves} let them pass",
        [
            shell("ip", "route", "add", "default", "via", split.router, "dev", name, "table", _OWN_TABLE),
            shell("ip", "rule", "add", "fwmark", f"{_OWN_BIT}/{_OWN_BIT}", "table", _OWN_TABLE),
            shell("nft", marking),
        ]
        if split.router and ":" not in split.router and fit.interface(name)
        else (),
    )


def wrong_source_address(case: Case, finding: Finding) -> Fix | None:
    source = finding.about(Source)
    if source is None:
        return None
    return advice(
        "route",
        finding.host,
        f"have {finding.host} send from {source.instead} (the src of its route to {case.address}, or masquerading there), or give the "
        f"routers a way back to {source.address}",
    )
