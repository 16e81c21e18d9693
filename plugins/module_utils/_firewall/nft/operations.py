# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Expressions that work only on registers: cmp, range, bitwise, byteorder, immediate.

Sources: net/netfilter/nft_{cmp,range,bitwise,byteorder,immediate}.c.
"""

from __future__ import annotations

import sys
import typing as t

from ..bits import Partial, Value, bounds, equal, known, masked, simplest
from ..effect import Effect
from .context import Context, Result
from .wire import Attributes, DecodeError, number, register, value, value_or_verdict

CMP_EQ, CMP_NEQ, CMP_LT, CMP_LTE, CMP_GT, CMP_GTE = range(6)
_QUESTIONS = (("equal", True), ("equal", False), ("less", True), ("more", False), ("more", True), ("less", False))
BITWISE_MASK_XOR, BITWISE_LSHIFT, BITWISE_RSHIFT, BITWISE_AND, BITWISE_OR, BITWISE_XOR = range(6)


class Expression:
    """One step of a rule. `run` returns None to go on, BREAK where the rule does not match, or a verdict."""

    __slots__ = ()
    tracks: bool = False  # whether a rule with it has the kernel track connections, see _tracking.py

    def run(self, at: Context) -> Result:
        raise NotImplementedError


class Compare(Expression):
    """A register against a constant, byte by byte (memcmp)."""

    __slots__ = ("data", "operation", "source")

    def __init__(self, about: Attributes) -> None:
        self.source, self.operation, self.data = register(about, 1), number(about, 2), value(about.get(3, b""))
        if self.operation > CMP_GTE:
            raise DecodeError(f"there is no nf_tables comparison {self.operation}")

    def run(self, at: Context) -> Result:
        found = at.registers.get(self.source, len(self.data))
        holds = compare(found, self.operation, self.data)
        if holds is None:
            question, positive = _QUESTIONS[self.operation]
            holds = at.ask((question, at.field, found, self.data), positive, found)
        return at.test(holds, self.source)


class Range(Expression):
    """Whether a register lies between two constants, or not."""

    __slots__ = ("first", "last", "negated", "source")

    def __init__(self, about: Attributes) -> None:
        self.source, self.negated = register(about, 1), number(about, 2) == 1
        self.first, self.last = value(about.get(3, b"")), value(about.get(4, b""))

    def run(self, at: Context) -> Result:
        found = at.registers.get(self.source, len(self.first))
        inside = within(found, self.first, self.last)
        if inside is not None:
            return at.test(inside != self.negated, self.source)
        holds = self._beyond(at, found, CMP_LT, self.first)
        if holds != self.negated:  # the one end does not decide it
            holds = self._beyond(at, found, CMP_GT, self.last)
        return at.test(holds, self.source)

    def _beyond(self, at: Context, found: Value, operation: int, end: bytes) -> bool:
        """Whether what is beyond that end makes the condition hold."""
        beyond = compare(found, operation, end)
        if beyond is not None:
            return beyond == self.negated
        return at.ask((_QUESTIONS[operation][0], at.field, found, end), self.negated, found)


class Bitwise(Expression):
    """Masks, shifts, and since Linux 6.13 two registers joined by and, or, xor."""

    __slots__ = ("length", "mask", "operation", "second", "shift", "source", "target", "turn")

    def __init__(self, about: Attributes) -> None:
        self.source, self.target, self.length = register(about, 1), register(about, 2), number(about, 3)
        self.operation = number(about, 6, BITWISE_MASK_XOR)
        self.mask = self.turn = b""
        self.shift = self.second = 0
        if self.operation == BITWISE_MASK_XOR:
            self.mask, self.turn = value(about.get(4, b"")), value(about.get(5, b""))
        elif self.operation in (BITWISE_LSHIFT, BITWISE_RSHIFT):
            self.shift = int.from_bytes(value(about.get(7, b"")), sys.byteorder)
            if not 0 < self.shift < 32:
                raise DecodeError(f"nf_tables cannot shift by {self.shift} bits")
        elif self.operation in (BITWISE_AND, BITWISE_OR, BITWISE_XOR):
            self.second = -1 if 8 not in about else register(about, 8)
            if self.second == -1:
                self.mask = value(about.get(7, b""))
        else:
            raise DecodeError(f"there is no nf_tables bitwise operation {self.operation}")

    def run(self, at: Context) -> Result:
        have = at.registers.get(self.source, self.length)
        if self.operation == BITWISE_MASK_XOR:
            found = masked(have, self.mask, self.turn)
        elif self.operation in (BITWISE_LSHIFT, BITWISE_RSHIFT):
            found = _shifted(have, -self.shift if self.operation == BITWISE_RSHIFT else self.shift)
        else:
            other = self.mask if self.second == -1 else at.registers.get(self.second, self.length)
            found = _joined(self.operation, have, other)
        at.registers.put(self.target, found)
        return None


class Byteorder(Expression):
    """Between the machine's byte order and the network's, for numbers of `size` bytes; a rest that is shorter stays."""

    __slots__ = ("length", "size", "source", "target")

    def __init__(self, about: Attributes) -> None:
        self.source, self.target = register(about, 1), register(about, 2)
        self.length, self.size = number(about, 4), number(about, 5)
        if self.size not in (2, 4, 8) or self.length > 64:
            raise DecodeError(f"nf_tables does not turn numbers of {self.size} bytes in {self.length}")

    def run(self, at: Context) -> Result:
        have = at.registers.get(self.source, self.length // self.size * self.size)
        if isinstance(have, bytes):
            at.registers.put(self.target, self._turned(have))
        else:
            at.registers.put(self.target, Partial(self._turned(have.value), self._turned(have.known), have.why, have.drawn))
        return None

    def _turned(self, data: bytes) -> bytes:
        if sys.byteorder == "big":
            return data
        return b"".join(data[at : at + self.size][::-1] for at in range(0, len(data), self.size))


class Immediate(Expression):
    """A constant into a register, or a verdict."""

    __slots__ = ("data", "target")

    data: bytes | Effect

    def __init__(self, about: Attributes) -> None:
        self.target, self.data = register(about, 1), value_or_verdict(about.get(2, b""))

    def run(self, at: Context) -> Result:
        if isinstance(self.data, bytes):
            at.registers.put(self.target, self.data)
            return None
        return None if self.data == "continue" else self.data


def compare(found: Value, operation: int, data: bytes) -> bool | None:
    """`found` against `data`, None when unknown bits decide it."""
    if operation in (CMP_EQ, CMP_NEQ):
        same = equal(found, data)
        return None if same is None else same == (operation == CMP_EQ)
    least, greatest = bounds(found)
    if operation in (CMP_LT, CMP_GTE):
        less = _agreed(least < data, greatest < data)
        return None if less is None else less == (operation == CMP_LT)
    more = _agreed(least > data, greatest > data)
    return None if more is None else more == (operation == CMP_GT)


def within(found: Value, first: bytes, last: bytes) -> bool | None:
    """Whether first <= found <= last, None when unknown bits decide it."""
    least, greatest = bounds(found)
    if least >= first and greatest <= last:
        return True
    return False if greatest < first or least > last else None


def _agreed(one: bool, other: bool) -> bool | None:
    return one if one == other else None


def _shifted(have: Value, by: int) -> Value:
    """Words in host order, the last one the least significant (nft_bitwise_eval_lshift); negative: to the right."""
    if isinstance(have, bytes):
        return _moved(have, by, 0)
    return simplest(Partial(_moved(have.value, by, 0), _moved(have.known, by, 1), have.why, have.drawn))


def _moved(data: bytes, by: int, fill: int) -> bytes:
    padded = data.ljust((len(data) + 3) & ~3, b"\0")
    words = [padded[at : at + 4] for at in range(0, len(padded), 4)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    bits, whole = len(padded) * 8, int.from_bytes(b"".join(words), "big")
    ones = (1 << abs(by)) - 1 if fill else 0
    moved = (whole << by | ones) & (1 << bits) - 1 if by > 0 else whole >> -by | ones << bits + by
    result = moved.to_bytes(len(padded), "big")
    parts = [result[at : at + 4] for at in range(0, len(result), 4)]
    return b"".join(part[::-1] for part in parts)[: len(data)] if sys.byteorder == "little" else result[: len(data)]


def _joined(operation: int, one: Value, other: Value) -> Value:
    left, right = known(one), known(other)
    if left is not None and right is not None:
        if operation == BITWISE_XOR:
            return bytes(a ^ b for a, b in zip(left, right))
        return bytes(a & b if operation == BITWISE_AND else a | b for a, b in zip(left, right))
    a, b = _parts(one), _parts(other)
    result, sure = bytearray(), bytearray()
    for x, y, sure_x, sure_y in zip(a.value, b.value, a.known, b.known):
        both = sure_x & sure_y
        if operation == BITWISE_AND:
            decided, bits = both | sure_x & ~x | sure_y & ~y, x & y
        elif operation == BITWISE_OR:
            decided, bits = both | x | y, x | y
        else:
            decided, bits = both, x ^ y
        sure.append(decided & 0xFF)
        result.append(bits & decided & 0xFF)
    return simplest(Partial(bytes(result), bytes(sure), a.why or b.why, a.drawn or b.drawn))


def _parts(found: Value) -> Partial:
    return Partial(found, b"\xff" * len(found), "") if isinstance(found, bytes) else found


DECODERS: dict[str, t.Callable[[Attributes], Expression]] = {
    "cmp": Compare,
    "range": Range,
    "bitwise": Bitwise,
    "byteorder": Byteorder,
    "immediate": Immediate,
}
