# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Answers that take another way than what they answer, or that no way leads back: advice, for ways are for people to choose."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.network_records import Route
from .._model.network_subjects import ByMark, Source, SplitWays, TwoWays
from . import fit
from .make import advice, ip, shell
from .tables import free_table

_OWN_BIT = "0x1000"  # a bit of marks outside kube-proxy's 0xc000, WireGuard's 0xca6c and the upper half, which Calico and Cilium use


def asymmetric_route(case: Case, finding: Finding) -> Fix | None:
    """The subject is the two ways, or the route by which the server takes the client for a neighbour."""
    ways, route, server = finding.about(TwoWays), finding.about(Route), finding.host
    if led := finding.about(ByMark):
        return past_the_mark(led)
    if split := finding.about(SplitWays):
        return _by_the_way_in(server, split, free_table(case.named(server)))
    if route:
        client = case.client_address or ""
        summary = f"correct the prefix on {route.interface} of {server}, or give it a route to {client} by the router"
        return advice("route", server, summary)
    if ways is None:
        return None
    return by_source(server, ways, case.server_address, free_table(case.named(server)))


def past_the_mark(led: ByMark) -> Fix:
    """A policy rule leads what has a mark: the flow is not to get the mark, or is to be led ahead of that rule."""
    other, priority = led.without, led.policy.priority
    whole = f"{led.target}/{128 if ':' in led.target else 32}"
    known = other is not None and not other.error and other.type == "unicast" and other.table is not None and fit.address(led.target)
    return advice(
        "route",
        led.host,
        f"see whether {led.setting} on {led.host} is to mark what goes to {led.target}, for which policy rule {priority} "
        f"('{led.policy.text}') leads it another way: if not, exempt it from that, or put a policy rule for it ahead of that one, and keep "
        "it where the rules come from",
        [ip(led.target, "rule", "add", "to", whole, "table", other.table, "priority", priority - 1)]
        if known and other is not None and priority > 1
        else (),
    )


def by_source(host: str, ways: TwoWays, source: str, table: int | None) -> Fix:
    way = (ways.network,) if ways.network else ("default", "via", ways.router) if ways.router else ()
    return advice(
        "route",
        host,
        f"have {host} answer from {source} through {ways.comes_in} (with a routing table for that source), or have what filters beyond "
        f"{ways.leaves} let its answers pass",
        [
            ip(source, "route", "add", *way, "dev", ways.comes_in, "table", table),
            ip(source, "rule", "add", "from", source, "table", table),
        ]
        if way and table
        else (),
    )


def _by_the_way_in(host: str, split: SplitWays, table: int | None) -> Fix:
    """By connection: what is routed is the server's answer, whose address may be translated only after the routing decision."""
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
        f"or have the path beyond {split.leaves} let them pass",
        [
            shell("ip", "route", "add", "default", "via", split.router, "dev", name, "table", table),
            shell("ip", "rule", "add", "fwmark", f"{_OWN_BIT}/{_OWN_BIT}", "table", table),
            shell("nft", marking),
        ]
        if table and split.router and ":" not in split.router and fit.interface(name)
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
