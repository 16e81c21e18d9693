# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Expressions that look up sets and objects: lookup, dynset, objref. Sources: net/netfilter/nft_{lookup,dynset,objref}.c."""

from __future__ import annotations

import typing as t

from ..bits import Value, known
from ..effect import Effect
from ..evaluation import Action, UnsupportedError
from .context import BREAK, Context, Result, kind_of
from .limits import Stateful
from .operations import Expression
from .sets import EVAL, Element, Set
from .wire import Attributes, attribute_list, name, number, register

INVERTED = 1
ADD, UPDATE, DELETE = range(3)
DYNSET_INVERTED = 1


class Lookup(Expression):
    """Whether a key is in a set; a map also gives a value or a verdict."""

    __slots__ = ("inverted", "name", "source", "target")

    def __init__(self, about: Attributes) -> None:
        self.name, self.source = name(about, 1), register(about, 2)
        self.target = register(about, 3) if 3 in about else None
        self.inverted = bool(number(about, 5, 0) & INVERTED)

    def run(self, at: Context) -> Result:
        found_set = at.table.set(self.name)
        key = at.registers.get(self.source, found_set.about.key_length)
        if self.inverted and found_set.catchall is not None:
            raise UnsupportedError(f"kernels differ in what is not in set {self.name}, which has a catch-all element")
        element = meet(at, found_set, key)
        if (element is None) != self.inverted:
            at.seen = at.registers.get(self.source, 64)
            return BREAK
        return self._met(at, element) if element is not None else None

    def _met(self, at: Context, element: Element) -> Result:
        verdict: Effect | None = None
        if self.target == -1:
            verdict = element.data if isinstance(element.data, (str, tuple)) else None
        elif self.target is not None and isinstance(element.data, bytes):
            at.registers.put(self.target, element.data)
        for each in element.expressions:
            if each.run(at) is not None:
                return BREAK
        return None if verdict == "continue" else verdict


class Dynset(Expression):
    """Adds a key to a set, or keeps it there; its expressions (a limit for each source, say) then decide."""

    __slots__ = ("expressions", "inverted", "key", "name", "operation", "timeout", "tracks", "value")

    def __init__(self, about: Attributes, expressions: t.Sequence[Expression]) -> None:
        self.name, self.operation, self.key = name(about, 1), number(about, 3), register(about, 4)
        self.value = register(about, 5) if 5 in about else None
        self.timeout = int.from_bytes(about.get(6, b""), "big")  # milliseconds
        self.inverted = bool(number(about, 9, 0) & DYNSET_INVERTED)
        self.expressions = tuple(expressions)
        self.tracks = any(each.tracks for each in expressions)

    def run(self, at: Context) -> Result:
        found_set = at.table.set(self.name)
        key = at.registers.get(self.key, found_set.about.key_length)
        sure = known(key)
        added: dict[bytes, Element | None] = at.evaluation.memory.setdefault(("added", at.table.key, self.name), {})
        if self.operation == DELETE:
            if sure is not None:
                added[sure] = None
            return None
        old = meet(at, found_set, key) if sure is None or sure not in added else added[sure]
        crowded = old is None and 0 < found_set.about.size <= found_set.count + len(added)
        if crowded and at.choose(f"whether set {self.name} is full", ("full", at.table.key, self.name)):
            return None if self.inverted else BREAK
        for each in old.expressions if old is not None else self.expressions:
            result = each.run(at) if old is not None or not isinstance(each, Stateful) else each.run_fresh(at)
            if result is not None:
                self._keep(at, added, sure, old, found_set.about.data_length)
                return BREAK
        self._keep(at, added, sure, old, found_set.about.data_length)
        return BREAK if self.inverted else None

    def _keep(self, at: Context, added: dict[bytes, Element | None], key: bytes | None, old: Element | None, length: int) -> None:
        """For lookups of the same packet that follow."""
        if key is None or old is not None:
            return
        data = at.registers.get(self.value, length) if self.value is not None else None
        added[key] = Element(key, key, known(data) if data is not None else None, None, self.expressions)
        at.done.append(Action("add", f"set {self.name}"))


class ObjectReference(Expression):
    """Runs a named object: counter, quota, limit ..., directly or by a map."""

    __slots__ = ("kind", "name", "set", "source")

    def __init__(self, about: Attributes) -> None:
        self.kind = number(about, 1, 0)
        self.name = name(about, 2) if 2 in about else None
        self.set: str | None = None if self.name is not None else name(about, 4)
        self.source = -1 if self.name is not None else register(about, 3)

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


def meet(at: Context, found_set: Set, key: Value) -> Element | None:
    """The element that a key meets, those that this packet's rules added or removed included; chosen where bits of it are unknown."""
    if isinstance(key, bytes):
        element = found_set.find(key)
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


def dynset(about: Attributes, decode: t.Callable[[bytes], Expression]) -> Dynset:
    """With the expressions that a new element gets."""
    raw = [about[7]] if 7 in about else [each for _kind, each in attribute_list(about.get(10, b""))]
    return Dynset(about, [decode(each) for each in raw])
