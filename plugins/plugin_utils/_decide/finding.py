# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a rule of the catalogue found, with its evidence."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from enum import IntEnum
from typing import Literal, TypeVar

from .._model.prose import Wording, worded
from .outcome import Leg

T = TypeVar("T")
Certainty = Literal["proven", "likely", "possible"]


class Weight(IntEnum):
    """What a piece of evidence says about a cause; evidence is reported in this order."""

    WORDS = 0  # of the program at fault itself
    CAUSE = 1
    OUTCOME = 2  # only how the packets ended, which leg and segment say, too


@dataclass(frozen=True)
class Evidence:
    """One thing that was seen: where, by what means, and what."""

    host: str
    source: str
    observation: Wording
    weight: Weight = Weight.CAUSE

    def __post_init__(self) -> None:
        worded(self, "observation")


@dataclass(frozen=True)
class Finding:
    """A cause that a rule found in a case, without its fix, which is in `_fix/catalogue.py`."""

    certainty: Certainty
    host: str
    segment: str
    summary: Wording
    evidence: tuple[Evidence, ...]
    _keywords: KW_ONLY
    against: tuple[Evidence, ...] = ()
    leg: Leg | None = None  # None: the leg of the outcome
    detail: dict[str, object] = field(default_factory=dict)
    subject: object = None  # what it is about, for its fix: a record of the evidence, or one of _model/*_subjects.py
    undecided: tuple[Wording, ...] = ()
    remark: bool = False  # it is normal, and only worth a remark: it is no cause, and does not make a flow worse

    def __post_init__(self) -> None:
        worded(self, "summary", "undecided")
        object.__setattr__(self, "evidence", tuple(sorted(self.evidence, key=lambda seen: seen.weight)))

    def about(self, kind: type[T]) -> T | None:
        """The subject, if it is of that kind."""
        return self.subject if isinstance(self.subject, kind) else None
