# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Add a key to a set, keep it there, or delete it (net/netfilter/nft_dynset.c)."""

from __future__ import annotations

import ipaddress
import typing as t

from ...bits import known
from ...evaluation import FULL, Action
from ..context import BREAK, Context, Result
from ..describer import Describer
from ..expression import Expression
from ..fields import Field
from ..sets import Element
from ..wire import Attributes, attribute_list, name, number, register
from .lookup import meet

(NFTA_DYNSET_SET_NAME, NFTA_DYNSET_SET_ID, NFTA_DYNSET_OP, NFTA_DYNSET_SREG_KEY, NFTA_DYNSET_SREG_DATA, NFTA_DYNSET_TIMEOUT,
 NFTA_DYNSET_EXPR, _PAD, NFTA_DYNSET_FLAGS, NFTA_DYNSET_EXPRESSIONS) = range(1, 11)  # fmt: skip
NFT_DYNSET_OP_DELETE = 2
NFT_DYNSET_F_INV = 1
_OPERATIONS = ("add", "update", "delete")


class Dynset(Expression):
    """Adds a key to a set, or keeps it there; its expressions (a limit for each source, say) then decide."""

    __slots__ = ("expressions", "fills", "inverted", "key", "name", "operation", "raw", "timeout", "tracks", "value")
    condition = True

    def __init__(self, about: Attributes) -> None:
        self.name = name(about, NFTA_DYNSET_SET_NAME)
        self.operation = number(about, NFTA_DYNSET_OP)
        self.fills = None if self.operation == NFT_DYNSET_OP_DELETE else self.name
        self.key = register(about, NFTA_DYNSET_SREG_KEY)
        self.value = register(about, NFTA_DYNSET_SREG_DATA) if NFTA_DYNSET_SREG_DATA in about else None
        self.timeout = int.from_bytes(about.get(NFTA_DYNSET_TIMEOUT, b""), "big")  # milliseconds
        self.inverted = bool(number(about, NFTA_DYNSET_FLAGS, 0) & NFT_DYNSET_F_INV)
        several = [each for _kind, each in attribute_list(about.get(NFTA_DYNSET_EXPRESSIONS, b""))]
        self.raw = [about[NFTA_DYNSET_EXPR]] if NFTA_DYNSET_EXPR in about else several
        self.expressions: tuple[Expression, ...] = ()
        self.tracks = False

    def contain(self, expressions: t.Sequence[Expression]) -> None:
        """What a new element gets."""
        self.expressions = tuple(expressions)
        self.tracks = any(each.tracks for each in expressions)

    def run(self, at: Context) -> Result:
        found_set = at.table.set(self.name)
        key = at.registers.get(self.key, found_set.about.key_length)
        sure = known(key)
        added: dict[bytes, Element | None] = at.evaluation.memory.setdefault(("added", at.table.key, self.name), {})
        if self.operation == NFT_DYNSET_OP_DELETE:
            if sure is not None:
                added[sure] = None
            return None
        old = meet(at, found_set, key) if sure is None or sure not in added else added[sure]
        if old is found_set.catchall:  # which a key that is added does not meet
            old = None
        there = found_set.count + sum(each is not None for each in added.values())  # what is deleted takes its room until it is collected
        if old is None and 0 < found_set.about.size <= there:
            if not at.ahead:
                at.done.append(Action(FULL, self.name))
            return None if self.inverted else BREAK
        results = (each.run(at) for each in old.expressions) if old is not None else (each.run_fresh(at) for each in self.expressions)
        stopped = any(result is not None for result in results)
        self._keep(at, added, sure, old, found_set.about.data_length)
        return BREAK if stopped or self.inverted else None

    def _keep(self, at: Context, added: dict[bytes, Element | None], key: bytes | None, old: Element | None, length: int) -> None:
        """For lookups of the same packet that follow."""
        if key is None or old is not None:
            return
        data = at.registers.get(self.value, length) if self.value is not None else None
        added[key] = Element(key, key, known(data) if data is not None else None, None, self.expressions)
        at.done.append(Action("add", f"set {self.name}"))

    def describe(self, rule: Describer, at: int) -> None:
        _key, loads, layers = rule.fields(self.key)
        rule.add(self.text(rule), loads | {at}, condition=True, layers=layers)

    def text(self, rule: Describer) -> str:
        fields, _loads, _layers = rule.fields(self.key)
        key = " . ".join(field.name or self._constant(rule, at, fields) for at, field in enumerate(fields))
        ages = [f"timeout {_age(self.timeout)}"] if self.timeout else []
        done = [each.text(rule) for each in self.expressions if each.stateful]
        operation = _OPERATIONS[self.operation] if self.operation < len(_OPERATIONS) else "change"
        return f"{operation} @{self.name} {{ {' '.join([key, *ages, *done])} }}"

    def _constant(self, rule: Describer, at: int, fields: t.Sequence[Field]) -> str:
        """A constant that is a field of the key."""
        register = self.key + sum(max((field.length + 3) & ~3, 4) for field in fields[:at])
        data = rule.values.get(register, b"")
        return str(ipaddress.ip_address(data)) if len(data) in (4, 16) else str(int.from_bytes(data, "big"))


def _age(milliseconds: int) -> str:
    """As nft writes times: 1d2h3m4s5ms."""
    words, rest = "", milliseconds
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, length)
        words += f"{count}{unit}" if count else ""
    return words


EXPRESSIONS = {"dynset": Dynset}
