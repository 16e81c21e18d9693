# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Compare a register with a constant (net/netfilter/nft_cmp.c)."""

from __future__ import annotations

from ...bits import Value, bounds, equal
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression
from ..fields import Field
from ..wire import Attributes, DecodeError, number, register, value

NFTA_CMP_SREG, NFTA_CMP_OP, NFTA_CMP_DATA = range(1, 4)
NFT_CMP_EQ, NFT_CMP_NEQ, NFT_CMP_LT, NFT_CMP_LTE, NFT_CMP_GT, NFT_CMP_GTE = range(6)
_SIGNS = ("", "!= ", "< ", "<= ", "> ", ">= ")
QUESTIONS = (("equal", True), ("equal", False), ("less", True), ("more", False), ("more", True), ("less", False))
_CONSTANT = 36  # bytes of a comparison in front of its constant: name, data, register, operation, and the headers of constant and value


class Compare(Expression):
    """A register against a constant, byte by byte (memcmp)."""

    __slots__ = ("data", "operation", "source")
    harmless = True

    def __init__(self, about: Attributes) -> None:
        self.source = register(about, NFTA_CMP_SREG)
        self.operation = number(about, NFTA_CMP_OP)
        self.data = value(about.get(NFTA_CMP_DATA, b""))
        if self.operation > NFT_CMP_GTE:
            raise DecodeError(f"there is no nf_tables comparison {self.operation}")

    def run(self, at: Context) -> Result:
        found = at.registers.get(self.source, len(self.data))
        holds = compare(found, self.operation, self.data)
        if holds is None:
            question, positive = QUESTIONS[self.operation]
            holds = at.ask((question, at.field, found, self.data), positive, found)
        return at.test(holds, self.source)

    def constant_of(self, load: Expression, raw: bytes) -> tuple[int, bytes] | None:
        wanted = self.operation == NFT_CMP_EQ and self.source == load.target and raw[_CONSTANT : _CONSTANT + len(self.data)] == self.data
        return (_CONSTANT, self.data) if wanted else None

    def describe(self, rule: Describer, at: int) -> None:
        register = rule.registers.get(self.source)
        if register is None:
            rule.test(at, self.source, len(self.data), _SIGNS[self.operation] + rule.form(self.source, self.data))
            return
        field, form = register.field, rule.form(self.source, self.data)
        if self._ends_interval(rule, at, field, form):
            return
        whole = register.whole[0] if register.whole is not None and register.whole[0].bits else None
        if whole is not None and register.whole is not None and self.operation in (NFT_CMP_EQ, NFT_CMP_NEQ) and not any(self.data):
            not_any = "! " if self.operation == NFT_CMP_EQ else ""
            rule.test(at, self.source, len(self.data), "").text = f"{whole.name} {not_any}{whole.form(register.whole[2], rule.table.links)}"
            return
        if field.pieces and self.operation == NFT_CMP_EQ:
            part = rule.test(at, self.source, len(self.data), "")
            part.text = " ".join(f"{piece.name} {piece.form(data, rule.table.links)}" for piece, data in field.each(self.data))
            return
        sign = "== " if "&" in field.name and self.operation == NFT_CMP_EQ else _SIGNS[self.operation]
        part = rule.test(at, self.source, len(self.data), f"{sign}{form}")
        if self.operation == NFT_CMP_EQ:
            rule.made_sure(part, field, form)

    def _ends_interval(self, rule: Describer, at: int, field: Field, form: str) -> bool:
        """Whether it has the greatest value of a field of which the test in front of it has the least: 1-1023."""
        last = rule.parts[-1] if rule.parts else None
        if self.operation != NFT_CMP_LTE or last is None or last.into or at - 1 not in last.expressions:
            return False
        if not last.text.startswith(f"{field.name} >= "):
            return False
        last.text = f"{last.text.replace('>= ', '', 1)}-{form}"
        last.expressions.add(at)
        rule.tested[at] = rule.tested.get(at - 1, [])
        return True


def compare(found: Value, operation: int, data: bytes) -> bool | None:
    """`found` against `data`, None when unknown bits decide it."""
    if operation in (NFT_CMP_EQ, NFT_CMP_NEQ):
        same = equal(found, data)
        return None if same is None else same == (operation == NFT_CMP_EQ)
    least, greatest = bounds(found)
    if operation in (NFT_CMP_LT, NFT_CMP_GTE):
        less = _agreed(least < data, greatest < data)
        return None if less is None else less == (operation == NFT_CMP_LT)
    more = _agreed(least > data, greatest > data)
    return None if more is None else more == (operation == NFT_CMP_GT)


def _agreed(one: bool, other: bool) -> bool | None:
    return one if one == other else None


EXPRESSIONS = {"cmp": Compare}
