# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""How long a diagnosis waits for a host, so that no host makes the others' recordings end before they are fetched. Pure.

Ansible goes on to the next phase when all hosts have answered, and serves `forks` of them at a time. Recorders run from the first phase to
the last: their lifetime is what the three phases may take together, and a host is waited for no longer than that allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, asdict, dataclass
from typing import Any

MAX_RECORDER_SECONDS = 900
MARGIN = 30.0
"""Seconds that a recorder lives longer than the phases may take."""
REACH = 8.0
"""Seconds within which a host that is well has answered, beside what its task takes."""
LEAST = 5.0
"""Seconds that a host is given in any case, however late its turn comes: many healthy hosts are not taken for hosts that hang."""


@dataclass(frozen=True)
class Deadlines:
    """For the phases that open, try, and close. Times in seconds."""

    patience: float
    """How long a host is waited for."""
    attempts: float
    """How much longer a client, whose task is to wait for answers."""
    opened: float
    """After the first task of the phase that opens: when the last host must have answered."""
    tried: float
    closed: float
    _keywords: KW_ONLY
    before: float = 0.0
    """How long a slice waits before its clients try, so that the other slices record by then."""
    after: float = 0.0
    """How long it waits afterwards, so that the other slices' clients have tried by then."""

    @property
    def recorder_seconds(self) -> int:
        """How long recorders live."""
        return math.ceil(min(MAX_RECORDER_SECONDS, self.closed + MARGIN))

    def seconds(self, phase: str, elapsed: float) -> float:
        """How long to wait for a host in a phase, `elapsed` after the first task of the phase that opens."""
        most = self.patience + (self.attempts if phase.endswith("try") else 0.0)
        end = self.opened if phase.endswith("open") else self.tried if phase.endswith("try") else self.closed
        return min(most, max(end - elapsed, LEAST + most - self.patience))

    def waits(self) -> dict[str, dict[str, float]]:
        """For people who watch: how long each phase takes where all hosts are well, beside what a task takes, and how long at most."""
        lengths = {"open": self.opened, "try": self.tried - self.opened, "close": self.closed - self.tried}
        return {
            phase: {"usually": round(self.attempts if phase == "try" else 0.0, 1), "at_most": round(length, 1)}
            for phase, length in lengths.items()
        }

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def lost_to_failures(answers: Iterable[Mapping[str, Mapping[str, Any]]], forks: int) -> float:
    """The seconds that a diagnosis spent only because hosts returned nothing. `answers`: of each host by phase."""
    asked: dict[str, list[tuple[float, bool]]] = {}
    for phases in answers:
        for phase, answer in phases.items():
            asked.setdefault(phase, []).append((float(answer.get("seconds") or 0.0), answer["failure"] is None))
    return sum(
        _least_length([took for took, _well in hosts], forks) - _least_length([took for took, well in hosts if well], forks)
        for hosts in asked.values()
    )


def _least_length(took: list[float], forks: int) -> float:
    """Of a phase in which hosts take so long, so many of them at a time."""
    return max([*took, sum(took) / max(1, forks)])


def deadlines(
    clients: int, recorders: int, attempts: float, forks: int, host_timeout: float, within: float = 0.0, overlap: float = 0.0
) -> Deadlines:
    """For so many clients whose attempts take so long, and so many hosts that record.

    `host_timeout`: the most that a host is waited for, 0 for as long as recorders can live. `within`: what all may take, 0 for that.
    `overlap`: within how many seconds all slices begin, 0 where there is one.
    """
    before, after = (math.ceil(overlap), math.ceil(overlap + attempts)) if overlap else (0, 0)
    total = max(LEAST, min(within or math.inf, MAX_RECORDER_SECONDS - MARGIN) - before - after)
    patience = max(LEAST, min(host_timeout or math.inf, total / 4))

    def phase(hosts: int, each: float) -> float:
        turns = math.ceil(hosts / max(1, forks))
        return min(turns * (patience + each), turns * (REACH + each) + 2 * patience)

    opened, tried = phase(recorders, 0.0), phase(clients, attempts)
    scale = min(1.0, total / max(1.0, 2 * opened + tried))
    opened, tried = opened * scale, tried * scale
    until = opened + before + tried
    return Deadlines(
        round(patience, 1), attempts, round(opened, 1), round(until, 1), round(until + after + opened, 1), before=before, after=after
    )
