# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""By whom a packet came in: its last hop, and whether a host is right to take its source for a neighbour."""

from __future__ import annotations

import ipaddress

from .._model.host import Host
from .._model.network_records import PolicyRule, Route
from .._model.network_subjects import WithoutMain
from .._model.recording import Observation

INITIAL_TTLS = (64, 128, 255)
_MAIN = 254
_USUAL_TABLES = (253, _MAIN, 255)  # default, main, local
_USUAL_RULES = (0, 32766, 32767)  # that look them up


def sender_mac(seen: Observation) -> str | None:
    """The link address of who sent a packet last."""
    raw = seen.frame.lladdr
    return raw.hex(":") if len(raw) == 6 and any(raw) else None


def hop_of(host: Host, seen: Observation) -> str | None:
    """The address of who sent a packet last, where the neighbour table or the recording's ARP and neighbour discovery have it."""
    mac = sender_mac(seen)
    if mac is None:
        return None
    for entry in (host.snapshot.neighbours if host.snapshot else None) or ():
        if entry.mac and entry.mac.lower() == mac and entry.interface == seen.interface and entry.address != seen.packet.src:
            return entry.address
    for other, said in host.neighbour_messages("in", "other"):
        heard = other.interface == seen.interface and (said.sender_mac or "").lower() == mac
        if heard and said.sender != seen.packet.src and not ipaddress.ip_address(said.sender).is_unspecified:
            return said.sender
    return None


def came_by(host: Host, seen: Observation) -> str:
    """`` from 10.0.4.1 (52:54:..)`` of a packet, as far as it is known."""
    mac, hop = sender_mac(seen), hop_of(host, seen)
    return "" if mac is None else f" from {hop} ({mac})" if hop else f" from link address {mac}"


def by_policy(route: Route) -> str:
    """`` (table 52, by policy rule 5270)`` of a route that is in none of the usual tables."""
    if route.table is None or route.table in _USUAL_TABLES:
        return ""
    return f" (table {route.table}" + (f", by policy rule {route.rule})" if route.rule is not None else ")")


def rule_of(host: Host, route: Route) -> str:
    """``; rule 5270: from 10.0.2.0/24 lookup 52`` of a route that a policy rule of the host's leads to; empty where several may."""
    wanted = ("ipv6" if ":" in route.remote else "ipv4", route.rule, route.table)
    rules = (host.snapshot.rules if host.snapshot else None) or ()
    found = [rule for rule in rules if (rule.family, rule.priority, rule.table) == wanted]
    return f"; rule {route.rule}: {found[0].text}" if len(found) == 1 and by_policy(route) else ""


def refusing_rule(host: Host, route: Route) -> str:
    """``policy rule 76 ('from all unreachable')`` that refuses by itself; empty where a route does, or there is none."""
    if not route.refused_by_rule:
        return ""
    family = "ipv6" if ":" in route.remote else "ipv4"
    rules = (host.snapshot.rules if host.snapshot else None) or ()
    found = [rule for rule in rules if (rule.family, rule.priority) == (family, route.rule)]
    return f"policy rule {route.rule} ('{found[0].text}')" if len(found) == 1 else f"policy rule {route.rule} of type {route.type}"


def why_no_way(host: Host, route: Route) -> str:
    """``: policy rule 76 ('from all unreachable') refuses it``, of a way that the kernel does not have; empty where that is all."""
    if rule := refusing_rule(host, route):
        return f": {rule} refuses it"
    if route.type == "throw":
        return f": route throw {route.prefix}{by_policy(route)} leaves it to the rules that follow, and none of them leads there"
    unled = route.error == "ENETUNREACH" and without_main(host, 6 if ":" in route.remote else 4)
    return ": no policy rule leads to table main" if unled else ""


def without_main(host: Host, family: int) -> WithoutMain | None:
    """That no policy rule has the kernel look into table main, as one does that every host has at first."""
    rules = host.snapshot.rules if host.snapshot else None
    tables = [rule.table for rule in rules or () if rule.family == f"ipv{family}"]
    return WithoutMain(family) if tables and _MAIN not in tables else None


def added_rules(host: Host, family: int) -> list[PolicyRule] | None:
    """The policy rules of a host beside those that every host has; None: they are not known."""
    rules = host.snapshot.rules if host.snapshot else None
    return None if rules is None else [rule for rule in rules if rule.family == f"ipv{family}" and rule.priority not in _USUAL_RULES]


def passed_over(route: Route) -> str:
    """``; for no source in particular, it would be 10.0.2.0/24 via 10.0.1.2 dev eth0``, where a policy rule leads to another route."""
    other = route.sourceless
    if other is None:
        return ""
    via = f"via {other.gateway} " if other.gateway else ""
    return f"; for no source in particular, it would be {other.prefix} {via}dev {other.interface}"


def routed(seen: Observation) -> bool:
    """Whether a packet came through a router: its TTL was counted down from what systems start with."""
    return seen.packet.ttl not in INITIAL_TTLS


def believed(host: Host, route: Route) -> str | None:
    """Why a host takes the far end of a route for a neighbour: the prefix, and the address that brings it; None: it does not."""
    if route.gateway is not None or route.prefix is None or route.interface is None:
        return None
    try:
        network = ipaddress.ip_network(route.prefix)
    except ValueError:
        return None
    if network.num_addresses == 1:
        return None
    for entry in (host.snapshot.addresses if host.snapshot else None) or ():
        if entry.interface == route.interface and entry.network == network:
            return f"{route.prefix} dev {route.interface}, by its address {entry.address}/{entry.prefix}"
    return f"{route.prefix} dev {route.interface}"
