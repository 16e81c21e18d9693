# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""path.forward and path.return: packets that are lost between the hosts, and inside managed hosts on the way."""

from __future__ import annotations

from dataclasses import asdict

from ..._model.host import Host
from ..._model.network_records import LOOPBACK
from ..._model.recording import Observation
from ..._values.words import plural
from .. import retries
from ..case import Case
from ..finding import Certainty, Evidence, Finding
from ..reach import Reach, reach
from .catalogue import Cause
from .ecn import by_another_way, shown
from .icmp import meaning_of, quoting
from .last_sight import last_sight, lost_between
from .losses import beside_each_other, departures, outlook, wilson
from .needs import BETWEEN, SERVER, needs
from .onward import unresolved_hop
from .rules import weaker
from .stretch import LOSSES, PACKETS, inside
from .tunnels import entered

_LONGEST_WAY_S = 10.0  # what a clock is ahead by more than that is not the way's delay
_CLOCK_ERROR_S = 1.0  # by which the clocks of two hosts may well differ
_ENOUGH = 5  # packets, to distinguish the first from the others
_BY_CHANCE = 0.01  # how often random loss looks like an outage
_OR_LATE = ("a longer diagnose_patience would show whether the SYN-ACK is lost or only late",)


@needs(SERVER)
def _ecn_blackhole(case: Case, server: Host) -> Finding | None:
    """ECN-setup SYNs are lost, plain ones pass: the kernel falls back at its first retransmission (RFC 3168, 6.1.1.1)."""
    lost, passed = 0, 0
    for attempt in case.attempts:
        for row in attempt.of("syn"):
            ecn = bool(row.packet.tcp and row.packet.tcp.flags & 0xC0)
            arrived = row.at(server.name, "in") is not None
            if ecn == arrived:
                return None
            lost, passed = lost + ecn, passed + (not ecn)
    if lost < 2 or not passed:
        return None
    return Finding(
        "likely",
        "path",
        "path.forward",
        f"something {case.outcome.stretch} drops SYNs that ask for ECN; the plain retransmission passes",
        (
            *case.passage(),
            Evidence("path", "captures", f"{lost} SYNs with ECE and CWR were lost, {plural(passed, 'SYN')} without passed"),
            *shown(case),
        ),
        leg="syn",
        detail={"by_sysctl": not by_another_way(case.client)},
        undecided=("a first SYN without ECN would rule out a device that drops the first SYN of each connection",),
    )


@needs(SERVER)
def _path_loss(case: Case, server: Host) -> Finding | None:
    """Some packets of a direction arrive and some do not."""
    if not (case.client.saw_everything and server.saw_everything):
        return None
    forward = case.outcome.kind != "lost_syn_ack"
    sent, lost = _losses(case, forward)
    if not lost or lost == sent:
        return None
    low, high = wilson(lost, sent)
    via = inside(case)
    way = f"{case.client.name} to {server.name}" if forward else f"{server.name} to {case.client.name}"
    late, pattern = _may_be_late(case), _pattern(case, forward)
    ahead = outlook(case) if pattern == "random" and case.outcome.kind != "lost_ack" else None
    return Finding(
        "likely" if late or pattern == "attempts" else "proven",
        via.name if via else "path",
        "path.forward" if forward else "path.return",
        f"{lost} of {sent} packets from {way} are lost {case.outcome.stretch} ({100 * lost / sent:.0f} %"
        + (f", 95 % interval {100 * low:.0f} to {100 * high:.0f} %)" if pattern == "random" else f"), {_PATTERNS[pattern]}"),
        (
            *last_sight(case),
            *case.passage(),
            *([case.saw(case.client, "retry schedules of both kernels", retries.sentence(*ahead))] if ahead else []),
        ),
        detail={
            "direction": "forward" if forward else "return",
            "sent": sent,
            "lost": lost,
            "rate": lost / sent,
            "interval": [low, high],
            "pattern": pattern,
            "outlook": asdict(ahead[0]) if ahead else None,
        },
        undecided=(*(_OR_LATE if late else ()), *_WOULD_SHOW.get(pattern, ())),
        subject=ahead[0] if ahead else None,
    )


