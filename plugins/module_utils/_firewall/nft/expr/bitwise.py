# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Mask, shift or join registers (net/netfilter/nft_bitwise.c)."""

from __future__ import annotations

import sys

from ...bits import Partial, Value, known, masked, simplest
from .. import fields
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression
from ..fields import Field
from ..wire import Attributes, DecodeError, number, register, value

(NFTA_BITWISE_SREG, NFTA_BITWISE_DREG, NFTA_BITWISE_LEN, NFTA_BITWISE_MASK, NFTA_BITWISE_XOR, NFTA_BITWISE_OP, NFTA_BITWISE_DATA,
 NFTA_BITWISE_SREG2) = range(1, 9)  # fmt: skip
(NFT_BITWISE_MASK_XOR, NFT_BITWISE_LSHIFT, NFT_BITWISE_RSHIFT, NFT_BITWISE_AND, NFT_BITWISE_OR, NFT_BITWISE_XOR) = range(6)
_dscp = fields.one_of({0: "cs0", 8: "cs1", 16: "cs2", 24: "cs3", 32: "cs4", 40: "cs5", 48: "cs6", 56: "cs7", 46: "ef"})


class Bitwise(Expression):
    """Masks, shifts, and since Linux 6.13 two registers joined by and, or, xor."""

    __slots__ = ("length", "mask", "operation", "second", "shift", "source", "target", "turn")
    target: int
    harmless = True

    def __init__(self, about: Attributes) -> None:
        self.source = register(about, NFTA_BITWISE_SREG)
        self.target = register(about, NFTA_BITWISE_DREG)
        self.length = number(about, NFTA_BITWISE_LEN)
        self.operation = number(about, NFTA_BITWISE_OP, NFT_BITWISE_MASK_XOR)
        self.mask = self.turn = b""
        self.shift = self.second = 0
        if self.operation == NFT_BITWISE_MASK_XOR:
            self.mask, self.turn = value(about.get(NFTA_BITWISE_MASK, b"")), value(about.get(NFTA_BITWISE_XOR, b""))
        elif self.operation in (NFT_BITWISE_LSHIFT, NFT_BITWISE_RSHIFT):
            self.shift = int.from_bytes(value(about.get(NFTA_BITWISE_DATA, b"")), sys.byteorder)
            if not 0 < self.shift < 32:
                raise DecodeError(f"nf_tables cannot shift by {self.shift} bits")
        elif self.operation in (NFT_BITWISE_AND, NFT_BITWISE_OR, NFT_BITWISE_XOR):
            self.second = -1 if NFTA_BITWISE_SREG2 not in about else register(about, NFTA_BITWISE_SREG2)
            if self.second == -1:
                self.mask = value(about.get(NFTA_BITWISE_DATA, b""))
        else:
            raise DecodeError(f"there is no nf_tables bitwise operation {self.operation}")

    def run(self, at: Context) -> Result:
        have = at.registers.get(self.source, self.length)
        if self.operation == NFT_BITWISE_MASK_XOR:
            found = masked(have, self.mask, self.turn)
        elif self.operation in (NFT_BITWISE_LSHIFT, NFT_BITWISE_RSHIFT):
            found = _shifted(have, -self.shift if self.operation == NFT_BITWISE_RSHIFT else self.shift)
        else:
            other = self.mask if self.second == -1 else at.registers.get(self.second, self.length)
            found = _joined(self.operation, have, other)
        at.registers.put(self.target, found)
        return None

    def mask_of(self, load: Expression) -> tuple[bytes, bytes] | None:
        in_place = self.operation == NFT_BITWISE_MASK_XOR and self.source == self.target == load.target
        return (self.mask, self.turn) if in_place and getattr(load, "length", self.length) == self.length else None

    def describe(self, rule: Describer, at: int) -> None:
        register = rule.registers.get(self.source)
        if register is None:
            return
        field, loads = register.field, register.loads | {at}
        if self.operation == NFT_BITWISE_MASK_XOR and not any(self.turn):
            load = rule.expressions[min(register.loads)] if len(register.loads) == 1 else None
            whole = (field, load, self.mask) if load is not None else None
            rule.load(self.target, _masked(field, self.mask), loads, register.layer, whole)
        else:
            rule.load(self.target, self._turned(field), loads, register.layer)

    def _turned(self, field: Field) -> Field:
        """A field with bits set, shifted or joined with another."""
        if self.operation == NFT_BITWISE_MASK_XOR:
            kept = bytes(~keep & 0xFF for keep in self.mask)
            if kept == self.turn:
                return _named(field, f"{field.name} | {field.form(self.turn, {})}")
            return _named(field, f"{field.name} & {field.form(self.mask, {})} ^ {field.form(self.turn, {})}")
        sign = {NFT_BITWISE_LSHIFT: "<<", NFT_BITWISE_RSHIFT: ">>"}.get(self.operation)
        if sign:
            what = f"({field.name})" if " & " in field.name or " | " in field.name else field.name
            return _named(field, f"{what} {sign} {self.shift}")
        return _named(field, f"{field.name} {'&|^'[self.operation - NFT_BITWISE_AND]} ...")


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
        if operation == NFT_BITWISE_XOR:
            return bytes(a ^ b for a, b in zip(left, right))
        return bytes(a & b if operation == NFT_BITWISE_AND else a | b for a, b in zip(left, right))
    a, b = _parts(one), _parts(other)
    result, sure = bytearray(), bytearray()
    for x, y, sure_x, sure_y in zip(a.value, b.value, a.known, b.known):
        both = sure_x & sure_y
        if operation == NFT_BITWISE_AND:
            decided, bits = both | sure_x & ~x | sure_y & ~y, x & y
        elif operation == NFT_BITWISE_OR:
            decided, bits = both | x | y, x | y
        else:
            decided, bits = both, x ^ y
        sure.append(decided & 0xFF)
        result.append(bits & decided & 0xFF)
    return simplest(Partial(bytes(result), bytes(sure), a.why or b.why, a.drawn or b.drawn))


def _parts(found: Value) -> Partial:
    return Partial(found, b"\xff" * len(found), "") if isinstance(found, bytes) else found


def _named(field: Field, name: str) -> Field:
    """The result of an operation on a field: it identifies no protocol, and has no bits with names."""
    return field._replace(name=name, bits=False, determines=None)


def _masked(field: Field, mask: bytes) -> Field:
    """A field of which some bits are looked at."""
    if field.form is fields.address and len(mask) in (4, 16):
        length = _prefix(mask)
        if length is not None:
            return field._replace(form=lambda data, links: f"{fields.address(data, links)}/{length}")
    if field.name in ("ip @nh,8,8", "@nh,8,8") and mask == b"\xfc":
        return Field("ip dscp", lambda data, links: _dscp(bytes([data[0] >> 2]), links) if data else "", 1)
    if field.bits and field.form is fields.tcp_flags:
        flags = fields.tcp_flags(mask, {})
        return _named(field, f"{field.name} & {'(' + flags.replace(',', ' | ') + ')' if ',' in flags else flags}")
    return _named(field, f"{field.name} & {field.form(mask, {})}")


def _prefix(mask: bytes) -> int | None:
    number = int.from_bytes(mask, "big")
    ones = bin(number).count("1")
    return ones if number == (1 << 8 * len(mask)) - (1 << 8 * len(mask) - ones) else None


EXPRESSIONS = {"bitwise": Bitwise}
