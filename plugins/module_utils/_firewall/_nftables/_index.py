# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A long chain's rules by what they test first, so that a packet asks a dictionary for its candidates instead of every rule.

Most long chains have rules that begin with comparisons for equality of things that do not change on the way: addresses, ports, interfaces.
Rules that ask for the same things, in the same order, share a dictionary from the wanted values to the rules.
"""

from __future__ import annotations

import heapq
import struct
import typing as t

from ..._errors import DecodeError
from .._bits import Value, equal, masked
from ._context import Context
from ._decode import decode
from ._headers import Payload
from ._meta import Meta
from ._operations import BITWISE_MASK_XOR, CMP_EQ, Bitwise, Compare, Expression

_HEAD = struct.Struct("=HH")
_COMPARE_HEAD = 40  # bytes of a comparison in front of its constant: list entry, name, data, register, operation, constant, value

Load = t.Union[Payload, Meta]


class Test(t.NamedTuple):
    """A load, perhaps masked, of which the first `length` bytes are compared."""

    load: Load
    mask: Bitwise | None
    length: int

    def found(self, at: Context, cache: dict[Load, Value | None]) -> Value | None:
        if self.load not in cache:
            cache[self.load] = self.load.load(at)
        value = cache[self.load]
        if value is not None and self.mask is not None:
            value = masked(value, self.mask.mask, self.mask.turn)
        return value[: self.length] if isinstance(value, bytes) else value


Tests = t.Tuple[Test, ...]
Wanted = t.Tuple[bytes, ...]


class Index:
    """Of the rules of one chain, from their NFTA_RULE_EXPRESSIONS."""

    def __init__(self, expressions: t.Sequence[bytes]) -> None:
        self._always: list[int] = []
        self._groups: dict[Tests, dict[Wanted, list[int]]] = {}
        self._prefixes: dict[bytes, Compare | None] = {}
        for number, raw in enumerate(expressions):
            tests, wanted = self._leading(raw)
            if tests:
                self._groups.setdefault(tests, {}).setdefault(wanted, []).append(number)
            else:
                self._always.append(number)

    def candidates(self, at: Context, start: int) -> t.Iterator[int]:
        """The rules from `start` on that may match, in order; true as long as the packet does not change."""
        cache: dict[Load, Value | None] = {}
        lists = [self._always]
        for tests, rules in self._groups.items():
            lists.extend(self._meeting(at, tests, rules, cache))
        return (each for each in heapq.merge(*lists) if each >= start)

    def _meeting(self, at: Context, tests: Tests, rules: dict[Wanted, list[int]], cache: dict[Load, Value | None]) -> t.Iterator[list[int]]:
        found: list[Value] = []
        for test in tests:
            value = test.found(at, cache)
            if value is None:
                return
            found.append(value)
        if all(isinstance(value, bytes) for value in found):
            hit = rules.get(t.cast(Wanted, tuple(found)))
            if hit:
                yield hit
            return
        for wanted, numbers in rules.items():
            if all(equal(value, want) is not False for value, want in zip(found, wanted)):
                yield numbers

    def _leading(self, raw: bytes) -> tuple[Tests, Wanted]:
        """The comparisons that a rule begins with, and what they want."""
        tests: list[Test] = []
        wanted: list[bytes] = []
        load: Load | None = None
        mask: Bitwise | None = None
        at, end = 0, len(raw)
        while at + 4 <= end:
            length, _kind = _HEAD.unpack_from(raw, at)
            if length < 4 or at + length > end:
                raise DecodeError(f"a rule's expression says {length} bytes where {end - at} remain")
            entry = raw[at : at + length]
            at += (length + 3) & ~3
            if load is not None:
                compared = self._compared(entry)
                if compared is not None and compared[0].source == load.target:
                    tests.append(Test(load, mask, len(compared[1])))
                    wanted.append(compared[1])
                    load = mask = None
                    continue
            expression = decode(entry[4:])
            if load is not None and mask is None and _is_mask(expression, load):
                mask = t.cast(Bitwise, expression)
            elif isinstance(expression, (Payload, Meta)) and expression.fixed and load is None:
                load = expression
            else:
                break
        return tuple(tests), tuple(wanted)

    def _compared(self, entry: bytes) -> tuple[Compare, bytes] | None:
        """A comparison for equality and its constant; all that differ in the constant only are decoded once."""
        prefix = entry[:_COMPARE_HEAD]
        if prefix not in self._prefixes:
            expression = decode(entry[4:])
            plain = isinstance(expression, Compare) and expression.operation == CMP_EQ
            like = t.cast(Compare, expression) if plain else None
            if like is not None and like.data != entry[_COMPARE_HEAD : _COMPARE_HEAD + len(like.data)]:
                like = None
            self._prefixes[prefix] = like
        like = self._prefixes[prefix]
        return None if like is None else (like, entry[_COMPARE_HEAD : _COMPARE_HEAD + len(like.data)])


def _is_mask(expression: Expression, load: Load) -> bool:
    return (
        isinstance(expression, Bitwise)
        and expression.operation == BITWISE_MASK_XOR
        and expression.source == expression.target == load.target
        and (not isinstance(load, Payload) or expression.length == load.length)
    )
