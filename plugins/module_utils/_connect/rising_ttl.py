# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Packets with a rising TTL, as traceroute sends them: which to send when, whatever they are.

A hop without an answer proves nothing: a Linux router sends one host six ICMP errors at once, then one a second (inet_peer_xrlim_allow in
net/ipv4/inetpeer.c), and others send none. So silent TTLs are tried again, each time all at once, the last time a second later; and a few
behind them are tried once.
"""

from __future__ import annotations

import socket
import time
import typing as t
from collections import Counter

MAX_TTL = 16
WAVE = 4  # TTLs that are sent at once, after the last that is answered, and then as many after these; few reach a silent end
WAVE_TIME = 0.35  # seconds
RATE_TIME = 0.8  # seconds before the last try: with the waves' own time, routers that limit themselves have a second for one more error
TIME_LIMIT = 2.5  # seconds in all
TRIES = 3  # packets with one TTL, as traceroute has it: one of them, or its answer, may be lost
BEYOND = 2  # TTLs after the last that is answered which are tried again: whether they are silent is what is asked

ICMP_ANSWERS: dict[int, dict[int, str]] = {  # types of ICMP (RFC 792) and ICMPv6 (RFC 4443)
    socket.AF_INET: {11: "time_exceeded", 3: "unreachable"},
    socket.AF_INET6: {3: "time_exceeded", 1: "unreachable"},
}


class Step:
    """One packet with one TTL to one end, and who answered it."""

    def __init__(self, end: t.Any, ttl: int) -> None:
        self.end = end
        self.ttl = ttl
        self.answer = "none"
        self.offender: str | None = None


Send = t.Callable[[t.Any, int], t.Optional[Step]]
TakeIn = t.Callable[[t.Sequence[Step], float], None]


def ask(ends: t.Sequence[t.Any], send: Send, take_in: TakeIn) -> list[Step]:
    """Every step to every end. `send` makes one, or None where nothing more can be sent to that end; `take_in` reads answers until all of
    the steps have theirs, or the deadline is over."""
    steps: list[Step] = []
    going = list(ends)

    def wanted() -> list[tuple[t.Any, int, int]]:
        return [(end, ttl, tries) for end in going for ttl, tries in next_ttls([step for step in steps if step.end == end])]

    deadline = time.monotonic() + TIME_LIMIT
    wave = wanted()
    while wave:
        last = all(tries == TRIES - 1 for _end, _ttl, tries in wave)
        begins = time.monotonic() + (RATE_TIME if last else 0.0)
        if begins >= deadline:
            break
        if last:
            take_in([step for step in steps if step.answer == "none"], begins)
            wave = wanted()
        sent = []
        for end, ttl, _tries in wave:
            step = send(end, ttl) if end in going else None
            if step is not None:
                sent.append(step)
            elif end in going:
                going.remove(end)
        steps += sent
        take_in(sent, min(deadline, time.monotonic() + WAVE_TIME))
        wave = wanted()
    return steps


def next_ttls(steps: t.Sequence[Step]) -> list[tuple[int, int]]:
    """The TTLs to send next to an end, each with how often it was sent: those after the last that is answered, and the silent ones up to
    there. None after an answer that is no router's."""
    answered = {step.ttl for step in steps if step.answer != "none"}
    last = max(answered, default=0)
    end = min((step.ttl for step in steps if step.answer not in ("none", "time_exceeded")), default=MAX_TTL + 1)
    tries = Counter(step.ttl for step in steps)
    ahead = WAVE if not tries[last + WAVE] else 2 * WAVE
    return [
        (ttl, tries[ttl])
        for ttl in range(1, min(last + ahead, MAX_TTL, end - 1) + 1)
        if ttl not in answered and tries[ttl] < (TRIES if ttl <= last + BEYOND else 1)
    ]
