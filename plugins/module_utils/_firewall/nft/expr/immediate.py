# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Put a constant into a register, or end the rule with a verdict (net/netfilter/nft_immediate.c)."""

from __future__ import annotations

from ...effect import Effect
from .. import fields
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression
from ..fields import Field
from ..wire import Attributes, register, value_or_verdict

NFTA_IMMEDIATE_DREG, NFTA_IMMEDIATE_DATA = 1, 2


class Immediate(Expression):
    """A constant into a register, or a verdict."""

    __slots__ = ("data", "harmless", "target")

    data: bytes | Effect
    target: int

    def __init__(self, about: Attributes) -> None:
        self.target, self.data = register(about, NFTA_IMMEDIATE_DREG), value_or_verdict(about.get(NFTA_IMMEDIATE_DATA, b""))
        self.harmless = isinstance(self.data, bytes)

    def run(self, at: Context) -> Result:
        if isinstance(self.data, bytes):
            at.registers.put(self.target, self.data)
            return None
        return None if self.data == "continue" else self.data

    def describe(self, rule: Describer, at: int) -> None:
        if isinstance(self.data, bytes):
            rule.values[self.target] = self.data
            rule.load(self.target, Field("", fields.hexadecimal, len(self.data)), {at})
        else:
            rule.add(self.data if isinstance(self.data, str) else " ".join(map(str, self.data)), {at}, condition=False)


EXPRESSIONS = {"immediate": Immediate}
