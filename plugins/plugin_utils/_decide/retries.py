# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""How likely a handshake completes in time where packets are lost at random, by the retry schedules of both kernels. Pure.

connect() succeeds when a SYN-ACK arrives. Each SYN that arrives is answered, and restarts the wait of the server's timer, which repeats the
SYN-ACK (tcp_check_req() in net/ipv4/tcp_minisocks.c). No round trip has been measured before the handshake, so that the first timeout is
1 s whatever the RTT; tcp_rto_min is of connections.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from ansible_collections.threeway.handshake.plugins.module_utils._connect.schedule import Schedule, syn, syn_ack
from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError

from .._model.network_subjects import GOAL, Outlook

SYN_RETRIES, SYN_ACK_RETRIES = "net.ipv4.tcp_syn_retries", "net.ipv4.tcp_synack_retries"
_DEFAULTS = {SYN_RETRIES: "6", SYN_ACK_RETRIES: "5"}
_MOST_RETRIES, _MOST_SECONDS = 16, 127
"""What is within reason: connect() gives up after 127 s unless somebody has it wait longer."""
_ROUNDING = 1e-9

_HalfOpen = tuple[int, float]  # how often the server's timer has run out, and when it does next


@dataclass(frozen=True, kw_only=True)
class Way:
    """The probability that a packet is lost, by direction, and the round-trip time in seconds."""

    forward: float
    back: float
    rtt: float = 0.0


@dataclass(frozen=True)
class Curve:
    """When connect() succeeds: ascending times, each with the probability that it has succeeded by then."""

    steps: tuple[tuple[float, float], ...]

    def within(self, seconds: float) -> float:
        """The probability that it succeeds in less than so many seconds."""
        return max((probability for moment, probability in self.steps if moment < seconds), default=0.0)

    def reaches(self, goal: float) -> float | None:
        """When that probability is reached; None: never, because the client's kernel gives up before."""
        return next((moment for moment, probability in self.steps if probability >= goal), None)


def curve(way: Way, sent: Schedule, answers: Schedule) -> Curve:
    """From a client that sends SYNs as `sent` has it to a listener that sends SYN-ACKs as `answers` has it.

    Where a SYN arrives as the timer runs out, only one SYN-ACK is counted: which of the two comes first is chance.
    """
    return _Walk(way, sent, answers).curve()


class _Walk:
    """Through the arrivals of SYNs, with the probability of each state in which the handshake has not completed yet."""

    def __init__(self, way: Way, sent: Schedule, answers: Schedule) -> None:
        self.way, self.syns = way, sent
        self.waits = [later - sooner for sooner, later in pairwise((*answers.sent, answers.gives_up))]
        self.states: dict[_HalfOpen | None, float] = {None: 1.0}  # None: the server knows of no SYN
        self.completed: dict[float, float] = defaultdict(float)

    def curve(self) -> Curve:
        for sent in self.syns.sent:
            arrival = sent + self.way.rtt / 2
            self._run_timers(arrival)
            self._arrive(arrival)
        self._run_timers(self.syns.gives_up)
        total, steps = 0.0, []
        for moment in sorted(moment for moment in self.completed if moment < self.syns.gives_up):
            total += self.completed[moment]
            steps.append((moment, total))
        return Curve(tuple(steps))

    def _run_timers(self, until: float) -> None:
        states: dict[_HalfOpen | None, float] = defaultdict(float)
        for state, mass in self.states.items():
            here, left = state, mass
            while here is not None and here[1] < until - _ROUNDING:
                count, moment = here[0] + 1, here[1]
                if count == len(self.waits):
                    here = None  # forgotten
                else:
                    left = self._answer(moment, left)
                    here = count, round(moment + self.waits[count], 9)
            states[here] += left
        self.states = states

    def _arrive(self, arrival: float) -> None:
        states: dict[_HalfOpen | None, float] = defaultdict(float)
        for state, mass in self.states.items():
            states[state] += mass * self.way.forward
            count = state[0] if state else 0
            states[count, round(arrival + self.waits[count], 9)] += self._answer(arrival, mass * (1 - self.way.forward))
        self.states = states

    def _answer(self, moment: float, mass: float) -> float:
        """A SYN-ACK leaves; returns what does not complete by it."""
        self.completed[round(moment + self.way.rtt / 2, 9)] += mass * (1 - self.way.back)
        return mass * self.way.back


def outlook(way: Way, timeout: float, client: Mapping[str, str], server: Mapping[str, str]) -> Outlook:
    """By the application's timeout and the sysctls of both ends, as far as they are known."""
    sent, answers = syns(client), _answers(server)
    found = curve(way, sent, answers)
    ends = min(timeout, sent.gives_up)
    enough, retries = _enough(found), None
    if enough is None and max(way.forward, way.back) < 1:
        for count in range(len(sent.sent), _MOST_RETRIES):
            longer = _enough(curve(way, syns(client, count), answers))
            if longer is not None:
                enough, retries = longer, count
                break
    return Outlook(timeout=ends, by_kernel=sent.gives_up < timeout, through=found.within(ends), enough=enough, retries=retries)


def sentence(outlook: Outlook, lost: str) -> str:
    """In a sentence; ``lost``: which packets are, and how many."""
    until = f"tcp_syn_retries, which ends them after {outlook.timeout:g} s," if outlook.by_kernel else f"a timeout of {outlook.timeout:g} s"
    through = f"with {lost} lost at random, {until} lets {_percent(outlook.through)} of handshakes through"
    if outlook.through >= GOAL:
        return through
    if outlook.enough is None:
        return f"{through}, and no retries within reason reach {_percent(GOAL)}"
    more = f" with tcp_syn_retries of {outlook.retries}" if outlook.retries is not None else ""
    return f"{through}; {outlook.enough} s{more} {'reach' if more else 'reaches'} {_percent(GOAL)}"


def _percent(share: float) -> str:
    """Never rounded up to all of them."""
    return f"{math.floor(share * 1000 + _ROUNDING) / 10:g} %"


def _enough(found: Curve) -> int | None:
    moment = found.reaches(GOAL)
    return None if moment is None or moment >= _MOST_SECONDS else math.floor(moment) + 1


def syns(sysctls: Mapping[str, str], retries: int | None = None) -> Schedule:
    """When a client's kernel sends SYNs, by its sysctls as far as they are known."""
    try:
        return syn({**_DEFAULTS, **sysctls}, retries)
    except DecodeError:
        return syn(_DEFAULTS, retries)


def _answers(sysctls: Mapping[str, str]) -> Schedule:
    try:
        return syn_ack({**_DEFAULTS, **sysctls})
    except DecodeError:
        return syn_ack(_DEFAULTS)
