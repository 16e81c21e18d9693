# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Conditions of a rule, each of which holds, does not hold, or cannot be known."""

from __future__ import annotations

import socket
import typing as t

from ..._errors import DecodeError
from ..bits import Partial, Value
from ..evaluation import UNKNOWN, Evaluation
from ..packet import Packet
from .syntax import Clause, Option


class Unknown(t.NamedTuple):
    """Whether a condition holds cannot be known. The same `key` (else the same `reason`) has the same answer throughout a try."""

    reason: str
    key: object = None
    kind: str = UNKNOWN


Answer = t.Union[bool, Unknown]
Test = t.Callable[[Packet, Evaluation], Answer]
Seen = t.Callable[[Packet], t.Optional[str]]
Act = t.Callable[[Packet, Evaluation], None]


class Place(t.NamedTuple):
    """What a condition's meaning depends on besides its options. `rule` distinguishes it from others that read the same."""

    family: int  # 4 | 6
    rule: tuple[str, str, str, int]


Builder = t.Callable[[Clause, Place], t.List["Condition"]]


class Condition:
    """`text` is what people write, `!` included; `negated` turns the answer of `test` around; `seen` says what the packet has there."""

    __slots__ = ("_act", "_negated", "_seen", "_test", "text")

    def __init__(self, text: str, test: Test, negated: bool = False, seen: Seen | None = None, act: Act | None = None) -> None:
        self.text, self._test, self._negated, self._seen, self._act = text, test, negated, seen, act

    @property
    def acts(self) -> bool:
        """Whether it changes something that later conditions may ask for."""
        return self._act is not None

    def reached(self, packet: Packet, evaluation: Evaluation) -> None:
        """It held: change what it changes."""
        if self._act:
            self._act(packet, evaluation)

    def holds(self, packet: Packet, evaluation: Evaluation) -> Answer:
        """Whether it holds, `negated` taken into account, as far as that can be known without choosing."""
        answer = self._test(packet, evaluation)
        return answer if isinstance(answer, Unknown) else answer is not self._negated

    def choose(self, unknown: Unknown, evaluation: Evaluation) -> bool:
        """Suppose that it holds, or not."""
        return evaluation.choose(unknown.reason, unknown.key, unknown.kind) is not self._negated

    def seen(self, packet: Packet) -> str | None:
        """What the packet has there, in words."""
        return self._seen(packet) if self._seen else None


def per_option(prefix: str, makers: t.Mapping[str, t.Callable[[Option, Place], tuple[Test, Seen | None]]]) -> Builder:
    """A match whose options are conditions of their own, all of which must hold. `prefix` introduces their texts: "-m ttl "."""

    def build(clause: Clause, place: Place) -> list[Condition]:
        conditions = []
        for option in clause.options:
            if option.name not in makers:
                raise DecodeError(f"-m {clause.name} --{option.name}: we do not model it")
            test, seen = makers[option.name](option, place)
            conditions.append(Condition(_text(prefix, option), test, option.negated, seen))
        return conditions

    return build


def _text(prefix: str, option: Option) -> str:
    return prefix + option.text


def whole(clause: Clause) -> str:
    """The text of a match as a whole."""
    return " ".join([f"-m {clause.name}", *(option.text for option in clause.options)])


def unknown_match(clause: Clause, place: Place, reason: str | None = None, kind: str = UNKNOWN) -> list[Condition]:
    """A match that holds or not: nobody can know, or we do not model it."""
    text = whole(clause)
    unknown = Unknown(reason or f"{text}: we do not model it", (place.rule, text), kind)
    return [Condition(text, lambda packet, evaluation: unknown)]


def never(clause: Clause, place: Place) -> list[Condition]:
    """A match for packets of other protocols, or headers that these packets do not have."""
    return [Condition(whole(clause), lambda packet, evaluation: False)]


def unknown_field(packet: Packet, text: str) -> Unknown:
    """A field that the question does not have: "-m ttl --ttl-lt 5"."""
    return Unknown(text, (text, packet.generation))


# -- numbers and addresses


def number(text: str, greatest: int = 0xFFFFFFFF) -> int:
    """A decimal, hexadecimal (0x) or octal (0) number, as strtoul with base 0 reads it."""
    try:
        value = int(text, 8) if len(text) > 1 and text[0] == "0" and text.isdigit() else int(text, 0)
    except ValueError:
        raise DecodeError(f"{text[:40]!r} is not a number") from None
    if not 0 <= value <= greatest:
        raise DecodeError(f"{text[:40]} is not between 0 and {greatest}")
    return value


def value_and_mask(text: str, greatest: int = 0xFFFFFFFF) -> tuple[int, int]:
    """An option such as 0x1/0xff, or 0x1 for all bits."""
    value, slash, mask = text.partition("/")
    return number(value, greatest), number(mask, greatest) if slash else greatest


def number_range(text: str, greatest: int = 0xFFFF, separator: str = ":") -> tuple[int, int]:
    """20:30, 20:, :30 or 20."""
    low, colon, high = text.partition(separator)
    if not colon:
        return number(low, greatest), number(low, greatest)
    return number(low or "0", greatest), number(high, greatest) if high else greatest


def port_range(text: str) -> tuple[int, int]:
    """Like `number_range`, with names of services too."""
    low, colon, high = text.partition(":")
    first = _port(low or "0")
    return first, (_port(high or "65535") if colon else first)


def _port(text: str) -> int:
    if text.isdigit():
        return number(text.lstrip("0") or "0", 0xFFFF)
    try:
        return socket.getservbyname(text, "tcp")
    except (OSError, UnicodeError):
        raise DecodeError(f"{text[:40]!r} is not a port") from None


def address(text: str, family: int) -> bytes:
    """A packed address."""
    try:
        return socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, text)
    except (OSError, ValueError):
        raise DecodeError(f"{text[:60]!r} is not an IPv{family} address") from None


def network(text: str, family: int) -> tuple[bytes, bytes]:
    """An address and its mask: "10.0.0.0/8", "10.0.0.1/255.0.0.255", "2001:db8::/32"."""
    host, slash, mask = text.partition("/")
    packed = address(host, family)
    bits = 8 * len(packed)
    if not slash:
        return packed, b"\xff" * len(packed)
    keep = prefix_mask(number(mask.lstrip("0") or "0", bits), bits) if mask.isdigit() else address(mask, family)
    return bytes(have & wanted for have, wanted in zip(packed, keep)), keep


def prefix_mask(length: int, bits: int) -> bytes:
    return ((1 << bits) - (1 << (bits - length))).to_bytes(bits // 8, "big")


def in_network(value: Value | None, wanted: bytes, mask: bytes) -> bool | None:
    """Whether `(value & mask) == wanted`; None when unknown bits decide it."""
    if isinstance(value, bytes):
        return int.from_bytes(value, "big") & int.from_bytes(mask, "big") == int.from_bytes(wanted, "big")
    if not isinstance(value, Partial):
        return False
    have, sure = int.from_bytes(value.value, "big"), int.from_bytes(value.known, "big")
    want, keep = int.from_bytes(wanted, "big"), int.from_bytes(mask, "big")
    if (have ^ want) & sure & keep:
        return False
    return True if keep & ~sure == 0 else None


def source(packet: Packet) -> Value | None:
    return packet.network.get(12, 4) if packet.family == 4 else packet.network.get(8, 16)


def destination(packet: Packet) -> Value | None:
    return packet.network.get(16, 4) if packet.family == 4 else packet.network.get(24, 16)
