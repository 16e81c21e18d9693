# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a fix is: of a cause, or of a difference from a baseline."""

from __future__ import annotations

from dataclasses import dataclass

from .prose import NOTHING, Wording, worded
from .rehearsals import Rehearsed


@dataclass(frozen=True)
class Step:
    """One idempotent change on a host: a module by its full name with its arguments, and the same for a shell of that host."""

    module: str
    arguments: dict[str, object]
    command: str


@dataclass(frozen=True)
class Saves:
    """What the guard must save before the steps of a fix are taken, as option ``saves`` of module guard has it."""

    sysctls: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    firewall: bool = False
    routes: bool = False
    neighbours: bool = False


@dataclass(frozen=True, kw_only=True)
class Fix:
    """A way to mend a cause. Without ``steps`` it is for people only.

    ``risk``: low, disruptive or advice. ``commands``: the same for a shell on the host, where that is known; ``undo`` takes them back.
    ``check`` says how to see that it worked. ``simple`` is what people would type, which opens more than the flow needs.
    """

    kind: str
    host: str
    summary: Wording
    risk: str = "low"
    commands: tuple[str, ...] = ()
    why: Wording = NOTHING
    steps: tuple[Step, ...] = ()
    saves: Saves | None = None
    undo: tuple[str, ...] = ()
    check: Wording = NOTHING
    simple: str = ""
    packets: tuple[dict[str, object], ...] = ()
    """What a change of a firewall must let through, as questions to module firewall_info: it is rehearsed before it is made."""
    rehearsed: Rehearsed | None = None
    """The outcome of that in the diagnosis; None of what is no change of a firewall."""

    def __post_init__(self) -> None:
        worded(self, "summary", "why", "check")
