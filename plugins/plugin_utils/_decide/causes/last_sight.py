# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Where a lost packet was seen last: what whoever looks for it asks first."""

from __future__ import annotations

from ..._model.address_subjects import LostBetween
from ..._model.host import Host
from ..._model.recording import Observation
from ..case import Case
from ..finding import Evidence
from ..last_hop import by_policy, passed_over, rule_of
from ..reach import Reach
from .icmp import meaning_of
from .marked import by_mark
from .stretch import PACKETS, inside


def last_sight(case: Case) -> tuple[Evidence, ...]:
    """By which interface, to which gateway and from which address it left, and the last ICMP error that answers any packet of the case."""
    seen = case.outcome.last_seen
    host = next((host for host in case.hosts if seen and host.name == seen.host), None)
    if seen is None or host is None:
        return ()
    way = "left by" if seen.direction == "out" else "came in on"
    led = by_mark(case, host, case.outcome.leg or "syn", seen) if seen.direction == "out" else None
    towards = f"{f', gateway {led.gateway}' if led.gateway else ''} ({led.text})" if led else _gateway(case, host, seen)
    text = f"the {PACKETS[case.outcome.kind]} {way} {seen.interface}{towards}, source {seen.packet.src}"
    return (case.saw(host, "capture", f"{text}{_last_error(case)}"),)


def _gateway(case: Case, host: Host, seen: Observation) -> str:
    route = case.way(host, seen.packet.dst, back=case.outcome.kind == "lost_syn_ack") if seen.direction == "out" else None
    if route is None or route.interface != seen.interface:
        return ""
    way = f"gateway {route.gateway}" if route.gateway else f"{seen.packet.dst} on the link"
    return f", {way}{by_policy(route)}{rule_of(host, route)}{passed_over(route)}"


def _last_error(case: Case) -> str:
    rows = [row for attempt in case.subject for row in attempt.everything if row.kind == "icmp"]
    if not rows:
        return "; no ICMP error answers it" if case.client.saw_everything else ""
    last = max(rows, key=lambda row: max(seen.time for seen in row.everywhere))
    return f"; the last ICMP error: {meaning_of(case, last)[1]} from {last.packet.src}"


def lost_between(case: Case, reached: Reach | None) -> LostBetween | None:
    """What the host that sent the packet last knows of its next hop."""
    sender = next((host for host in case.hosts if case.outcome.between and host.name == case.outcome.between[0]), None)
    last = case.outcome.last_seen
    if sender is None or last is None or last.direction != "out" or inside(case) is not None:
        return None
    if led := by_mark(case, sender, case.outcome.leg or "syn", last):
        return LostBetween(sender.name, led.gateway, marked=led)
    route = case.way(sender, last.packet.dst, last.packet.src, back=case.outcome.kind == "lost_syn_ack")
    if route is None or route.interface != last.interface or route.multipath:
        return None
    other = next((host for host in case.hosts if host is not sender and host.owns(last.packet.dst)), None)
    entry = sender.neighbour(last.packet.dst, route.interface)
    own = [link.mac for link in (other.snapshot.links if other and other.snapshot else None) or () if link.mac]
    answered = entry is not None and entry.mac in own and entry.answered
    direct = other.name if other and not route.gateway and answered else None
    mute = reached is not None and reached.no_router and sender is case.client
    return LostBetween(sender.name, route.gateway, direct, mute, route if route.sourceless else None)
