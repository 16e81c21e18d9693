# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""One rule: its conditions and its target, parsed from its line when a packet first meets it."""

from __future__ import annotations

import typing as t

from ..._errors import DecodeError
from ..effect import Effect, Evaluated
from ..evaluation import Evaluation, Outcome, Part, Reference, UnsupportedError
from ..packet import Link, Packet
from ..tracking import MATCHES, TARGETS
from . import matches, save, targets
from . import syntax as _syntax
from .condition import Condition, Place, Unknown, unknown_match
from .matches import core

_NOT = Evaluated(False)
_UNROUTED, _NOWHERE = ("prerouting", "input"), Link(0, "")  # hooks where a packet has no interface that it will leave by


class _Made(t.NamedTuple):
    conditions: list[Condition]
    target: targets.Target
    acts: bool  # whether some condition changes something when it is reached


class Rule:
    """A rule of a chain, as the evaluation and the report see it. `number` counts from 1."""

    __slots__ = ("_chains", "_line", "_made", "chain", "family", "number", "table")

    def __init__(self, family: str, table: str, chain: str, number: int, line: str, chains: t.Container[str]) -> None:
        self.family, self.table, self.chain, self.number = family, table, chain, number
        self._line, self._chains = line, chains
        self._made: _Made | None = None

    def reference(self) -> Reference:
        packets, text = save.packets_and_rule(self._line)
        return {
            "family": self.family,
            "table": self.table,
            "chain": self.chain,
            "handle": None,
            "number": self.number,
            "text": text,
            "packets": packets,
        }

    def tracks(self) -> bool:
        """Whether it has the kernel track connections. UnsupportedError for a line that cannot be read."""
        syntax = self._read()
        target = syntax.target
        asks = target is not None and target.name in TARGETS and not (target.name == "CT" and target.get("notrack"))
        return asks or any(clause.name in MATCHES for clause in syntax.matches)

    def parts(self) -> list[str]:
        return [condition.text for condition in self._make().conditions]

    def interfaces(self) -> list[str]:
        try:
            names = {option.name for option in self._read().core}
        except UnsupportedError:
            return []
        return [side for side in ("in", "out") if f"{side}-interface" in names]

    def _read(self) -> _syntax.Syntax:
        try:
            return _syntax.parse(save.packets_and_rule(self._line)[1])
        except DecodeError as error:
            raise UnsupportedError(str(error)) from error

    def evaluate(
        self,
        packet: Packet,
        evaluation: Evaluation,
        hook: str | None = None,
        explain: bool = True,
        *,
        supposed: t.Collection[int] = (),
    ) -> Evaluated:
        """Whether it matches, and what follows. `hook`: where the packet is, which decides what the kernel knows of it there.

        Not to `explain`: nobody will read where it stopped. `supposed`: the conditions, by number, that are to hold.
        """
        evaluation.looked.clear()
        if evaluation.ignored and self in evaluation.ignored:
            return Evaluated(False)
        if hook in _UNROUTED and packet.direction != "in":
            oif, packet.oif = packet.oif, _NOWHERE
            try:
                return self._evaluate(packet, evaluation, hook, explain, supposed)
            finally:
                packet.oif = oif
        return self._evaluate(packet, evaluation, hook, explain, supposed)

    def _evaluate(self, packet: Packet, evaluation: Evaluation, hook: str | None, explain: bool, supposed: t.Collection[int]) -> Evaluated:
        made = self._made or self._make()
        unsure: list[int] = []
        if made.acts:
            for number, condition in enumerate(made.conditions):
                answer = condition.holds(packet, evaluation)
                if isinstance(answer, Unknown):
                    unsure.append(number)
                    answer = condition.choose(answer, evaluation)
                if not answer and number not in supposed:
                    return Evaluated(None if unsure else False, Part(number, condition.seen(packet)), unsure=unsure)
                condition.reached(packet, evaluation)
        else:
            hanging: list[tuple[int, Condition, Unknown]] = []
            for number, condition in enumerate(made.conditions):
                answer = condition.holds(packet, evaluation)
                if answer is False and number in supposed:
                    continue
                if answer is False:
                    if not explain:
                        return _NOT
                    return Evaluated(False, Part(number, condition.seen(packet)), unsure=[at for at, *_rest in hanging])
                if isinstance(answer, Unknown):
                    hanging.append((number, condition, answer))
            unsure = [at for at, *_rest in hanging]
            for number, condition, answer in hanging:
                if not condition.choose(answer, evaluation):
                    return Evaluated(None, Part(number, condition.seen(packet)), unsure=unsure)
        effect, done = made.target(packet, evaluation, hook)
        if isinstance(effect, Outcome):
            effect = effect._replace(rule=self)
        return Evaluated(None if unsure else True, None, effect, () if done is None else (done,), unsure)

    def _make(self) -> _Made:
        if self._made is None:
            self._made = self._compile()
        return self._made

    def _compile(self) -> _Made:
        place = Place(4 if self.family == "ip" else 6, (self.family, self.table, self.chain, self.number))
        text = save.packets_and_rule(self._line)[1]
        try:
            syntax = _syntax.parse(text)
        except DecodeError as error:
            return _Made([Condition(text, lambda packet, evaluation: Unknown(text))], targets.unsupported(str(error)), False)
        conditions = _core_conditions(syntax.core, place)
        for clause in syntax.matches:
            conditions += _match_conditions(clause, place)
        return _Made(conditions, self._target(syntax, place), any(condition.acts for condition in conditions))

    def _target(self, syntax: _syntax.Syntax, place: Place) -> targets.Target:
        if syntax.target is None:
            return targets.go_on
        name = syntax.target.name
        if name in self._chains:
            effect: Effect = ("goto" if syntax.goto else "jump", name)
            return lambda packet, evaluation, hook: (effect, None)
        try:
            return targets.build(syntax.target, place)
        except DecodeError as error:
            return targets.unsupported(f"the target {name} of {self.chain} rule {self.number} is not understood: {error}")


def _core_conditions(options: t.Sequence[_syntax.Option], place: Place) -> list[Condition]:
    try:
        return core.conditions(options, place)
    except DecodeError as error:
        reason = str(error)
        return [Condition(" ".join(option.text for option in options), lambda packet, evaluation: Unknown(reason, place))]


def _match_conditions(clause: _syntax.Clause, place: Place) -> list[Condition]:
    builder = matches.builder(clause.name)
    if builder is None:
        return unknown_match(clause, place)
    try:
        return builder(clause, place)
    except DecodeError:
        return unknown_match(clause, place)