_PATTERNS = {
    "first": "the very first one and no other: as where a device learns who sends, or a router resolves a neighbour, not at random",
    "while": "all of them in one stretch of time and none before or after it: an outage or a rate limit, not random loss",
    "attempts": "of each attempt all or none: what decides may be the source port, not chance",
}
_WOULD_SHOW = {
    "first": ("the same once more after some minutes without traffic would show whether it is the first packet each time",),
    "attempts": ("more attempts (diagnose_attempts) would show whether the source port decides",),
}


def _pattern(case: Case, forward: bool) -> str:
    """How the losses lie: by attempt, in time, or at random, as far as so few packets show it."""
    packets = departures(case, forward)
    ends = [[came for _sent, came in sent] for _attempt, sent in packets if sent]
    in_time = [came for _sent, came in sorted(each for _attempt, sent in packets for each in sent)]
    if in_time.count(False) == 1 and not in_time[0] and len(in_time) >= _ENOUGH:
        return "first"
    repeated = sum(len(arrived) - 1 for arrived in ends if not any(arrived))
    if repeated >= 2 and all(len(set(arrived)) == 1 for arrived in ends):
        return "attempts"
    return "while" if beside_each_other(in_time) <= _BY_CHANCE else "random"


def _may_be_late(case: Case) -> bool:
    """Whether a SYN-ACK may still have been on its way when the client's recorder stopped.

    The server saw the SYN by its own clock, and nothing came back that separates its clock's offset from the delay: if it was the way that
    took so long, the answer takes as long again. A server whose clock is late against the client's, or far ahead of it, says nothing of the
    delay.
    """
    until, server = case.client.recorded_until, case.server
    if case.outcome.kind != "lost_syn_ack" or server is None or until is None:
        return False
    for attempt in case.subject:
        clock = attempt.clocks.get(server.name)
        if clock is None or clock.error is not None or not clock.offset:
            continue
        way = clock.offset  # at most, if the clocks agree
        if not 0 < way < _LONGEST_WAY_S or attempt.probe.started + 2 * (way + _CLOCK_ERROR_S) > until:
            return True
    return False


def _losses(case: Case, forward: bool) -> tuple[int, int]:
    """Packets of the lost kind in all attempts: how many one end sent, and how many of them the other end did not see."""
    arrived = [came for _attempt, packets in departures(case, forward) for _sent, came in packets]
    return len(arrived), arrived.count(False)


@needs(BETWEEN)
def _path_drop(case: Case, between: tuple[str, str]) -> Finding | None:
    """All packets of one kind left one recorded vantage point, and none reached the next."""
    if case.outcome.recovered or entered(case) is not None:
        return None
    via = inside(case)
    packet = PACKETS[case.outcome.kind]
    translated = any(host.translates("prerouting", "postrouting") for host in case.vias)
    foreign = case.outcome.kind == "lost_syn" and case.server_owns(case.address) is False
    late = _may_be_late(case)
    beyond = next((host for host in case.hosts if host.name == between[1]), None)
    blind = [link.name for link in (beyond.snapshot.links if beyond and beyond.snapshot else None) or () if link.xdp]
    balanced = _on_loopback(case) and case.outcome.kind == "lost_syn"
    hop = unresolved_hop(case, via) if via else None
    reached, asking = _reached(case)
    some_pass = reached is not None and reached.passed
    unsure = (foreign, late, blind, balanced, some_pass, hop, translated and not via)
    certainty: Certainty = "likely" if any(unsure) else "proven"
    last_hop = reached.last if reached and not some_pass else None
    summary = f"the {packet} is dropped inside {via.name}" if via else f"the {packet} is lost {case.outcome.stretch}"
    if via and hop:
        summary = f"the {packet} does not leave {via.name}, which does not know the link address of {hop.address} on {hop.interface}"
    strays = elsewhere(case)
    if strays:
        summary = f"the {packet} does not come to {between[1]}: {strays[0].host} has it {_how(case, strays[0])}"
    against = tuple(
        Evidence(seen.host, "capture", f"{meaning_of(case, row)[1]} from {row.packet.src} quotes a packet of the server's")
        for row, seen in quoting(case)
    )
    lost = lost_between(case, reached)
    located = (
        [case.saw(asking, f"{packet}s with rising TTL", reached.text)]
        if reached and asking and not reached.passed and not (lost and lost.direct)
        else []
    )
    if lost and lost.direct and not strays:
        summary += f", which are on one link: {lost.direct} answers {'ARP' if case.family == 4 else 'neighbour discovery'} there"
    handed = (f"it has {case.address} on lo alone: a balancer hands its packets on, perhaps to another server",) if balanced else ()
    owner = f"{case.address} is no address of {case.server.name}: it must be translated on the way" if foreign and case.server else None
    return Finding(
        weaker(certainty, against) if not strays else "likely" if certainty == "proven" else certainty,
        via.name if via else "path",
        case.outcome.segment or "path.forward",
        summary + (f"; the last hop that answers is {last_hop.offender}" if last_hop else ""),
        (
            *(Evidence(seen.host, "capture", f"{packet} {_how(case, seen)}") for seen in strays),
            *last_sight(case),
            *([case.saw(via, "rtnetlink neighbour", f"{hop.address} on {hop.interface} is {hop.state}")] if via and hop else []),
            *located,
            *case.passage(),
        ),
        against=(*against, *(Evidence(between[1], "rtnetlink addresses", said) for said in ((owner,) if owner else handed))),
        detail={"last_hop": last_hop.offender, "last_hop_ttl": last_hop.ttl, "first_silent_ttl": reached.silent or None}
        if reached and last_hop
        else {},
        undecided=(
            *(() if via else (f"a managed host {case.outcome.stretch}, named in the flow's via, would narrow it down",)),
            *(_OR_LATE if late else ()),
            *(f"the XDP program on {name} of {between[1]} may drop it ahead of the recorder" for name in blind),
        ),
        subject=lost,
    )


