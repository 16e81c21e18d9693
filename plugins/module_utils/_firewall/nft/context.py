# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""One packet in one base chain of nf_tables: the state on which expressions work."""

from __future__ import annotations

import sys
import typing as t

from ..._typing import Protocol
from ..bits import Partial, Value, known
from ..effect import Effect
from ..evaluation import LIMIT, UNKNOWN, Action, Evaluation, Part, UnsupportedError
from ..packet import Link, Packet, Tracking
from .fields import Field
from .registers import Registers
from .sets import Carried, Set

BREAK = "break"  # the rule does not match: go on with the next one
Result = t.Optional[Effect]  # None: go on with the next expression

_WIDEST = 64  # bytes of all registers
_RECEIVING = ("ingress", "prerouting", "input", "forward")
_SENDING = ("forward", "output", "postrouting", "egress")


class SettledError(Exception):
    """The rule's end is known without an answer to what is unknown: a later condition fails, or nothing would come of it."""

    def __init__(self, position: int | None, seen: Value | None) -> None:
        self.position, self.seen = position, seen  # the condition that fails; None: nothing comes of the rule


class HangingError(Exception):
    """Looking ahead ends: what follows depends on more than whether a condition holds."""


class Rule(Protocol):
    """What the evaluation of an expression asks of the rule that it is in."""

    @property
    def where(self) -> tuple[str, str, str, int | None]: ...

    def part_at(self, position: int) -> str: ...

    def field_at(self, position: int) -> str: ...

    def look_ahead(self, at: Context) -> None: ...

    def stopped(self, position: int, seen: Value | None, at: Context) -> Part | None: ...

    def fields_at(self, position: int) -> t.Sequence[Field]: ...


class Table(Protocol):
    """What an expression asks of its table; UnsupportedError for what cannot be read."""

    family: str
    name: str
    key: tuple[str, str]
    links: t.Mapping[int, Link]

    def set(self, name: str) -> Set: ...

    def filled_by(self, name: str) -> t.Any:
        """The rule that adds keys to a set; None where no rule does."""

    def object(self, kind: int, name: str) -> Carried:
        """A named object as the expression that it is."""

    def object_kind(self, map_name: str) -> int:
        """Of what type the objects are that a map names."""

    def object_words(self, kind: int) -> str:
        """What a rule says in front of the name of an object of that type."""


class Asking(t.NamedTuple):
    """Where a rule looks into a set: its table, and the fields of what it looks for."""

    key: tuple[str, str]
    links: t.Mapping[int, Link]
    fields: t.Callable[[], t.Sequence[Field]]
    filled_by: t.Callable[[str], t.Any]  # the rule that adds what it sees to a set, as RULE of docs/firewall.md


