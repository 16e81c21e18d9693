# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Walk a packet through rules and chains of nf_tables. Source: nft_do_chain in net/netfilter/nf_tables_core.c."""

from __future__ import annotations

import re
import struct
import typing as t

from ..._errors import DecodeError
from ..._typing import Protocol
from ..._wire.netlink import NLA_TYPE_MASK, attributes
from ..bits import Value
from ..effect import Compat, CompatRule, Effect, actions
from ..evaluation import FULL, MOST_STEPS, SPENT, Part, Reference, Step, UnsupportedError
from .ahead import look_ahead
from .context import BREAK, Context, SettledError
from .context import Table as _Table
from .decode import decode_all
from .described import Described
from .expr import tracking
from .expression import Expression
from .fields import Field
from .index import Index
from .wire import long

_HEAD = struct.Struct("=HH")  # struct nlattr
NFTA_RULE_HANDLE, NFTA_RULE_EXPRESSIONS, NFTA_RULE_USERDATA = 3, 4, 7
_FIRST = 32  # rules that do not match are listed one by one up to here, in a longer chain


class Table(_Table, Protocol):
    """The table of a chain."""

    compat: Compat | None


class Rule:
    """A rule; what it says in words is made when somebody asks."""

    def __init__(self, chain: Chain, index: int, body: bytes) -> None:
        self._chain, self._index = chain, index
        about = attributes(body)
        self.handle = long(about, NFTA_RULE_HANDLE) or None
        self.userdata = about.get(NFTA_RULE_USERDATA, b"")
        self.expressions: list[Expression] = decode_all(about.get(NFTA_RULE_EXPRESSIONS, b""))
        self.xtables = any(each.foreign for each in self.expressions)
        self._described: Described | None = None
        self._compat: CompatRule | None = None
        self._asked = False

    @property
    def where(self) -> tuple[str, str, str, int | None]:
        return (*self._chain.table.key, self._chain.name, self._index)

    def compat(self) -> CompatRule | None:
        """The rule as iptables-nft-save prints it; None for rules that have no xtables in them."""
        if self.xtables and not self._asked:
            self._asked = True
            self._compat = self._chain.by_iptables_save(self._index)
        return self._compat

    def reference(self) -> Reference:
        other = self.compat()
        logged = next((each.log_prefix for each in self.expressions if each.log_prefix), None)
        return {
            **({"log_prefix": logged} if logged else {}),
            "family": self._chain.table.family,
            "table": self._chain.table.name,
            "chain": self._chain.name,
            "handle": self.handle,
            "number": self._index + 1,
            "text": other.reference()["text"] if other else self.described().text,
            "packets": next((each.packets for each in self.expressions if each.packets is not None), None),
        }

    def parts(self) -> list[str]:
        other = self.compat()
        return other.parts() if other else list(self.described().parts)

    def interfaces(self) -> list[str]:
        return sorted({each.side for each in self.expressions if each.side})

    def part_at(self, position: int) -> str:
        """The condition or statement that an expression belongs to."""
        return self.described().statement(position)

    def parts_at(self, positions: t.Collection[int]) -> t.Collection[int]:
        """The numbers of the conditions that expressions belong to."""
        belongs = self.described().belongs if positions else []
        return {belongs[at] for at in positions if at < len(belongs)}

    def field_at(self, position: int) -> str:
        """What a test is of."""
        return " . ".join(field.name for field in self.described().tested.get(position, ()))

    def fields_at(self, position: int) -> t.Sequence[Field]:
        return self.described().tested.get(position, ())

    def stopped(self, position: int, seen: Value | None, at: Context) -> Part | None:
        described = self.described()
        number = described.belongs[position] if position < len(described.belongs) else -1
        return Part(number, described.seen(position, seen, at)) if number >= 0 else None

    def look_ahead(self, at: Context) -> None:
        """Raise SettledError where an unknown in this rule does not matter."""
        look_ahead(at, self.expressions)

    def described(self) -> Described:
        if self._described is None:
            self._described = Described(self.expressions, self.userdata, self._chain.table)
        return self._described


