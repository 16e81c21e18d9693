# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Packets that no rule which accepts them would help: that are stopped for the way back, or for lack of a proxy."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.last_hop import hop_of
from .._model.firewall_records import Verdict
from .._model.firewall_subjects import Stop
from .._model.fixes import Fix
from .._model.host import Host
from .._model.rule_records import Rule
from . import fit
from .make import advice, ip, shell
from .tables import free_table

_MAIN = 254  # RT_TABLE_MAIN


def rerouted(case: Case, host: Host, stop: Stop) -> Fix | None:
    """Advice about the route; None where the rule does not ask for the way back."""
    verdict, marked = stop.verdict, stop.marked
    back = verdict.way_back
    if back is None or not fit.address(verdict.source):
        return None
    here = f"by {back.came_by}, and not by {back.leaves_by}" if back.leaves_by else f"by {back.came_by}: there is no way to it"
    or_marked = (
        f", or have rules ahead of it give the mark {marked.mark:#x}, by which {host.name} itself sends there (policy rule "
        f"{marked.policy.priority}), to what comes in as well (CONNMARK --restore-mark, meta mark set ct mark), if it asks for marks (fib "
        "saddr . mark, --validmark)"
        if marked
        else ""
    )
    return advice(
        "route",
        host.name,
        f"give {host.name} a route back to {verdict.source} {here}{or_marked}",
        [_by_router(case, host, verdict, back.came_by) or shell("ip", "route", "get", verdict.source)],
        why=f"{verdict.rule.name if verdict.rule else 'a rule'} stops what would be answered by another way than it came",
    )


def _by_router(case: Case, host: Host, verdict: Verdict, interface: str) -> str:
    """The route to the packet's source by the router from which packets of that source came in; empty where it is not known."""

    def find() -> str | None:
        wanted = ("in", interface, verdict.source)
        came = (seen for seen in host.observations or () if (seen.direction, seen.interface, seen.packet.src) == wanted)
        return next(filter(None, (hop_of(host, seen) for seen in came)), None)

    router = case.fleet.once(("router of", host.name, interface, verdict.source), find)
    if router is None or not fit.address(router) or not fit.interface(interface):
        return ""
    way = case.way(host, verdict.source, verdict.destination, back=host is case.server)
    elsewhere = ("table", str(way.table)) if way and way.table not in (None, _MAIN) else ()  # a rule leads there ahead of table main
    prefix = f"{verdict.source}/{128 if ':' in verdict.source else 32}"
    return shell("ip", "route", "add", prefix, "via", router, "dev", interface, *elsewhere)


def served(host: Host, verdict: Verdict) -> Fix | None:
    """Advice to start the proxy, or to lead to it; None where the packet is not dropped for lack of one."""
    rule = verdict.rule
    if rule is not None and verdict.past_its_proxy:
        return _delivered(host, verdict, rule)
    if rule is None or not verdict.without_a_proxy:
        return None
    summary = f"start the transparent proxy to which {rule.name} on {host.name} hands connections, or take the rule away"
    return advice(
        "service", host.name, summary, [shell("ss", "-ltnp")], why="without a socket that has IP_TRANSPARENT set TPROXY drops packets"
    )


def _delivered(host: Host, verdict: Verdict, rule: Rule) -> Fix:
    """What TPROXY marks is to end here: the two lines beside it that are often lost at a reboot."""
    mark, table = verdict.rewritten.mark if verdict.rewritten else None, free_table(host)
    to = verdict.destination
    everything = "::/0" if ":" in to else "0.0.0.0/0"
    return advice(
        "route",
        host.name,
        f"lead what {rule.name} on {host.name} marks to a local route, and keep both lines where the network of {host.name} is configured",
        (
            ip(to, "rule", "add", "fwmark", f"0x{mark:x}", "lookup", table),
            ip(to, "route", "add", "local", everything, "dev", "lo", "table", table),
        )
        if mark and table
        else (),
        why="a packet that TPROXY has for a socket is dropped where it would be forwarded",
    )
