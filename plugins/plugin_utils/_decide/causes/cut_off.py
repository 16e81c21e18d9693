# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Containers and other network namespaces of the server that its rules lead the SYN to, and that are not joined to it as they should be."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.socket_records import WayInside
from ..._model.socket_subjects import CutOff
from ..case import Case
from ..finding import Certainty, Evidence, Finding
from .catalogue import Accounts, Cause
from .inside import Inside, led_inside
from .needs import SERVER, needs
from .rules import details, kept_by
from .translated import connections, distinct

_UNMET = ("FAILED", "INCOMPLETE")
_DIVERTED = ("astray", "master_down")
"""The SYN leaves by another interface than that by which rules may be to let it through."""


@needs(SERVER, led_inside)
def _cut_off(case: Case, server: Host, within: Inside) -> Finding | None:
    way = next((each for each in within.namespace.ways if each.address == within.address), None)
    if way is None or case.outcome.kind not in ("unanswered", "icmp", "silent"):
        return None
    found = _unjoined(server, way) or _astray(server, way) or _without_a_way_back(case, way)
    if found is None:
        return None
    subject, words, shown = found
    if within.verdict.stops and subject.kind not in _DIVERTED:
        return None  # the firewall stops it ahead of that
    meant = subject.kind == "no_port" or _leads_there(way)
    if not meant and _another_has_it(case, server, way):
        return None
    counted = connections(server, within.rule, distinct(case, server, within.verdict))
    unmet = way.state in _UNMET or subject.kind in (*_DIVERTED, "no_way_back")
    seen = counted is not None and counted[0] and server.saw_everything and not case.completed
    certainty: Certainty = "proven" if unmet and (meant or way.error) and seen else "likely"
    return Finding(
        certainty,
        server.name,
        "server.route",
        f"{f'{within.rule.name} on ' if within.rule else ''}{server.name} translates the SYN for {case.target} to {within.target} in "
        f"{within.where}, and {words}",
        (
            *((counted[1],) if counted else ()),
            *shown,
            *case.passage(),
            *(kept_by(server, within.rule) if within.rule else ()),
        ),
        leg="syn_ack" if subject.kind == "no_way_back" else "syn",
        detail={
            **details(within.verdict, None, within.rule),
            "target": within.address,
            "reason": subject.kind,
            "netns": within.namespace.netns,
        },
        subject=subject.of(within.namespace.pid, within.where),
    )


def _leads_there(way: WayInside) -> bool:
    """Whether the server's route leads to the namespace. Else the address may be meant to be that of a machine elsewhere."""
    return way.by is not None and way.by in (way.master, way.peer)


def _another_has_it(case: Case, server: Host, way: WayInside) -> bool:
    """Whether another host of the run, or of the inventory, has the address, or a machine that the server's route leads to."""
    declared = (way.address in addresses for name, addresses in case.declared.hosts.items() if name != server.name)
    return way.state not in (None, *_UNMET) or bool(case.fleet.owners(way.address, (server,))) or any(declared)


_Found = tuple[CutOff, str, tuple[Evidence, ...]]


def _unjoined(server: Host, way: WayInside) -> _Found | None:
    """The links between are down, or end nowhere."""
    neighbour = Evidence(server.name, "rtnetlink neighbour", f"{way.address} on {way.by} is {way.state}")
    shown = (neighbour,) if way.state and way.by else ()
    if not way.up:
        link = Evidence(server.name, "rtnetlink link", f"{way.interface}, which has {way.address} there, is down")
        return CutOff("down", way), f"{way.interface} in there, which has that address, is administratively down", (link, *shown)
    if way.peer and way.peer_up is False:
        link = Evidence(server.name, "rtnetlink link", f"{way.peer} is down")
        return CutOff("peer_down", way), f"{way.peer}, the other end of its {way.interface}, is administratively down", (link, *shown)
    master = server.link(way.master) if way.master else None
    if master and not master.up:  # its routes have gone with it
        link = Evidence(server.name, "rtnetlink link", f"{master.name} is down")
        return CutOff("master_down", way), f"{master.name}, which leads there, is administratively down", (link, *shown)
    met = way.state not in (None, *_UNMET)  # joined by something that was not looked at
    if way.peer and way.by and way.master is None and way.by != way.peer and not met:
        link = Evidence(server.name, "rtnetlink link", f"{way.peer}, the other end of {way.interface} there, has no master")
        words = f"{way.peer}, the other end of its {way.interface}, is no port of {way.by}, by which {server.name} sends it"
        bridges = (each.kind == "bridge" for each in (server.snapshot.links if server.snapshot else None) or () if each.name == way.by)
        return (CutOff("no_port", way), words, (link, *shown)) if next(bridges, False) else None
    return None


def _astray(server: Host, way: WayInside) -> _Found | None:
    """The way there leads elsewhere, such as by the default route, where the bridge in between has lost its address."""
    joined = way.master or way.peer
    if joined is None or way.by == joined or not (way.gateway or way.error):
        return None  # without a gateway, that interface may be one above the bridge, such as a VLAN's
    family = 6 if ":" in way.address else 4
    there = [each.address for each in (server.snapshot.addresses if server.snapshot else None) or () if each.interface == joined]
    bare = not any((":" in address) == (family == 6) for address in there)
    leads = f"has no way to it ({way.error})" if way.error else f"leads to it via {way.gateway}"
    shown = Evidence(server.name, "rtnetlink route get", f"{way.address}: {way.error or f'via {way.gateway} dev {way.by}'}")
    words = f"the route of {server.name} {leads}, not by {joined}, which leads there" + (
        f": {joined} has no IPv{family} address" if bare else ""
    )
    return CutOff("astray", way, bare=bare), words, (shown,)


def _without_a_way_back(case: Case, way: WayInside) -> _Found | None:
    """What is in there cannot answer."""
    back = next((each for each in way.back if each.error and each.remote == case.client_address), None)
    if back is None:
        return None
    shown = Evidence(case.server.name if case.server else "path", "rtnetlink route get", f"in there, to {back.remote}: {back.error}")
    return CutOff("no_way_back", way), f"there is no route from there back to {back.remote} ({back.error})", (shown,)


CAUSES = (
    Cause(
        "namespace_cut_off",
        "A container, or another network namespace of the server, is cut off",
        ("server.route",),
        ("unanswered", "icmp", "silent"),
        "A rule of the server, evaluated, translates the SYN to an address that another network namespace of it has, and its counter rises "
        "by the connections; and the link that has the address there is down, or its other end, or the bridge of that, "
        "or that end is no port of the bridge by which the server's route leads there, and the server's neighbour for it is FAILED or "
        "INCOMPLETE; or the server's route leads elsewhere; "
        "or the kernel has no route from there back to the client. Without the counter, or where the server's route leads elsewhere and "
        "not into nothing, as to a machine that may have the address as well: likely.",
        "The neighbour is resolved, or the server's route leads elsewhere, and another host has the address there.",
        rule=_cut_off,
        precedes=("firewall_drop", "firewall_reject", "nat_wrong_target", "neighbour_silent", "return_neighbour_unresolved"),
        accounts_for=(
            Accounts("icmp_error", anywhere=True, any_leg=True),
            Accounts("request_unanswered", anywhere=True, any_leg=True),
            Accounts("firewall_verdict", any_leg=True),
            Accounts("other_outcome", anywhere=True, any_leg=True),
            Accounts("counter", anywhere=True, any_leg=True),
        ),
    ),
)
