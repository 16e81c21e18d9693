# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Losses on the way that are not random: the first SYN of each connection, or all packets of some source ports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..._model.host import Host
from ..._values.words import plural
from ..case import Case
from ..finding import Certainty, Evidence, Finding
from ..timeline import Attempt
from .catalogue import Accounts, Cause
from .losses import beside_each_other, departures
from .needs import SERVER, needs
from .stretch import PACKETS

_CHANCE, _SURE = 0.05, 0.005  # how often random loss looks so: to say it at all, to prove it
_REPEATED = 4  # packets after the first one of an attempt that are lost as well
_MANY_PORTS = 8


@dataclass(frozen=True)
class Passages:
    """Whether the packets of one kind arrived, in each attempt that sent one."""

    attempts: tuple[tuple[Attempt, tuple[bool, ...]], ...]
    """With whether each of its packets arrived, in the order in which they were sent."""

    @property
    def lost(self) -> list[Attempt]:
        return [attempt for attempt, arrived in self.attempts if not any(arrived)]

    @property
    def passed(self) -> list[Attempt]:
        return [attempt for attempt, arrived in self.attempts if all(arrived)]

    @property
    def all_or_none(self) -> bool:
        """Whether each attempt lost all of its packets or none, and some attempts did either."""
        return bool(self.lost and self.passed) and len(self.lost) + len(self.passed) == len(self.attempts)

    @property
    def repeated(self) -> int:
        """How many packets of the attempts that lost theirs were lost after the first one."""
        return sum(len(arrived) - 1 for _attempt, arrived in self.attempts if not any(arrived))


@needs(SERVER)
def passages(case: Case, server: Host) -> Passages | None:
    """Of the packets of the kind that was lost; ``None`` where they are not known."""
    if case.outcome.kind not in ("lost_syn", "lost_syn_ack") or not (case.client.saw_everything and server.saw_everything):
        return None
    if any(not outcome.completed and outcome.kind not in (case.outcome.kind, "late") for outcome in case.outcomes):
        return None  # another fault besides, which may end attempts as well
    packets = departures(case, forward=case.outcome.kind == "lost_syn")
    return Passages(tuple((attempt, tuple(came for _sent, came in sent)) for attempt, sent in packets if sent))


@needs(passages)
def _first_syn_dropped(case: Case, known: Passages) -> Finding | None:
    """The first SYNs of each connection are lost, as many each time, and all others pass: a device wants to see the sender repeat them."""
    if len(known.attempts) < 2:
        return None
    firsts = {arrived.index(True) if any(arrived) else len(arrived) for _attempt, arrived in known.attempts}
    if len(firsts) != 1 or not all(all(arrived[min(firsts) :]) and any(arrived) for _attempt, arrived in known.attempts):
        return None
    dropped = min(firsts)
    if not dropped or _asks_for_ecn(known):
        return None
    in_time = sorted(sent for _attempt, packets in departures(case, forward=True) for sent in packets)
    if beside_each_other([not came for _time, came in in_time]) <= _CHANCE:
        return None  # an outage that began before the first of them and ended before the first repetition
    chance = 0.25 ** len(known.attempts)  # of random loss at its likeliest: half of the packets, and of each attempt one is lost, one not
    what = "the first SYN" if dropped == 1 else f"the first {dropped} SYNs"
    waits = _needed(known)
    return Finding(
        "proven" if chance <= _SURE else "likely",
        "path",
        "path.forward",
        f"{what} of each connection {'is' if dropped == 1 else 'are'} dropped {case.outcome.stretch}, and its repetition passes"
        + (f" {waits:.1f} s later" if waits else "")
        + ": that is no random loss, but a device that wants to see SYNs repeated, such as a scrubber against floods of SYNs",
        (
            *case.passage(),
            Evidence(
                "path",
                "captures",
                f"in each of {plural(len(known.attempts), 'attempt')} {what} is lost and no other, from another port each",
            ),
            *([case.saw(case.client, "retry schedule", in_time_for(case.timeout, waits))] if waits else []),
        ),
        leg="syn",
        detail={"dropped": dropped, "attempts": len(known.attempts), "needed_s": waits and round(waits, 3)},
        undecided=() if chance <= _SURE else ("more attempts (diagnose_attempts) would distinguish it from chance",),
    )


def in_time_for(timeout: float, waits: float) -> str:
    """Whether an application waits long enough for the SYN that passes."""
    least = math.floor(waits) + 1
    enough = "is long enough for it" if timeout > waits else f"is too short for it, {least} s {'is' if least == 1 else 'are'} enough"
    return f"the SYN that passes is sent {waits:.1f} s after the first one: a timeout of {timeout:g} s {enough}"


def _asks_for_ecn(known: Passages) -> bool:
    """Whether those that were lost asked for ECN and those that passed did not: that is another difference between the two."""
    return all(
        [bool(row.packet.tcp and row.packet.tcp.flags & 0xC0) for row in attempt.of("syn")] == [not came for came in arrived]
        for attempt, arrived in known.attempts
    )


def _needed(known: Passages) -> float | None:
    """How long after the first SYN the first one was sent that passed, in seconds, at most."""
    waits = []
    for attempt, arrived in known.attempts:
        sent = [seen.time for row in attempt.of("syn") for seen in row.seen if seen.direction == "out"]
        at = arrived.index(True)
        if len(sent) > at:
            waits.append(sorted(sent)[at] - min(sent))
    return max(waits, default=None)


