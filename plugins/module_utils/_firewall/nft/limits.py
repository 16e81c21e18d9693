# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Expressions on limits, counts and random numbers: their results cannot be known in advance, so both are tried.

Sources: net/netfilter/nft_{limit,quota,connlimit,counter,last,log,numgen,hash}.c.
"""

from __future__ import annotations

import typing as t

from ..evaluation import LIMIT, UNKNOWN
from .context import BREAK, Context, Result, host, up_to
from .operations import Expression
from .wire import Attributes, DecodeError, long, number, register

_RANDOM, _COUNTED = "numgen random", "numgen inc"
_UNITS = {1: "second", 60: "minute", 3600: "hour", 86400: "day", 604800: "week"}
_MOST_NUMBERS = 32  # that are tried one by one
_LONGEST_HANDSHAKE_PACKET = 200  # bytes, headers and options of a SYN with any of them


class Stateful(Expression):
    """An expression with a state of its own, also found in sets, where `run_fresh` is its first run for a new element."""

    __slots__ = ()

    def run_fresh(self, at: Context) -> Result:
        return self.run(at)


class Counter(Stateful):
    __slots__ = ("packets",)

    def __init__(self, about: Attributes) -> None:
        self.packets = long(about, 2)

    def run(self, at: Context) -> Result:
        return None


class Last(Stateful):
    __slots__ = ()

    def __init__(self, about: Attributes) -> None:
        del about

    def run(self, at: Context) -> Result:
        return None


class Limit(Stateful):
    """A token bucket. What is in it cannot be read, so it is chosen, unless it is full because it is new."""

    __slots__ = ("burst", "bytes", "over", "rate", "unit")

    def __init__(self, about: Attributes) -> None:
        self.rate, self.unit, self.burst = long(about, 1), long(about, 2), number(about, 3, 0)
        self.bytes, self.over = number(about, 4, 0) == 1, bool(number(about, 5, 0) & 1)

    def run(self, at: Context) -> Result:
        matches = at.choose(None, ("limit", at.where, at.position), LIMIT)
        return None if matches else BREAK

    def run_fresh(self, at: Context) -> Result:
        if self.bytes and self.rate + self.burst < _LONGEST_HANDSHAKE_PACKET:
            return self.run(at)
        return BREAK if self.over else None

    def text(self) -> str:
        unit = _UNITS.get(self.unit, f"{self.unit} seconds")
        burst = f" burst {self.burst} {'bytes' if self.bytes else 'packets'}" if self.burst not in (0, 5) or self.bytes else ""
        return f"limit rate {'over ' if self.over else ''}{self.rate}{' bytes' if self.bytes else ''}/{unit}{burst}"


class Quota(Stateful):
    """Bytes that may pass; what has passed can be read."""

    __slots__ = ("consumed", "over", "quota")

    def __init__(self, about: Attributes) -> None:
        self.quota, self.consumed, self.over = long(about, 1), long(about, 4), bool(number(about, 2, 0) & 1)

    def run(self, at: Context) -> Result:
        if self.consumed >= self.quota:
            exceeded = True
        elif self.consumed + _LONGEST_HANDSHAKE_PACKET < self.quota:
            exceeded = False
        else:
            return None if at.choose(None, ("quota", at.where, at.position), LIMIT) else BREAK
        return None if exceeded == self.over else BREAK

    def run_fresh(self, at: Context) -> Result:
        self_as_new = self.quota > _LONGEST_HANDSHAKE_PACKET
        return (None if not self.over else BREAK) if self_as_new else self.run(at)

    def text(self) -> str:
        return f"quota {'over ' if self.over else ''}{self.quota} bytes"


class ConnLimit(Stateful):
    """How many connections there are at once; a new element counts its first."""

    tracks = True

    __slots__ = ("count", "over")

    def __init__(self, about: Attributes) -> None:
        self.count, self.over = number(about, 1), bool(number(about, 2, 0) & 1)

    def run(self, at: Context) -> Result:
        return None if at.choose(None, ("ct count", at.where, at.position), LIMIT) else BREAK

    def run_fresh(self, at: Context) -> Result:
        return None if (self.count < 1) == self.over else BREAK

    def text(self) -> str:
        return f"ct count {'over ' if self.over else ''}{self.count}"


class Log(Expression):
    __slots__ = ("group", "level", "prefix")

    def __init__(self, about: Attributes) -> None:
        self.prefix = about.get(2, b"").rstrip(b"\0").decode("utf-8", "replace")
        self.group = int.from_bytes(about[1], "big") if 1 in about else None
        self.level = number(about, 5, 4)

    def run(self, at: Context) -> Result:
        return None


class Number(Expression):
    """A number below `modulus`: random, counted up, or the hash of a flow, none of which can be foreseen.

    Where a map is asked for it, all numbers are tried, if they are few.
    """

    __slots__ = ("modulus", "offset", "picked", "target", "what")

    def __init__(self, what: str, target: int, modulus: int, offset: int) -> None:
        if modulus < 1 or offset + modulus > 1 << 32:
            raise DecodeError(f"nf_tables makes no numbers modulo {modulus}")
        self.what, self.target, self.modulus, self.offset = what, target, modulus, offset
        self.picked = False  # whether a lookup follows

    def run(self, at: Context) -> Result:
        if self.modulus > 1 and not (self.picked and self.modulus <= _MOST_NUMBERS):
            at.registers.put(self.target, up_to(self.offset + self.modulus - 1, 4, at.drawn, self.drawn))
            return None
        for each in range(self.modulus - 1):
            kind = LIMIT if self.drawn else UNKNOWN
            if at.choose(f"{self.text()} being {self.offset + each}", (self.what, at.where, at.position, each), kind):
                at.registers.put(self.target, host(self.offset + each))
                return None
        at.registers.put(self.target, host(self.offset + self.modulus - 1))
        return None

    @property
    def drawn(self) -> bool:
        """Whether each packet gets another one; a hash is the same for all packets of a flow."""
        return self.what in (_RANDOM, _COUNTED)

    def text(self) -> str:
        return f"{self.what} mod {self.modulus}" + (f" offset {self.offset}" if self.offset else "")

    def with_lookup(self) -> Number:
        other = Number(self.what, self.target, self.modulus, self.offset)
        other.picked = True
        return other


def _numgen(about: Attributes) -> Expression:
    what = _RANDOM if number(about, 3) == 1 else _COUNTED
    return Number(what, register(about, 1), number(about, 2), number(about, 4, 0))


def _hash(about: Attributes) -> Expression:
    what = "symhash" if number(about, 7, 0) == 1 else "jhash"
    return Number(what, register(about, 2), number(about, 4), number(about, 6, 0))


DECODERS: dict[str, t.Callable[[Attributes], Expression]] = {
    "counter": Counter,
    "last": Last,
    "limit": Limit,
    "quota": Quota,
    "connlimit": ConnLimit,
    "log": Log,
    "numgen": _numgen,
    "hash": _hash,
}
