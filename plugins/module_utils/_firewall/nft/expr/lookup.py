# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Look up a key in a set, or a value or a verdict in a map (net/netfilter/nft_lookup.c)."""

from __future__ import annotations

from ...bits import Value
from ...effect import Effect
from ...evaluation import UnsupportedError
from .. import fields
from ..context import BREAK, Context, Result, kind_of
from ..describer import Describer
from ..expression import Expression
from ..fields import Field
from ..looked import Looked
from ..sets import EVAL, Element, Set
from ..wire import Attributes, name, number, register

NFTA_LOOKUP_SET, NFTA_LOOKUP_SREG, NFTA_LOOKUP_DREG, NFTA_LOOKUP_SET_ID, NFTA_LOOKUP_FLAGS = range(1, 6)
NFT_LOOKUP_F_INV = 1
_VERDICT = -1  # the register of a map of verdicts


class Lookup(Expression):
    """Whether a key is in a set; a map also gives a value or a verdict."""

    __slots__ = ("harmless", "inverted", "name", "source", "target")

    def __init__(self, about: Attributes) -> None:
        self.name, self.source = name(about, NFTA_LOOKUP_SET), register(about, NFTA_LOOKUP_SREG)
        self.target = register(about, NFTA_LOOKUP_DREG) if NFTA_LOOKUP_DREG in about else None
        self.harmless = self.target != _VERDICT
        self.inverted = bool(number(about, NFTA_LOOKUP_FLAGS, 0) & NFT_LOOKUP_F_INV)

    def run(self, at: Context) -> Result:
        found_set = at.table.set(self.name)
        key = at.registers.get(self.source, found_set.about.key_length)
        if self.inverted and found_set.catchall is not None:
            raise UnsupportedError(f"kernels differ in what is not in set {self.name}, which has a catch-all element")
        element = meet(at, found_set, key)
        named = not self.name.startswith("__") and (element is None or element is not found_set.catchall)
        if named and isinstance(key, bytes) and not at.ahead:
            at.evaluation.looked.append(Looked(at.asking, found_set, key, element))
        if (element is None) != self.inverted:
            at.seen = at.registers.get(self.source, 64)
            return BREAK
        return self._met(at, element) if element is not None else None

    def _met(self, at: Context, element: Element) -> Result:
        verdict: Effect | None = None
        if self.target == _VERDICT:
            verdict = element.data if isinstance(element.data, (str, tuple)) else None
        elif self.target is not None and isinstance(element.data, bytes):
            at.registers.put(self.target, element.data)
        for each in element.expressions:
            if each.run(at) is not None:
                return BREAK
        return None if verdict == "continue" else verdict

    def describe(self, rule: Describer, at: int) -> None:
        key, _loads, _layers = rule.fields(self.source)
        members, width = rule.members(self.name, key)
        if self.target is None:
            rule.test(at, self.source, width, f"{'!= ' if self.inverted else ''}{members}")
        elif self.target == _VERDICT:
            rule.test(at, self.source, width, f"vmap {members}")
        else:
            part = rule.test(at, self.source, width, f"map {members}")
            part.shown = False
            rule.load(self.target, Field(part.text, fields.hexadecimal, 4), part.expressions)


def meet(at: Context, found_set: Set, key: Value) -> Element | None:
    """The element that a key meets, those that this packet's rules added or removed included; chosen where bits of it are unknown."""
    if isinstance(key, bytes):
        without = at.evaluation.changed_sets.get(("nft", *at.table.key, found_set.about.name), ())
        element = found_set.find(key, without) if without is not None else Element(key, key, None, None, ())
        if found_set.about.flags & EVAL:
            added = at.evaluation.memory.get(("added", at.table.key, found_set.about.name), {})
            element = added.get(key, element)
        return element or found_set.catchall
    candidates, or_none = found_set.possible(key)
    outcomes = {(each.data, each.name, each.expressions): each for each in candidates}
    if or_none and found_set.catchall is not None:
        outcomes.setdefault((found_set.catchall.data, found_set.catchall.name, found_set.catchall.expressions), found_set.catchall)
        or_none = False
    several = list(outcomes.values())
    if len(several) == 1 and not or_none:
        return several[0]
    for place, element in enumerate(several):
        if not or_none and place == len(several) - 1:
            return element
        reason = None if len(several) == 1 else f"which element of set {found_set.about.name} it meets"
        if at.choose(reason, (at.table.key, found_set.about.name, key, place), kind_of(key)):
            return element
    return None


EXPRESSIONS = {"lookup": Lookup}
