# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Matches on the bytes of a packet: u32 and string (net/netfilter/xt_u32.c, xt_string.c)."""

from __future__ import annotations

import re
import typing as t

from ...._errors import DecodeError
from ...evaluation import Evaluation
from ...packet import Packet
from .. import condition
from ..condition import Answer, Builder, Condition, Place
from ..syntax import Clause

_MOST_TESTS = 11  # XT_U32_MAXSIZE + 1
_MOST_TOKENS = 1000
_TOKEN = re.compile(r"\s*(&&|<<|>>|[&@=:,]|0[xX][0-9a-fA-F]+|\d+)\s*")
_CHANCE = 9  # so many letters are in no handshake's sequence numbers or options: a timestamp has 8 bytes, and no letters around it


class _Bytes:
    """A packet from its network header on: `(value, known)` of each byte, as far as it is given; `ends` False: TCP options may follow."""

    def __init__(self, packet: Packet) -> None:
        network, transport = packet.network, packet.transport
        self.value = bytes(network.bytes) + bytes(transport.bytes) + (packet.options or b"")
        self.known = bytes(network.known) + bytes(transport.known) + b"\xff" * len(packet.options or b"")
        self.longest = len(self.value) + (40 if packet.options is None else 0)

    def number(self, at: int) -> int | bool | None:
        """Four bytes; None when they are not all known, False beyond the packet's end."""
        if at < 0 or at + 4 > self.longest:
            return False
        if at + 4 > len(self.value):
            return None
        return int.from_bytes(self.value[at : at + 4], "big") if self.known[at : at + 4] == b"\xff" * 4 else None


class _Test(t.NamedTuple):
    at: int
    steps: list[tuple[str, int]]  # (& | << | >> | @, number)
    ranges: list[tuple[int, int]]


def _u32(clause: Clause, place: Place) -> list[Condition]:
    option = clause.get("u32")
    if option is None:
        raise DecodeError("-m u32 without --u32")
    tests = _u32_tests(option.value)
    text = "-m u32 " + option.text

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        content, unknown = _Bytes(packet), False
        for each in tests:
            answer = _u32_holds(content, each)
            if answer is False:
                return False
            unknown = unknown or answer is None
        return condition.unknown_field(packet, text) if unknown else True

    return [Condition(text, test, option.negated)]


def _u32_holds(content: _Bytes, test: _Test) -> bool | None:
    base = 0
    value = content.number(test.at)
    partly: int | None = None
    if value is None and test.steps and test.steps[0][0] == "&":
        partly = _masked(content, test.at, test.steps[0][1])
    for at, (step, operand) in enumerate(test.steps):
        if value is False:
            return False
        if at == 0 and partly is not None:
            value = partly
        elif value is None:
            return None
        elif step == "&":
            value &= operand
        elif step == "<<":
            value = (value << operand) & 0xFFFFFFFF if operand < 32 else 0
        elif step == ">>":
            value = value >> operand
        else:
            base += value
            value = content.number(base + operand)
    if value is False:
        return False
    return None if value is None else any(low <= value <= high for low, high in test.ranges)


def _masked(content: _Bytes, at: int, mask: int) -> int | None:
    """Four bytes of which only those in the mask need be known."""
    if at + 4 > len(content.value):
        return None
    known = int.from_bytes(content.known[at : at + 4], "big")
    return None if mask & ~known else int.from_bytes(content.value[at : at + 4], "big") & mask


def _u32_tests(text: str) -> list[_Test]:
    """As iptables' own: location [op number]* = range [, range]* [&& ...]."""
    tokens, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise DecodeError(f"{text[at : at + 20]!r} is not expected in --u32")
        tokens.append(found[1])
        at = found.end()
    if len(tokens) > _MOST_TOKENS:
        raise DecodeError("--u32 is longer than the kernel takes")
    tests: list[_Test] = []
    while tokens:
        tests.append(_u32_test(tokens))
        if tokens and tokens.pop(0) != "&&":
            raise DecodeError("a test of --u32 does not end where it should")
    if not tests or len(tests) > _MOST_TESTS:
        raise DecodeError("--u32 has no tests, or too many")
    return tests


def _u32_test(tokens: list[str]) -> _Test:
    def take() -> str:
        if not tokens:
            raise DecodeError("--u32 ends too early")
        return tokens.pop(0)

    test = _Test(condition.number(take()), [], [])
    for step in iter(take, "="):
        if step not in ("&", "<<", ">>", "@"):
            raise DecodeError(f"{step!r} is no operation of --u32")
        test.steps.append((step, condition.number(take())))
    while True:
        low = condition.number(take())
        high = low
        if tokens[:1] == [":"]:
            take()
            high = condition.number(take())
        test.ranges.append((low, high))
        if tokens[:1] != [","]:
            return test
        take()


# -- string


def _string(clause: Clause, place: Place) -> list[Condition]:
    plain, hexadecimal = clause.get("string"), clause.get("hex-string")
    option = plain or hexadecimal
    if option is None:
        raise DecodeError("-m string without --string")
    pattern = _from_hex(option.value) if option is hexadecimal else option.value.encode("utf-8", "surrogateescape")
    first, last = (condition.number(each.value, 0xFFFF) if each else None for each in (clause.get("from"), clause.get("to")))
    fold = clause.get("icase") is not None
    text = condition.whole(clause)

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        answer = _contains(_Bytes(packet), pattern.lower() if fold else pattern, first or 0, last, fold)
        return condition.unknown_field(packet, text) if answer is None else answer

    return [Condition(text, test, option.negated)]


def _from_hex(text: str) -> bytes:
    """Text in which parts between bars are hexadecimal: |0d 0a|Host."""
    found = b""
    for at, part in enumerate(text.split("|")):
        try:
            found += bytes.fromhex(part) if at % 2 else part.encode("utf-8", "surrogateescape")
        except ValueError:
            raise DecodeError(f"{part[:40]!r} is not hexadecimal") from None
    return found


def _contains(content: _Bytes, pattern: bytes, first: int, last: int | None, fold: bool) -> bool | None:
    """Whether the pattern begins between `first` and `last`; None where unknown bytes may hold it."""
    end = content.longest - len(pattern)
    if last is not None:
        end = min(end, last)
    value = content.value.lower() if fold else content.value
    possible = False
    for at in range(first, end + 1):
        part = value[at : at + len(pattern)]
        known = content.known[at : at + len(pattern)]
        sure = len(part) == len(pattern) and known == b"\xff" * len(pattern)
        if sure and part == pattern:
            if last is None or at + len(pattern) <= last:
                return True
            possible = True  # kernels before 5.18 let it end after `last`
        possible = possible or (not sure and all(have == want or mask != 0xFF for have, want, mask in zip(part, pattern, known)))
    words = len(pattern) >= _CHANCE and pattern.isascii() and pattern.decode("ascii").isprintable()
    return None if possible and not words else False


BUILDERS: dict[str, Builder] = {"u32": _u32, "string": _string}
