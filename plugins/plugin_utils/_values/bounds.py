# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""How much a host may answer: counted in its text, before a parser makes a hundred bytes of every value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_STRING = re.compile(r'"[^"]*"?')
_NO_BRACKET = re.compile(r"[^][{}]+")
_PER_ATTEMPT_VALUES, _PER_ATTEMPT_CHARACTERS = 100, 4096
_PER_PAIR_VALUES, _PER_PAIR_CHARACTERS = 200, 8192
_MOST_DIALLED = 4
"""Addresses of a name that a client dials, on average over all of its names."""


@dataclass(frozen=True)
class Bounds:
    """What honest answers stay far below: those of large hosts have a few thousand values for each handshake whose firewall is asked about,
    100 at the most, and a recording of 20,000 packets takes 3 MB."""

    characters: int = 16 << 20
    values: int = 300_000
    depth: int = 40

    def exceeded_by(self, text: str) -> str | None:
        """The sentence that says which limit a JSON text exceeds, in linear time and without parsing it."""
        if len(text) > self.characters:
            return f"the host returned {len(text)} characters; the limit is {self.characters}"
        outside = _STRING.sub("", text.replace("\\\\", "").replace('\\"', ""))
        values = outside.count(",") + outside.count("[") + outside.count("{")
        if values > self.values:
            return f"the host's answer has about {values} values; the limit is {self.values}"
        depth = deepest = 0
        for bracket in _NO_BRACKET.sub("", outside):
            depth += 1 if bracket in "[{" else -1
            deepest = max(deepest, depth)
        return f"the host's answer is nested {deepest} levels deep; the limit is {self.depth}" if deepest > self.depth else None


def bounds_of(order: Mapping[str, Any]) -> Bounds:
    """For the answer to a work order: a client that dials thousands of destinations has more to tell."""
    attempts = sum(dial["attempts"] for dials in ("dials", "bypass") for dial in order.get(dials, ())) * _MOST_DIALLED
    pairs = len(order.get("pairs", ()))
    return Bounds(
        Bounds.characters + attempts * _PER_ATTEMPT_CHARACTERS + pairs * _PER_PAIR_CHARACTERS,
        Bounds.values + attempts * _PER_ATTEMPT_VALUES + pairs * _PER_PAIR_VALUES,
    )
