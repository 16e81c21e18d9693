# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Filters of traffic control that send packets to another interface, where nobody gives them back."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator

from ..._model.hook_records import Redirect, TrafficControl
from ..._model.host import Host
from ..._model.network_subjects import Redirection
from ..._model.recording import Observation
from ..._model.snapshot import Snapshot
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .kernel_drops import TRAFFIC_CONTROL
from .stretch import swallower
from .traversals import PACKETS, judged, suspects

_GIVES_BACK = "ifb"
"""The kind of interface that gives packets back where they were taken, as shapers need it for what comes in."""
_TAKEN: dict[str, tuple[Leg, str]] = {
    "unanswered": ("syn", "server.ingress"),
    "ignored_syn_ack": ("syn_ack", "client.ingress"),
    "ignored_ack": ("ack", "server.ingress"),
}
_LOST: dict[str, tuple[Leg, str]] = {
    "lost_syn": ("syn", "path.forward"),
    "lost_syn_ack": ("syn_ack", "path.return"),
    "lost_ack": ("ack", "path.forward"),
}


def _came_in(case: Case) -> tuple[Host, Leg, str] | None:
    """The host that took the packet in, and in which it went no further."""
    kind = case.outcome.kind
    if kind in _TAKEN:
        leg, segment = _TAKEN[kind]
        host = case.client if leg == "syn_ack" else case.server
        return (host, leg, segment) if host else None
    via = swallower(case) if kind in _LOST else None
    return (via, *_LOST[kind]) if via else None


def _redirecting(snapshot: Snapshot | None, interface: str, direction: str) -> Iterator[Redirect]:
    tc: tuple[TrafficControl, ...] = (snapshot.hooks.tc if snapshot and snapshot.hooks else None) or ()
    for each in tc:
        if (each.interface, each.direction) == (interface, direction):
            yield from (redirect for redirect in each.redirects if not redirect.copies and redirect.towards == "egress")


def _packets(snapshot: Snapshot | None, interface: str, direction: str) -> Counter[str]:
    """How many packets filters there have sent to each interface so far."""
    found: Counter[str] = Counter()
    for each in _redirecting(snapshot, interface, direction):
        found[each.to] += each.packets
    return found


def _sent(host: Host, interface: str, direction: str, wanted: str | None = None) -> tuple[str, int] | None:
    """To which interface filters there have sent most packets meanwhile, and how many."""
    was, now = _packets(host.before, interface, direction), _packets(host.after, interface, direction)
    rose = {to: packets - was[to] for to, packets in now.items() if wanted in (None, to)}
    to = max(rose, key=lambda each: rose[each], default=None)
    if to is None or rose[to] <= 0 or ((link := host.link(to)) and link.kind == _GIVES_BACK and link.up is not False):
        return None
    return to, rose[to]


def _would_be_seen(host: Host, interface: str) -> bool:
    """Whether what a filter sends to an interface would be in the recording: on one that is up."""
    link = host.link(interface)
    return host.saw_everything and link is not None and link.up is True


def _stopped(case: Case, host: Host) -> bool:
    """Whether the host's firewall stops the packet where it ended, so that what the filters send may be others'."""
    return any(place.host is host and (verdict := judged(case, place)) and verdict.stops for place in suspects(case))


def _dropped_later(case: Case, host: Host) -> bool:
    """Whether the kernel says of the flow's packets that they are dropped behind traffic control, so that what filters send is others'."""
    return any(each.host is host and each.exact and each.drop_reason not in TRAFFIC_CONTROL for each in case.dropped)


def _traffic_redirected(case: Case) -> Finding | None:
    return _on_its_way_in(case) or _on_its_way_out(case)


def _on_its_way_in(case: Case) -> Finding | None:
    """Recorders see what comes in ahead of traffic control, and what leaves behind it."""
    place = _came_in(case)
    seen = case.observation(place[1], place[0], "in") if place else None
    if place is None or seen is None:
        return None
    host, leg, segment = place
    sent = _sent(host, seen.interface, "ingress")
    if sent is None or sent[1] < case.count(leg, host, "in"):
        return None
    again = [each for row in case.rows(leg) for each in row.seen if each.host == host.name and each.interface == sent[0]]
    if not again and (_would_be_seen(host, sent[0]) or _stopped(case, host) or _dropped_later(case, host)):
        return None
    return _finding(case, host, leg, segment, seen.interface, "ingress", sent, again)


