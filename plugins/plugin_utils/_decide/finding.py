# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a rule of the catalogue found, with its evidence and a fix."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from .._model.prose import NOTHING, Wording, worded
from .outcome import Leg

Certainty = Literal["proven", "likely", "possible"]


@dataclass(frozen=True)
class Evidence:
    """One thing that was seen: where, by what means, and what."""

    host: str
    source: str
    observation: Wording

    def __post_init__(self) -> None:
        worded(self, "observation")


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


@dataclass(frozen=True)
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
    _: KW_ONLY
    why: Wording = NOTHING
    steps: tuple[Step, ...] = ()
    saves: Saves | None = None
    undo: tuple[str, ...] = ()
    check: Wording = NOTHING
    simple: str = ""

    def __post_init__(self) -> None:
        worded(self, "summary", "why", "check")


@dataclass(frozen=True)
class Finding:
    """A cause that a rule found in a case."""

    certainty: Certainty
    host: str
    segment: str
    summary: Wording
    evidence: tuple[Evidence, ...]
    _: KW_ONLY
    against: tuple[Evidence, ...] = ()
    leg: Leg | None = None  # None: the leg of the outcome
    detail: dict[str, object] = field(default_factory=dict)
    fix: Fix | None = None
    undecided: tuple[Wording, ...] = ()
    remark: bool = False  # it is normal, and only worth a word: it is no cause, and does not make a flow worse

    def __post_init__(self) -> None:
        worded(self, "summary", "undecided")
