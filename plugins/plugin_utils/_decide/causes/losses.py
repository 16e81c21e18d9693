# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Which packets were lost between two ends, and what so few of them show."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import comb

from ..._model.network_subjects import Outlook
from .. import retries
from ..case import Case
from ..timeline import Attempt

_KINDS = {"lost_syn": ("syn",), "lost_syn_ack": ("syn_ack",), "lost_ack": ("ack", "fin", "data")}


def departures(case: Case, forward: bool, kinds: Sequence[str] = ()) -> list[tuple[Attempt, list[tuple[float, bool]]]]:
    """Of each attempt, when packets of the lost kind, or of ``kinds``, left one end, by the client's clock, and whether they came.

    Without those of which the recordings do not show it: a server repeats its SYN-ACK long after the client's recorder has stopped, and one
    of before may still have been on its way.
    """
    here, there = (case.client.name, case.server.name) if case.server else ("", "")
    if not forward:
        here, there = there, here
    kinds = kinds or _KINDS[case.outcome.kind]
    found = [
        (
            attempt,
            [
                (attempt.when(seen), attempt.when(came) if (came := row.at(there, "in")) else None)
                for kind in kinds
                for row in attempt.of(kind)
                if (seen := row.at(here, "out"))
            ],
        )
        for attempt in case.attempts
    ]
    until = case.client.recorded_until or 0.0
    way = max((came - sent for _attempt, rows in found for sent, came in rows if came is not None), default=0.0)
    return [
        (attempt, [(sent, came is not None) for sent, came in rows if came is not None or sent + way < until]) for attempt, rows in found
    ]


def outlook(case: Case) -> tuple[Outlook, str]:
    """What happens to handshakes if SYNs and SYN-ACKs go on to be lost at this rate, at random; and which and how many are lost, in words.

    For cases of which both ends recorded everything.
    """
    forward, back = (_rate(departures(case, forward=kind == "syn", kinds=(kind,))) for kind in ("syn", "syn_ack"))
    times = [attempt.probe.elapsed_ms for attempt in case.attempts if attempt.probe.connected and attempt.probe.elapsed_ms is not None]
    client, server = ((host.snapshot.sysctls if host and host.snapshot else None) or {} for host in (case.client, case.server))
    way = retries.Way(forward=forward, back=back, rtt=min(times, default=0.0) / 1000)
    shares = [f"{100 * rate:.0f} % of {packet}s" for rate, packet in ((forward, "SYN"), (back, "SYN-ACK")) if rate]
    return retries.outlook(way, case.timeout, client, server), " and ".join(shares)


def _rate(packets: Sequence[tuple[Attempt, list[tuple[float, bool]]]]) -> float:
    """The share that is lost."""
    arrived = [came for _attempt, sent in packets for _moment, came in sent]
    return arrived.count(False) / len(arrived) if arrived else 0.0


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """The 95 % confidence interval of a rate (Wilson, 1927)."""
    z, rate = 1.96, hits / trials
    middle, spread = rate + z * z / (2 * trials), z * ((rate * (1 - rate) + z * z / (4 * trials)) / trials) ** 0.5
    return max(0.0, (middle - spread) / (1 + z * z / trials)), min(1.0, (middle + spread) / (1 + z * z / trials))


def beside_each_other(marks: Sequence[bool]) -> float:
    """How often chance has those that are marked, or those that are not, in one block as these are; 1.0 where they are in several."""
    edges = sum(one != other for one, other in pairwise(marks))
    if not 1 <= edges <= 2:
        return 1.0
    some = sum(marks)
    return min(1.0, (2 if edges == 1 else len(marks)) / comb(len(marks), some))
