# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Compare a register with an interval (net/netfilter/nft_range.c)."""

from __future__ import annotations

from ...bits import Value, within
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression
from ..wire import Attributes, number, register, value
from .cmp import NFT_CMP_GT, NFT_CMP_LT, QUESTIONS, compare

NFTA_RANGE_SREG, NFTA_RANGE_OP, NFTA_RANGE_FROM_DATA, NFTA_RANGE_TO_DATA = range(1, 5)
NFT_RANGE_NEQ = 1


class Range(Expression):
    """Whether a register lies between two constants, or not."""

    __slots__ = ("first", "last", "negated", "source")
    harmless = True

    def __init__(self, about: Attributes) -> None:
        self.source, self.negated = register(about, NFTA_RANGE_SREG), number(about, NFTA_RANGE_OP) == NFT_RANGE_NEQ
        self.first, self.last = value(about.get(NFTA_RANGE_FROM_DATA, b"")), value(about.get(NFTA_RANGE_TO_DATA, b""))

    def run(self, at: Context) -> Result:
        found = at.registers.get(self.source, len(self.first))
        inside = within(found, self.first, self.last)
        if inside is not None:
            return at.test(inside != self.negated, self.source)
        holds = self._beyond(at, found, NFT_CMP_LT, self.first)
        if holds != self.negated:  # the one end does not decide it
            holds = self._beyond(at, found, NFT_CMP_GT, self.last)
        return at.test(holds, self.source)

    def _beyond(self, at: Context, found: Value, operation: int, end: bytes) -> bool:
        """Whether what is beyond that end makes the condition hold."""
        beyond = compare(found, operation, end)
        if beyond is not None:
            return beyond == self.negated
        return at.ask((QUESTIONS[operation][0], at.field, found, end), self.negated, found)

    def describe(self, rule: Describer, at: int) -> None:
        first, last = (rule.form(self.source, end) for end in (self.first, self.last))
        rule.test(at, self.source, len(self.first), f"{'!= ' if self.negated else ''}{first}-{last}")


EXPRESSIONS = {"range": Range}
