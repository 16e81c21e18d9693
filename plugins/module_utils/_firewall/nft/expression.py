# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What every expression is: a step of a rule that runs, that says what it does in words, and that says what others need not know of it.

Each is complete in its file of `expr`; nothing else knows any of them by name.
"""

from __future__ import annotations

import typing as t

from ..bits import Value
from ..evaluation import UnsupportedError
from .context import BREAK, Context, Result
from .describer import Describer
from .fields import Field
from .wire import Attributes


class Expression:
    """One step of a rule. `run` returns None to go on, BREAK where the rule does not match, or a verdict.

    An expression says what it is with `text` (a statement, or with `condition` something that may stop the rule), or with `describe`.
    """

    __slots__ = ()

    harmless: bool = False
    """It changes nothing but registers, and what nobody asks for: a look ahead may pass over it."""
    tracks: bool = False
    """A rule with it has the kernel track connections, see tracking.py."""
    tracked_version: int | None = None
    """The version of IP whose connections alone it has tracked; None: each that its table sees."""
    condition: bool = False
    """In words it is one of the rule's conditions."""
    stateful: bool = False
    """It has a state of its own, which the kernel returns with it: no two rules have the same bytes."""
    foreign: bool = False
    """Its bytes are understood by a module of xtables only: iptables-nft-save prints the rule."""
    fixed: bool = False
    """It loads what every packet has and what does not change without a new generation of the packet: rules are indexed by it."""
    packets: int | None = None
    """How many packets it has counted."""
    log_prefix: str | None = None
    """What it writes to the kernel log ahead of a packet."""
    fills: str | None = None
    """The set that it adds keys to."""
    side: str | None = None
    """The interface that it looks at: that by which a packet comes ("in") or leaves ("out")."""
    target: int | None = None
    """The register that it writes to, -1 for the verdict."""
    raw: t.Sequence[bytes] = ()
    """Expressions within it that are to be decoded."""

    def __init__(self, about: Attributes) -> None:
        """With no attributes, or none that count."""
        del about

    def run(self, at: Context) -> Result:
        raise NotImplementedError

    def run_fresh(self, at: Context) -> Result:
        """The first run for a new element of a set."""
        return self.run(at)

    def describe(self, rule: Describer, at: int) -> None:
        """Add to the rule's words what it says, or what is in which register after it. `at`: its position in the rule."""
        rule.add(self.text(rule), {at}, condition=self.condition)

    def text(self, rule: Describer) -> str:
        """What it says by itself."""
        raise NotImplementedError

    def contain(self, expressions: t.Sequence[Expression]) -> None:
        """Take what was decoded of `raw`."""

    def before(self, following: t.Sequence[Expression]) -> Expression:
        """What it is in front of these."""
        return self

    def mask_of(self, load: Expression) -> tuple[bytes, bytes] | None:
        """The bits that are kept, then those that are flipped, where it does only that with what was loaded, all of it and in its place."""
        return None

    def constant_of(self, load: Expression, raw: bytes) -> tuple[int, bytes] | None:
        """Where in its bytes `raw` the constant is that what was loaded must be equal to, and the constant; None: no such test."""
        return None


class Load(Expression):
    """Puts something of the packet or the host into a register. Where there is nothing to put, the rule does not match."""

    __slots__ = ("target",)
    target: int
    harmless = True
    layer: str | None = None  # link | network | transport: the header that it is of, whose protocol the rule makes sure of before

    def load(self, at: Context) -> Value | None:
        raise NotImplementedError

    def run(self, at: Context) -> Result:
        found = self.load(at)
        if found is None:
            return BREAK
        at.registers.put(self.target, found)
        return None

    def field(self, rule: Describer) -> Field:
        """What it is that it loads."""
        raise NotImplementedError

    def describe(self, rule: Describer, at: int) -> None:
        rule.load(self.target, self.field(rule), {at}, self.layer)


class Unknown(Expression):
    """An expression that is not known here. Only a packet that gets to it is undecided."""

    __slots__ = ("why",)
    condition = True

    def __init__(self, why: str) -> None:
        self.why = why

    def run(self, at: Context) -> Result:
        raise UnsupportedError(self.why)

    def text(self, rule: Describer) -> str:
        return f"({self.why})"


class Nothing(Expression):
    """Without an effect that is evaluated here."""

    __slots__ = ()

    def run(self, at: Context) -> Result:
        return None

    def text(self, rule: Describer) -> str:
        return ""


Decoder = t.Callable[[Attributes], Expression]


class NamedObject(t.NamedTuple):
    """A type of named objects (NFT_OBJECT_*)."""

    words: str  # in front of the object's name in a rule
    decode: Decoder = Nothing
    tracks: bool = False  # whether a table with one has the kernel track connections
