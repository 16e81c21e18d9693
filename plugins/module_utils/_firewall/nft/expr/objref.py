# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Run a named object: a counter, a quota, a limit ..., directly or by a map (net/netfilter/nft_objref.c)."""

from __future__ import annotations

from ...evaluation import UnsupportedError
from ..context import BREAK, Context, Result
from ..describer import Describer
from ..expression import Expression
from ..wire import Attributes, name, number, register
from .lookup import meet

NFTA_OBJREF_IMM_TYPE, NFTA_OBJREF_IMM_NAME, NFTA_OBJREF_SET_SREG, NFTA_OBJREF_SET_NAME = range(1, 5)


class ObjectReference(Expression):
    """Runs a named object: counter, quota, limit ..., directly or by a map."""

    __slots__ = ("kind", "name", "set", "source")
    condition = True

    def __init__(self, about: Attributes) -> None:
        self.kind = number(about, NFTA_OBJREF_IMM_TYPE, 0)
        self.name = name(about, NFTA_OBJREF_IMM_NAME) if NFTA_OBJREF_IMM_NAME in about else None
        self.set: str | None = None if self.name is not None else name(about, NFTA_OBJREF_SET_NAME)
        self.source = -1 if self.name is not None else register(about, NFTA_OBJREF_SET_SREG)

    def run(self, at: Context) -> Result:
        chosen, kind = self.name, self.kind
        if self.set is not None:
            found_set = at.table.set(self.set)
            key = at.registers.get(self.source, found_set.about.key_length)
            element = meet(at, found_set, key)
            if element is None:
                at.seen = key
                return BREAK
            chosen, kind = element.name, at.table.object_kind(self.set)
        if chosen is None:
            raise UnsupportedError(f"an element of map {self.set} names no object")
        return at.table.object(kind, chosen).run(at)

    def describe(self, rule: Describer, at: int) -> None:
        if self.set is None:
            super().describe(rule, at)
            return
        _key, loads, layers = rule.fields(self.source)
        rule.add(self.text(rule), loads | {at}, condition=True, layers=layers)

    def text(self, rule: Describer) -> str:
        if self.set is None:
            return f'{rule.table.object_words(self.kind)} "{self.name}"'
        key, _loads, _layers = rule.fields(self.source)
        which = f"{' . '.join(field.name for field in key)} map {rule.members(self.set, key)[0]}"
        return f"{rule.table.object_words(self._kind(rule))} {which}"

    def _kind(self, rule: Describer) -> int:
        """Of which type the objects of the map are."""
        try:
            return rule.table.set(self.set or "").about.object_type
        except UnsupportedError:
            return 0


EXPRESSIONS = {"objref": ObjectReference}