class Context:
    """The packet, the registers, and the rule that is evaluated. `hook` and `family` are those of the base chain."""

    def __init__(self, packet: Packet, evaluation: Evaluation, table: Table, hook: str) -> None:
        self.packet, self.evaluation, self.table, self.hook = packet, evaluation, table, hook
        self.family = table.family
        self.registers = Registers()
        self.rule: Rule | None = None
        self.position = 0  # of the expression that is evaluated, in the rule
        self.ahead = False  # whether this is a look ahead, in which what is unknown is supposed to hold
        self.guessed = False  # whether something in this rule had to be supposed
        self.unsure: set[int] = set()  # the expressions, by their position in the rule, that depend on something unknown
        self.done: list[Action] = []  # what the rule did so far besides its verdict
        self.seen: Value | None = None  # what the failed test found

    def begin(self, rule: Rule) -> None:
        self.rule, self.position, self.guessed, self.unsure, self.done, self.seen = rule, 0, False, set(), [], None

    @property
    def _came_in(self) -> bool:
        return self.hook in _RECEIVING or (self.hook == "postrouting" and self.packet.direction == "forward")

    @property
    def iif_known(self) -> bool:
        return self.packet.iif_known or not self._came_in

    @property
    def oif_known(self) -> bool:
        return self.packet.oif_known or self.hook not in _SENDING

    @property
    def iif(self) -> Link | None:
        """The kernel's nft_in: what a packet sent by the host itself has not. UnsupportedError where it is not known."""
        if not self.iif_known:
            raise UnsupportedError("by which interface it comes is not known: give interface")
        return self.packet.iif if self._came_in else None

    @property
    def oif(self) -> Link | None:
        """The kernel's nft_out, which is set once the packet is routed. UnsupportedError where it is not known."""
        if not self.oif_known:
            raise UnsupportedError("by which interface it leaves is not known: give out_interface")
        return self.packet.oif if self.hook in _SENDING else None

    @property
    def tracking(self) -> Tracking | None:
        """What conntrack knows of the packet's connection; None where the kernel has none (nf_ct_get is NULL)."""
        tracking = self.packet.tracking
        return None if tracking is None or tracking.state in ("invalid", "untracked") else tracking

    @property
    def where(self) -> tuple[str, str, str, int | None]:
        """The rule, to distinguish unknowns that read the same."""
        return self.rule.where if self.rule else ("", "", "", None)

    @property
    def drawn(self) -> str:
        """Why a number is unknown that is drawn each time: it is no other rule's."""
        return f"what expression {self.position} of rule {' '.join(map(str, self.where))} draws cannot be foreseen"

    def choose(self, reason: str | None = None, key: object = None, kind: str = UNKNOWN) -> bool:
        """Whether a condition that cannot be known holds: by default the one that is evaluated, as people write it.

        Raises SettledError where the answer does not matter, as the rule fails all the same, or does nothing.
        """
        if self.ahead:
            if reason is None:
                return True
            raise HangingError
        if self.rule is not None:
            self.rule.look_ahead(self)
        self.guessed = True
        self.unsure.add(self.position)
        if reason is None:
            reason = self.rule.part_at(self.position) if self.rule else "an unknown condition"
        return self.evaluation.choose(reason, key, kind)

    @property
    def field(self) -> str:
        """What the expression that is evaluated tests, in words."""
        return self.rule.field_at(self.position) if self.rule else ""

    def ask(self, question: tuple[object, ...], positive: bool, found: Value) -> bool:
        """Whether the condition that is evaluated holds, which is a question on unknown bits, or, where not `positive`, its contrary.

        The same question has one answer, in whichever way it is put. `found`: the value with these bits.
        """
        if self.ahead:
            return True
        first = self.evaluation.memory.get(question, positive)
        answer = self.choose(None, question, kind_of(found))
        self.evaluation.memory[question] = first
        return bool(answer == (first == positive))

    def test(self, holds: bool, source: int) -> Result:
        """Go on where a condition on a register holds, break where it does not."""
        if holds:
            return None
        self.seen = self.registers.get(source, _WIDEST)
        return BREAK

    @property
    def asking(self) -> Asking:
        """The rule's place, for whoever wants to know what it found in a set."""
        rule, position = self.rule, self.position
        return Asking(self.table.key, self.table.links, lambda: rule.fields_at(position) if rule else (), self.table.filled_by)

    def changed(self, what: Action) -> None:
        """The rule changed the packet."""
        self.done.append(what)
        self.packet.changed(what)

    def stopped(self) -> Part | None:
        """Where the rule stopped matching."""
        return self.rule.stopped(self.position, self.seen, self) if self.rule else None


def host(number: int, length: int = 4) -> bytes:
    """A number as the kernel stores it in a register: in the byte order of the machine."""
    return number.to_bytes(length, sys.byteorder)


def unknown(length: int, why: str) -> Partial:
    return Partial.nothing(length, why)


def kind_of(found: Value) -> str:
    """What kind of unknown a value is."""
    return LIMIT if isinstance(found, Partial) and found.drawn else UNKNOWN


def up_to(most: int, length: int, why: str, drawn: bool = False) -> Partial:
    """A number in host order of which only is known that it is at most `most`."""
    bits = (1 << most.bit_length()) - 1
    return Partial(bytes(length), host(~bits & (1 << 8 * length) - 1, length), why, drawn)


def sure_number(value: Value) -> int | None:
    """A number in host order, None where some bits are unknown."""
    sure = known(value)
    return None if sure is None else int.from_bytes(sure, sys.byteorder)
