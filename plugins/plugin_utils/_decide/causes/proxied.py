# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Addresses behind a host that belong to the network in front of it: nobody sends to them unless the host answers for them there."""

from __future__ import annotations

import ipaddress

from ..._model.address_subjects import Behind
from ..._model.host import Host
from ..._model.network_records import Route
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from .catalogue import Accounts, Cause
from .icmp import answer_of
from .needs import needs
from .stretch import forbidden


def _behind(case: Case) -> tuple[Host, Route, str, int] | None:
    """A host that was asked for the address on one link, did not answer, and has it on another one; that link, and how often it was
    asked."""
    if case.arrived or any(host.owns(case.address) for host in case.fleet.hosts.values()):
        return None
    for host in filter(None, (case.server, *reversed(case.vias))):
        asked = [
            seen
            for seen in host.observations or ()
            if seen.direction == "in" and (said := seen.packet.neighbour) and said.operation == "request" and said.target == case.address
        ]
        route = host.route(case.address)
        if not asked or route is None or route.gateway or route.type != "unicast" or host.owns(case.address) is None:
            continue
        if case.count("syn", host, "in"):
            continue  # who sent it here has had an answer, before anybody recorded it
        interface = asked[0].interface
        answered = case.fleet.once(
            ("answered", case.address), lambda: any(each.answers_for(case.address) for each in case.fleet.hosts.values())
        )
        if not answered and route.interface != interface and _within(host, interface, route):
            return host, route, interface, len(asked)
    return None


def _within(host: Host, interface: str, route: Route) -> bool:
    """Whether the network behind the host is a part of one that it has in front, where others take the address for a neighbour."""
    behind = ipaddress.ip_network(route.prefix or "::/0")
    front = [entry.network for entry in (host.snapshot.addresses if host.snapshot else None) or () if entry.interface == interface]
    return any(each != behind and each.version == behind.version and _contains(each, behind) for each in front)


def _contains(wide: ipaddress.IPv4Network | ipaddress.IPv6Network, narrow: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return wide.prefixlen <= narrow.prefixlen and narrow.network_address in wide


@needs(_behind)
def _not_answered_for(case: Case, behind: tuple[Host, Route, str, int]) -> Finding:
    host, route, interface, count = behind
    answer = answer_of(case)
    holder = next((each for each in (host.snapshot.namespaces if host.snapshot else None) or () if case.address in each.addresses), None)
    gave_up = count > 1 or (answer is not None and answer.meaning == "unreachable")
    kind = "neighbour solicitation" if case.family == 6 else "ARP request"
    return Finding(
        "proven" if holder and gave_up and host.saw_everything and not case.completed and not forbidden(case) else "likely",
        host.name,
        "server.ingress" if host is case.server else "path.forward",
        f"{case.address} is behind {host.name} ({route.prefix} dev {route.interface}), which does not answer for it on {interface}: others "
        "take it for a neighbour there, and nobody answers them",
        (
            case.saw(host, "capture", f"{plural(count, kind)} for {case.address} in on {interface}, no reply"),
            case.saw(host, "rtnetlink route get", f"{case.address}: dev {route.interface}, by {route.prefix}"),
            case.saw(host, "rtnetlink addresses", f"{case.address} is on no interface"),
            *([case.saw(host, "setns", f"namespace {holder.netns} has {case.address}")] if holder else []),
            *([case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}")] if answer else []),
            *case.passage(),
        ),
        leg="syn",
        detail={"address": case.address, "interface": interface, "behind": route.interface, "prefix": route.prefix},
        undecided=() if holder else (f"whether a machine has {case.address} on {route.interface} of {host.name} is seen there only",),
        subject=Behind(case.address, interface, route.prefix),
    )


CAUSES = (
    Cause(
        "not_answered_for",
        "A host does not answer for an address behind it",
        ("server.ingress", "path.forward"),
        ("icmp", "lost_syn", "silent", "refused_locally", "unsent"),
        "The recording of a managed host has requests for the address that nobody answers, the host's own route has it on another link, "
        "in a part of the network on which it was asked, and another network namespace of the host has it. Where none is known to, or an "
        "error says that policy forbids the packet: likely.",
        "Somebody answers, or the host has the address itself.",
        rule=_not_answered_for,
        precedes=("address_not_local", "path_icmp_unreachable", "neighbour_unresolved", "path_drop"),
        accounts_for=(
            Accounts("icmp_error", anywhere=True),
            Accounts("request_unanswered", anywhere=True),
        ),
    ),
)