def _on_its_way_out(case: Case) -> Finding | None:
    """The packet leaves an end by the interface to which filters on the one that its route names send it."""
    leg: Leg = "syn_ack" if case.outcome.kind == "lost_syn_ack" else "syn"
    host, remote = (case.server, case.client_address) if leg == "syn_ack" else (case.client, case.address)
    if case.outcome.kind not in ("lost_syn", "lost_syn_ack", "unsent") or host is None or remote is None:
        return None
    route = case.way(host, remote, None if leg == "syn" else case.server_address, back=leg == "syn_ack")
    left = case.observation(leg, host, "out")
    if route is None or route.interface is None or (left is not None and left.interface == route.interface):
        return None
    if case.outcome.last_seen is not None and case.outcome.last_seen.host != host.name:
        return None  # it came further by that
    sent = _sent(host, route.interface, "egress", left.interface if left else None)
    if sent is None or sent[1] < len(case.subject) or (left is None and (_would_be_seen(host, sent[0]) or _stopped(case, host))):
        return None
    segment = "server.egress" if leg == "syn_ack" else "client.egress"
    return _finding(case, host, leg, segment, route.interface, "egress", sent, [left] if left else [])


def _may_lead_on(case: Case, host: Host, to: str, leg: Leg) -> bool:
    """Whether what is sent to an interface may be meant to go that way, and be lost beyond it: the host uses it itself, or has no socket
    for the packet, as where another one of its network namespaces serves."""
    link, entries = host.link(to), (host.snapshot.addresses if host.snapshot else None) or ()
    used = any(each.interface == to and not ipaddress.ip_address(each.address).is_link_local for each in entries)
    if used or link is None or link.master is not None:
        return True
    return host is not case.client and (host is not case.server or (leg != "syn_ack" and case.listener() is None))


def _open_questions(where: str, to: str, *, seen: bool, sure: bool) -> tuple[str, ...]:
    if not seen:
        return (f"tc -s filter show dev {where}, twice, shows what it sends there",)
    return (
        () if sure else (f"what is behind {to}, which may be meant to get it, and a recording there, would show whether it is lost later",)
    )


def _finding(
    case: Case, host: Host, leg: Leg, segment: str, interface: str, direction: str, sent: tuple[str, int], again: list[Observation]
) -> Finding:
    to, packets = sent
    link = host.link(to)
    down = ", which is down" if link is not None and link.up is False else ""
    sure = again and not case.completed and not _may_lead_on(case, host, to, leg)
    return Finding(
        "proven" if sure else "likely",
        host.name,
        segment,
        f"a filter of traffic control on {interface} of {host.name} ({direction}) sends {PACKETS[leg]} to {to}{down}, from where it "
        "does not come back",
        (
            case.saw(host, "tc", f"{interface}, {direction}: mirred redirect to {to}, {plural(packets, 'packet')} meanwhile"),
            *([case.saw(host, "capture", f"{PACKETS[leg]} of this flow on {to} as well")] if again else []),
            *([case.saw(host, "rtnetlink link", f"{to} is down")] if down else []),
            *case.passage(),
        ),
        leg=leg,
        detail={"interface": interface, "direction": direction, "to": to, "packets": packets},
        undecided=_open_questions(f"{interface} {direction} on {host.name}", to, seen=bool(again), sure=bool(sure)),
        subject=Redirection(interface, direction, to),
    )


CAUSES = (
    Cause(
        "traffic_redirected",
        "A filter of traffic control sends the packet to another interface",
        ("client.egress", "client.ingress", "server.ingress", "server.egress", "path.forward", "path.return"),
        (*_TAKEN, *_LOST, "unsent"),
        "A filter with the action mirred redirect is on the interface by which the packet comes in, or by which its route has it leave, "
        "it sent at least as many packets meanwhile to one that gives none back (ifb), and the packet is seen on that and at no host "
        "beyond. If that is down, so that nothing is seen there, and the firewall does not stop the packet: likely. So where others "
        "complete, or that may lead on: it has addresses, or is a part of another one, or the host has no socket for the packet.",
        "The filter sends no packets, or copies, or to an interface that gives them back.",
        rule=_traffic_redirected,
        precedes=("path_drop", "path_loss", "firewall_drop", "kernel_drop"),
        accounts_for=(
            Accounts("other_interface", any_leg=True),
            Accounts("other_way_back", any_leg=True),
            Accounts("counter", any_leg=True),
        ),
    ),
)