def _on_loopback(case: Case) -> bool:
    """Whether the server has the address for itself alone, as servers behind a balancer with direct routing do."""
    entry = case.server.interface_of(case.address) if case.server else None
    return entry is not None and entry.interface == LOOPBACK and case.client is not case.server


def _reached(case: Case) -> tuple[Reach | None, Host | None]:
    """How far the lost packet's like came, and who asked for that."""
    if case.outcome.kind == "lost_syn":
        return reach(case.asked_hops(), case.client.hops), case.client
    if case.outcome.kind == "lost_syn_ack":
        return reach(case.hops_back(), case.server.hops_back if case.server else ()), case.server
    return None, None


def elsewhere(case: Case) -> list[Observation]:
    """Where else the lost packet was seen, an observation for each host: on its wire but for another machine, or at a host that the flow
    does not name."""
    if inside(case) is not None or case.outcome.between is None:
        return []
    named = {host.name for host in case.hosts}
    found: dict[str, Observation] = {}
    for row in case.rows(case.outcome.leg or "syn"):
        for seen in row.everywhere:
            overheard = seen.direction == "other" and not seen.bridged and seen.host != case.outcome.between[0]
            if overheard or (seen.host not in named and seen.direction == "in"):
                found.setdefault(seen.host, seen)
    return list(found.values())


def _how(case: Case, seen: Observation) -> str:
    if seen.direction == "other":
        return f"on {seen.interface}, in a frame for another link address than its own"
    other = any(seen.host == partner.name for partner in case.partners)
    return f"on {seen.interface}, " + ("as another server of the flow" if other else "and is not named in the flow's via")


CAUSES = (
    Cause(
        "ecn_blackhole",
        "SYNs that ask for ECN are lost",
        ("path.forward",),
        ("lost_syn",),
        "Not provable, since each SYN with ECN is a first one, and devices may drop those: in every attempt the ECN-setup SYN is lost and "
        "the plain retransmission passes.",
        "A SYN without ECN is lost, or one with ECN passes.",
        rule=_ecn_blackhole,
        precedes=("path_loss",),
    ),
    Cause(
        "path_loss",
        "Packets are lost on the way, some of them",
        ("path.forward", "path.return"),
        LOSSES,
        "Both recordings are complete; of the packets that one end sent, some arrived at the other and some did not.",
        "All arrive, or none does.",
        rule=_path_loss,
    ),
    Cause(
        "path_drop",
        "Packets are dropped on the way, all of them",
        ("path.forward", "path.return"),
        LOSSES,
        "Both recordings are complete; every packet of the leg left one vantage point, none reached the next, no other managed host has "
        "one, and no ICMP error quotes one. Where the end answers one of those with a rising TTL, or the managed host that keeps it does "
        "not know the link address of its next hop: likely.",
        "One of them arrives, or is seen at another place.",
        last_resort=_path_drop,
    ),
)
