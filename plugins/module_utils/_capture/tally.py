# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The handshakes of a capture in numbers: by their outcomes and states, and how often their packets were repeated."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .course import Course
from .handshake import CUT_OFF, OUTCOMES


class Tally:
    """Counts handshakes that are over, each by the course that it took."""

    def __init__(self) -> None:
        self.stray_resets = 0
        """RSTs that belong to no handshake."""
        self._outcomes: Counter[str] = Counter()
        self._states: Counter[str] = Counter()
        self._completeness: Counter[int] = Counter()
        self._again = [0, 0]
        """Of SYNs and of SYN-ACKs, the retransmissions."""

    @property
    def handshakes(self) -> int:
        return sum(self._outcomes.values())

    def add(self, course: Course, count: int = 1) -> None:
        """So many handshakes that took this course."""
        self._outcomes[course.outcome] += count
        self._states[course.state] += count
        self._completeness[course.bits] += count
        for place, again in enumerate(course.again):
            self._again[place] += again * count

    def cut_off(self, course: Course) -> None:
        """One of those that took this course has no outcome: the capture ended before."""
        self._outcomes[course.outcome] -= 1
        self._outcomes[CUT_OFF] += 1

    def record(self) -> dict[str, Any]:
        return {
            "counts": {outcome: self._outcomes[outcome] for outcome in OUTCOMES},
            "conn_states": dict(sorted(self._states.items())),
            "completeness": {str(bits): count for bits, count in sorted(self._completeness.items())},
            "retransmissions": {"syn": self._again[0], "syn_ack": self._again[1]},
            "stray_resets": self.stray_resets,
        }
