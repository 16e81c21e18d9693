# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Frames to a group of machines that carry a packet for one: its sender has such a link address for it, or takes it for a broadcast."""

from __future__ import annotations

from ..._model.address_subjects import WrongEntry
from ..._model.host import Host
from ..._model.network_records import Neighbour
from ..._model.network_subjects import Broadcast
from ..._model.recording import Observation
from ..case import Case
from ..finding import Evidence, Finding
from ..last_hop import sender_mac
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .hooks import FORWARDING, RECEIVING, droppers, filtered_by_tc
from .needs import needs
from .reverse_path import entered
from .scope import for_all
from .traversals import PACKETS, Place, judged

_GROUPS = {1: "broadcast", 2: "multicast"}  # linux/if_packet.h PACKET_BROADCAST, PACKET_MULTICAST


def _to_a_group(case: Case) -> tuple[Host, Observation, Leg] | None:
    """The host that got a packet, each time in a frame to a group, and in which it ended."""
    entry = entered(case)
    if entry is None:
        return None
    host, seen, _segment, leg = entry
    frames = {each.frame.pkttype for each in case.affected.seen(leg, host.name, "in")}
    return (host, seen, leg) if frames and frames <= set(_GROUPS) and not seen.bridged else None


@needs(_to_a_group)
def _group_frame(case: Case, taken: tuple[Host, Observation, Leg]) -> Finding | None:
    """TCP takes nothing, and IP forwards nothing, that came to a group (tcp_v4_rcv(), tcp_v6_rcv(), ip_forward(), ip6_forward())."""
    host, seen, leg = taken
    forwards = host not in (case.client, case.server)
    segment = (case.outcome.segment or "path.forward") if forwards else "client.ingress" if leg == "syn_ack" else "server.ingress"
    verdict = judged(case, Place(host, leg, "forward" if forwards else "in", segment))
    if verdict is not None and verdict.stops:
        return None
    kind, mac = _GROUPS[seen.frame.pkttype], sender_mac(seen)
    sender = case.fleet.with_mac(mac) if mac else None
    by = f"{sender.name} sends" if sender else f"the last hop (link address {mac}) sends" if mac else "the last hop sends"
    why, subject, evidence = _why(case, sender, host, seen, leg)
    does = "IP forwards" if forwards else "TCP takes"
    chains = droppers(host, FORWARDING if forwards else RECEIVING, case.family) if verdict is None else None
    unaltered = (chains == [] or (verdict is not None and verdict.rewritten is None)) and not filtered_by_tc(host)
    return Finding(
        "proven" if unaltered and not case.completed else "likely",  # rules can have the kernel take such a frame for the host's
        sender.name if sender else "path",
        segment,
        f"{by} {PACKETS[leg]} to {host.name} in {kind} frames, and {does} only what comes in frames for {host.name} alone{why}",
        (
            case.saw(host, "capture", f"{PACKETS[leg]} in on {seen.interface} in a {kind} frame, sent by link address {mac}"),
            *evidence,
            *case.passage(),
        ),
        leg=leg,
        detail={"address": seen.packet.dst, "frame": kind, "interface": seen.interface, "sender_mac": mac},
        subject=subject,
    )


def _why(case: Case, sender: Host | None, host: Host, seen: Observation, leg: Leg) -> tuple[str, object, tuple[Evidence, ...]]:
    """Why the sender does so, as it is known: half a sentence, what it is about, and what shows it."""
    target = seen.packet.dst
    if sender is None:
        return "", None, ()
    route = case.way(sender, target, seen.packet.src, leg == "syn_ack")
    if route is not None and route.type in ("broadcast", "multicast"):
        own, theirs = for_all(sender, target), host.interface_of(target)
        by = f", by its address {own.address}/{own.prefix} on {own.interface}" if own else ""
        shown = [case.saw(sender, "rtnetlink route get", f"{target}: {route.type} dev {route.interface}")]
        shown += [case.saw(host, "rtnetlink addresses", f"{theirs.address}/{theirs.prefix}")] if theirs else []
        return (
            f": {sender.name} takes {target} for a {route.type} address{by}",
            Broadcast(own, theirs.prefix if theirs else None, host.name),
            tuple(shown),
        )
    next_hop = (route.gateway if route else None) or target
    entry = next((each for each in _entries(sender, next_hop) if each.mac and int(each.mac[:2], 16) & 1), None)
    link = host.link(seen.interface)
    if entry is None:
        return "", None, ()
    return (
        f": {sender.name} has the link address {entry.mac} for {next_hop}",
        WrongEntry(entry, next_hop, host, link.mac) if link and link.mac else None,
        (case.saw(sender, "rtnetlink neighbour", f"{next_hop} is at {entry.mac} ({entry.state})"),),
    )


def _entries(sender: Host, address: str) -> list[Neighbour]:
    return [entry for entry in (sender.snapshot.neighbours if sender.snapshot else None) or () if entry.address == address]


CAUSES = (
    Cause(
        "group_frame",
        "A packet for one machine comes in a frame for many",
        ("server.ingress", "client.ingress", "path.forward", "path.return"),
        ("unanswered", "ignored_syn_ack", "lost_syn", "lost_syn_ack"),
        "The packet comes in broadcast or multicast frames only, none of which TCP takes or IP forwards, no chain of the host can "
        "drop it, or its rules, evaluated, let it through as it is, and no attempt completes. Without an evaluation, where rules alter it "
        "(meta pkttype set), or where traffic control filters what comes in: likely.",
        "One of them comes in a frame for the host alone.",
        rule=_group_frame,
        precedes=("path_drop", "kernel_drop"),
        accounts_for=(Accounts("claimed_address", anywhere=True),),
    ),
)
