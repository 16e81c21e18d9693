# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a run waits for, in a line: which task, which hosts, and how long still. Times are in seconds, by the caller's clock."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from .._values.text import NAME, cells, clean, clip

_SOON = 3.0
"""Seconds after which the line of a task of unknown length says how long it has taken."""


@dataclass
class Waiting:
    """A task that runs. ``usually`` and ``at_most``: how long it takes, where that is known."""

    what: str
    begun: float
    hosts: dict[str, None] = field(default_factory=dict)
    """That are awaited."""
    usually: float = 0.0
    at_most: float = 0.0

    def expect(self, hosts: Iterable[str]) -> None:
        self.hosts.update(dict.fromkeys(hosts))

    def answered(self, host: str) -> None:
        self.hosts.pop(host, None)

    def line(self, now: float, width: int) -> str:
        """One line of at most ``width`` columns; names of hosts give way first."""
        what, still = clean(self.what, NAME), self._still(now)
        end = f"; {still}" if still else ""
        names = [clean(host, NAME) for host in list(self.hosts)]  # another thread takes them out
        for shown in range(len(names), 0, -1):
            more = f" and {len(names) - shown} more" if shown < len(names) else ""
            line = f"{what}: {', '.join(names[:shown])}{more}{end}"
            if cells(line) <= width:
                return line
        return clip(f"{what}: {len(names)} hosts{end}" if names else f"{what}{end}", width)

    def _still(self, now: float) -> str:
        elapsed = now - self.begun
        if elapsed < self.usually:
            return f"about {math.ceil(self.usually - elapsed)} s more"
        if elapsed < _SOON:
            return ""
        return f"at most {math.ceil(self.at_most - elapsed)} s more" if elapsed < self.at_most else f"{elapsed:.0f} s so far"