class Chain:
    """A chain's rules, read and decoded as far as a packet gets."""

    def __init__(self, table: Table, name: str, read: t.Callable[[], t.Sequence[bytes]]) -> None:
        self.table, self.name, self._read = table, name, read
        self._bodies: t.Sequence[bytes] | None = None
        self._rules: dict[int, Rule] = {}
        self._index: Index | None = None

    @property
    def bodies(self) -> t.Sequence[bytes]:
        if self._bodies is None:
            self._bodies = self._read()
        return self._bodies

    def rule(self, index: int) -> Rule:
        if index not in self._rules:
            try:
                self._rules[index] = Rule(self, index, self.bodies[index])
            except DecodeError as error:
                raise UnsupportedError(f"rule {index + 1} of chain {self.name} cannot be read: {error}") from error
        return self._rules[index]

    def tracks(self, version: int) -> bool:
        """Whether one of its rules has the kernel track connections of that version of IP."""
        may_track = re.compile(rb"[\0\1](?:%b)\0" % b"|".join(name.encode() for name in sorted(tracking())))  # after the attribute's type
        likely = (at for at, body in enumerate(self.bodies) if may_track.search(body))
        expressions = (each for at in likely for each in self.rule(at).expressions)
        return any(each.tracks and each.tracked_version in (None, version) for each in expressions)

    def filling(self, name: str) -> Rule | None:
        """The rule that adds keys to a set."""
        likely = (at for at, body in enumerate(self.bodies) if name.encode() in body)
        return next((rule for rule in map(self.rule, likely) if any(each.fills == name for each in rule.expressions)), None)

    def by_iptables_save(self, index: int) -> CompatRule | None:
        """A rule as iptables-nft-save prints it; None where that prints another number of rules, none of which can be identified then."""
        ask, last = self.table.compat, len(self.bodies) - 1
        if ask is None or ask(*self.table.key, self.name, last) is None or ask(*self.table.key, self.name, last + 1) is not None:
            return None
        return ask(*self.table.key, self.name, index)

    def next(self, at: Context, start: int, reference: Reference) -> tuple[int, Rule, Effect] | None:
        """The first rule from `start` on that matches with a verdict, None at the end. All on the way are recorded in the evaluation."""
        position, end = start, len(self.bodies)
        shown = min(end, start + _FIRST) if end - start > 2 * _FIRST else end
        while position < shown:
            rule = self.rule(position)
            effect = self._evaluate(rule, at, reference)
            if effect is not None:
                return position, rule, effect
            position += 1
        while position < end:
            for candidate, generation in self._candidates(at, position):
                at.evaluation.passed += candidate - position
                position = candidate + 1
                rule = self.rule(candidate)
                effect = self._evaluate(rule, at, reference)
                if effect is not None:
                    return candidate, rule, effect
                if at.packet.generation != generation:
                    break
            else:
                at.evaluation.passed += end - position
                return None
        return None

    def _candidates(self, at: Context, start: int) -> t.Iterator[tuple[int, int]]:
        if self._index is None:
            try:
                self._index = Index(_expressions(body) for body in self.bodies)
            except DecodeError as error:
                raise UnsupportedError(f"chain {self.name} cannot be read: {error}") from error
        generation = at.packet.generation
        for candidate in self._index.candidates(at, start):
            yield candidate, generation

    def _evaluate(self, rule: Rule, at: Context, reference: Reference) -> Effect | None:
        """One rule's verdict; None: on with the next rule."""
        if rule in at.evaluation.ignored:
            return None
        if rule in at.evaluation.opened:
            return "accept"
        at.begin(rule)
        at.evaluation.looked.clear()
        other = rule.compat()
        if other is not None:
            return _foreign(rule, other, at, reference)
        result: Effect | None = None
        supposed = set(at.evaluation.supposed.get(rule, ()))
        try:
            for at.position, expression in enumerate(rule.expressions):
                result = expression.run(at)
                if result == BREAK and _supposed(at, supposed):
                    result = None
                if result is not None:
                    break
        except SettledError as settled:
            at.unsure.add(at.position)
            at.guessed = at.guessed or settled.position is None
            if settled.position is not None:
                result, at.position, at.seen = BREAK, settled.position, settled.seen
        if result == BREAK:
            if len(at.evaluation.path) < MOST_STEPS:
                at.evaluation.step(
                    Step(
                        chain=reference,
                        rule=rule,
                        matched=None if at.guessed else False,
                        stopped=at.stopped(),
                        effects=[each for each in at.done if each.kind in (FULL, SPENT)],
                        unsure=rule.parts_at(at.unsure),
                    )
                )
            else:
                at.evaluation.passed += 1
            return None
        at.evaluation.step(
            Step(
                chain=reference,
                rule=rule,
                matched=None if at.guessed else True,
                effects=actions(at.done, result),
                unsure=rule.parts_at(at.unsure),
            )
        )
        return result


def _expressions(body: bytes) -> bytes:
    """A rule's NFTA_RULE_EXPRESSIONS, without decoding what is before and after them."""
    at = 0
    while at + _HEAD.size <= len(body):
        length, kind = _HEAD.unpack_from(body, at)
        if length < _HEAD.size:
            break
        if kind & NLA_TYPE_MASK == NFTA_RULE_EXPRESSIONS:
            return body[at + _HEAD.size : at + length]
        at += (length + 3) & ~3
    return b""


def _supposed(at: Context, numbers: set[int]) -> bool:
    """Whether the condition that fails is one that is to hold. It is for one comparison: "udp dport 80" has another one, of the port."""
    stopped = at.stopped() if numbers else None
    if stopped is None or stopped.number not in numbers:
        return False
    numbers.discard(stopped.number)
    return True


def _foreign(rule: Rule, other: CompatRule, at: Context, reference: Reference) -> Effect | None:
    """A rule of iptables-nft that has xtables matches or targets in it."""
    found = other.evaluate(at.packet, at.evaluation, at.hook, supposed=at.evaluation.supposed.get(rule, ()))
    matched = found.stopped is None and found.matched is not False
    effect = None if found.effect == "continue" else found.effect
    at.evaluation.step(
        Step(
            chain=reference,
            rule=rule,
            matched=found.matched,
            stopped=found.stopped,
            effects=actions(found.done, effect) if matched else (),
            unsure=found.unsure,
        )
    )
    return effect if matched else None