@needs(passages)
def _source_ports(case: Case, known: Passages) -> tuple[Passages, float] | None:
    """The passages that source ports decide, and how often chance has those that are lost beside each other."""
    if not known.all_or_none or known.repeated < _REPEATED or min(len(known.lost), len(known.passed)) < 2:
        return None
    ports = sorted((attempt.probe.local_port or 0, not any(arrived)) for attempt, arrived in known.attempts)
    return known, beside_each_other([lost for _port, lost in ports])


@needs(_source_ports)
def _port_range_dropped(case: Case, found: tuple[Passages, float]) -> Finding | None:
    """A filter that knows some of the ephemeral ports only: either all packets of a connection are lost or none, by ranges of its port."""
    known, chance = found
    if chance > _CHANCE:
        return None
    lost, passed = _ranges(known)
    packet = PACKETS[case.outcome.kind]
    in_time = sorted((attempt.probe.started, not any(arrived)) for attempt, arrived in known.attempts)
    at_once = beside_each_other([gone for _time, gone in in_time]) <= _CHANCE
    certainty: Certainty = "proven" if chance <= _SURE and not at_once else "likely"
    forward = case.outcome.kind == "lost_syn"
    side = f"{'from' if forward else 'to'} the client's ports"
    return Finding(
        certainty,
        "path",
        "path.forward" if forward else "path.return",
        f"whether the {packet} passes {case.outcome.stretch} depends on the client's source port: it is lost for {lost}, and passes for "
        f"{passed}",
        (
            *case.passage(),
            case.saw(
                case.client,
                "captures",
                f"all {packet}s {side} {_some(known.lost)} are lost, repetitions as well, and none {side} {_some(known.passed)}",
            ),
        ),
        detail={"lost_ports": _ports(known.lost), "passed_ports": _ports(known.passed)},
        undecided=() if certainty == "proven" else ("more attempts (diagnose_attempts) would distinguish it from chance",),
    )


def _ranges(known: Passages) -> tuple[str, str]:
    """The blocks of ports that were lost, and those that passed, as far as they were tried."""
    blocks: list[tuple[bool, list[int]]] = []
    for port, gone in sorted((attempt.probe.local_port or 0, not any(arrived)) for attempt, arrived in known.attempts):
        if not blocks or blocks[-1][0] != gone:
            blocks.append((gone, []))
        blocks[-1][1].append(port)

    def text(wanted: bool) -> str:
        return " and ".join(f"{ports[0]} to {ports[-1]}" if len(ports) > 1 else str(ports[0]) for gone, ports in blocks if gone == wanted)

    return text(True), text(False)


def _ports(attempts: Sequence[Attempt]) -> list[int | None]:
    return [attempt.probe.local_port for attempt in attempts]


def _some(attempts: Sequence[Attempt]) -> str:
    ports = [str(port) for port in _ports(attempts)]
    return ", ".join(ports[:_MANY_PORTS]) + (f" and {len(ports) - _MANY_PORTS} more" if len(ports) > _MANY_PORTS else "")


@needs(_source_ports)
def _ecmp_member_bad(case: Case, found: tuple[Passages, float]) -> Finding | None:
    """Each attempt, that is each source port, either loses all its packets or none, in no order: one of several paths is bad."""
    known, chance = found
    if chance <= _CHANCE:
        return None
    ranges = ", or a filter drops a range of ports" if chance < 1.0 else ""
    packet, forward = PACKETS[case.outcome.kind], case.outcome.kind == "lost_syn"
    side = "from" if forward else "to"
    return Finding(
        "likely",
        "path",
        "path.forward" if forward else "path.return",
        f"whether the {packet} passes {case.outcome.stretch} depends on the source port: one of several paths is bad{ranges}",
        (
            *case.passage(),
            case.saw(case.client, "captures", f"all {packet}s {side} ports {_some(known.lost)} are lost, none of the others"),
        ),
        detail={"lost_ports": _ports(known.lost), "passed_ports": _ports(known.passed)},
        undecided=("more attempts (diagnose_attempts) would distinguish it from chance",),
    )


_LOST = ("lost_syn", "lost_syn_ack")
CAUSES = (
    Cause(
        "first_syn_dropped",
        "The first SYN of each connection is dropped",
        ("path.forward",),
        ("lost_syn",),
        "Both recordings are complete; in each of four attempts or more the same number of first SYNs is lost, and every later one passes. "
        "In two or three: likely.",
        "A first SYN passes, or a repetition is lost.",
        rule=_first_syn_dropped,
        precedes=("path_loss", "ecn_blackhole", "connect_timeout_too_short"),
        accounts_for=(Accounts("slow", anywhere=True, any_leg=True), Accounts("other_outcome", anywhere=True, any_leg=True)),
    ),
    Cause(
        "port_range_dropped",
        "Packets of a range of source ports are dropped",
        ("path.forward", "path.return"),
        _LOST,
        "Both recordings are complete; each attempt loses all its packets or none, and the source ports of those that do lie beside each "
        "other, as one time in 200 by chance, while their times do not. As one time in 20: likely.",
        "Of one attempt's packets some arrive and some do not.",
        rule=_port_range_dropped,
        precedes=("path_loss",),
        accounts_for=(Accounts("other_outcome", anywhere=True, any_leg=True),),
    ),
    Cause(
        "ecmp_member_bad",
        "One of several paths is bad",
        ("path.forward", "path.return"),
        _LOST,
        "Not provable: each source port either loses all its packets or none, in two attempts or more on either side, whatever its number.",
        "Of one attempt's packets some arrive and some do not.",
        rule=_ecmp_member_bad,
        precedes=("path_loss",),
        accounts_for=(Accounts("other_outcome", anywhere=True, any_leg=True),),
    ),
)
