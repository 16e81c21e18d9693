# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Index a long chain by what its rules test first, so that a packet looks up its candidates instead of testing every rule.

Most long chains have rules that begin with comparisons for equality of things that do not change on the way: addresses, ports, interfaces.
Rules that ask for the same things, in the same order, share a dictionary from the wanted values to the rules.
"""

from __future__ import annotations

import heapq
import struct
import typing as t

from ..._errors import DecodeError
from ..bits import Value, equal, masked
from .context import Context
from .decode import decode
from .expression import Expression, Load

_HEAD = struct.Struct("=HH")
_MOST_FORMS = 64
_NEXT_HEAD = 16  # bytes of the first expression that is no condition, its name among them


class Test(t.NamedTuple):
    """A load, perhaps masked, of which the first `length` bytes are compared."""

    load: Load
    mask: tuple[bytes, bytes] | None
    length: int

    def found(self, at: Context, cache: dict[Load, Value | None]) -> Value | None:
        if self.load not in cache:
            cache[self.load] = self.load.load(at)
        value = cache[self.load]
        if value is not None and self.mask is not None:
            value = masked(value, *self.mask)
        return value[: self.length] if isinstance(value, bytes) else value


Tests = t.Tuple[Test, ...]
Wanted = t.Tuple[bytes, ...]


class Form(t.NamedTuple):
    """The conditions that a rule begins with, of which only the constants in `wanted` differ between the rules of this form."""

    fixed: tuple[tuple[int, int, bytes], ...]
    wanted: tuple[tuple[int, int], ...]
    tests: Tests

    def fits(self, raw: bytes) -> bool:
        return all(raw[start:end] == same for start, end, same in self.fixed)


class Index:
    """Of the rules of one chain, from their NFTA_RULE_EXPRESSIONS."""

    def __init__(self, expressions: t.Iterable[bytes]) -> None:
        self._always: list[int] = []
        self._groups: dict[Tests, dict[Wanted, list[int]]] = {}
        forms: list[Form] = []
        for number, raw in enumerate(expressions):
            form = next((each for each in forms if each.fits(raw)), None)
            if form is None:
                form = _form(raw)
                if len(forms) < _MOST_FORMS:
                    forms.append(form)
            if form.tests:
                wanted = tuple(raw[start:end] for start, end in form.wanted)
                self._groups.setdefault(form.tests, {}).setdefault(wanted, []).append(number)
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


def _form(raw: bytes) -> Form:
    """The comparisons among a rule's first conditions, and where their constants stand. A rule that fails one of them does nothing."""
    tests: list[Test] = []
    wanted: list[tuple[int, int]] = []
    load: Load | None = None
    mask: tuple[bytes, bytes] | None = None
    at, end = 0, len(raw)
    while at + 4 <= end:
        length, _kind = _HEAD.unpack_from(raw, at)
        if length < 4 or at + length > end:
            raise DecodeError(f"a rule's expression says {length} bytes where {end - at} remain")
        content = raw[at + 4 : at + length]
        expression = decode(content)
        masking = expression.mask_of(load) if load is not None and mask is None else None
        compared = expression.constant_of(load, content) if load is not None else None
        if load is None and _indexable(expression):
            load = t.cast(Load, expression)
        elif masking is not None:
            mask = masking
        elif load is not None and compared is not None:
            start, constant = compared
            tests.append(Test(load, mask, len(constant)))
            wanted.append((at + 4 + start, at + 4 + start + len(constant)))
            load = mask = None
        elif expression.harmless and not expression.stateful:  # whose bytes differ from rule to rule
            load = mask = None
            if _indexable(expression):
                load = t.cast(Load, expression)
        else:
            break
        at += (length + 3) & ~3
    edges = [0, *(edge for pair in wanted for edge in pair), min(at + _NEXT_HEAD, end)]
    fixed = tuple((start, stop, raw[start:stop]) for start, stop in zip(edges[::2], edges[1::2]))
    return Form(fixed, tuple(wanted), tuple(tests))


def _indexable(expression: Expression) -> bool:
    return isinstance(expression, Load) and expression.fixed
