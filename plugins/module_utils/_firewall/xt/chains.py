# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Chains of a table: find the rules that a packet may match, without testing those that it cannot match."""

from __future__ import annotations

import bisect
import re
import typing as t

from ..effect import Evaluated, actions
from ..evaluation import MOST_STEPS, Action, Evaluation, Outcome, Reference, Step, UnsupportedError
from ..packet import Packet
from ..tracking import MATCHES, TARGETS
from . import save
from .index import Index
from .rule import Rule

_TRACKING = re.compile("|".join(sorted(MATCHES | TARGETS)))  # lines that may name one of these
_MOST_JUMPS = 20_000  # the kernel loads no loops; a saved text may have some

# linux/netfilter_ipv4.h: enum nf_ip_hook_priorities; net/ipv4/netfilter/iptable_*.c: which hooks each table has.
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_HOOKS = {"PREROUTING": "prerouting", "INPUT": "input", "FORWARD": "forward", "OUTPUT": "output", "POSTROUTING": "postrouting"}
_NAT_SOURCE = 100


class Rules:
    """The rules of one chain."""

    def __init__(self, table: save.Table, chain: save.Chain) -> None:
        self._lines, self.name, self.policy = chain.lines, chain.name, chain.policy
        self._table, self._rules = table, t.cast("list[Rule | None]", [None] * len(chain.lines))
        self._index: Index | None = None

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, at: int) -> Rule:
        rule = self._rules[at]
        if rule is None:
            table = self._table
            rule = self._rules[at] = Rule(table.family, table.name, self.name, at + 1, self._lines[at], table.chains)
        return rule

    def tracks(self) -> bool:
        """Whether one of them has the kernel track connections."""
        return any(_TRACKING.search(line) and self[at].tracks() for at, line in enumerate(self._lines))

    def candidates(self, packet: Packet) -> t.Sequence[int]:
        """Which rules the packet might match, in order."""
        if self._index is None:
            self._index = Index(self._lines)
        return self._index.candidates(packet)


class Chains:
    """The chains of a table by name; each is made when a packet first enters it."""

    def __init__(self, table: save.Table) -> None:
        self.table = table
        self._rules: dict[str, Rules] = {}

    def get(self, name: str) -> Rules | None:
        if name not in self._rules and name in self.table.chains:
            self._rules[name] = Rules(self.table, self.table.chains[name])
        return self._rules.get(name)


class BuiltIn:
    """A chain that packets enter from a hook: `BaseChain` of ruleset.py."""

    devices: tuple[str, ...] = ()

    def __init__(self, chains: Chains, name: str) -> None:
        table = chains.table
        self.family, self.hook, self.name = table.family, _HOOKS[name], name
        self.priority = _NAT_SOURCE if table.name == "nat" and name in ("INPUT", "POSTROUTING") else _PRIORITIES[table.name]
        self.kind = "nat" if table.name == "nat" else "route" if (table.name, name) == ("mangle", "OUTPUT") else "filter"
        self.idle = not table.damaged and not table.chains[name].lines and table.chains[name].policy == "ACCEPT"
        self.maker = "legacy iptables"
        self._chains = chains
        self._references: dict[str, Reference] = {}
        self.reference = self.reference_of(name)

    def run(self, packet: Packet, evaluation: Evaluation) -> Outcome:
        """Evaluate it; a table of which a part could not be read leaves the packet undecided."""
        table = self._chains.table
        if table.damaged:
            raise UnsupportedError(f"not all of {table.family} table {table.name} could be read: {table.damaged}")
        return _Run(self, packet, evaluation).from_chain(self.name)

    def rules(self, name: str) -> Rules:
        """A chain of the same table."""
        rules = self._chains.get(name)
        if rules is None:
            raise UnsupportedError(f"{self.family} table {self._chains.table.name} has no chain {name[:60]!r}")
        return rules

    def reference_of(self, chain: str) -> Reference:
        """A chain of the same table, entered from this hook."""
        if chain not in self._references:
            table = self._chains.table
            self._references[chain] = {
                "family": table.family,
                "table": table.name,
                "chain": chain,
                "hook": self.hook,
                "priority": self.priority,
                "manager": None,
                "legacy": True,
            }
        return self._references[chain]


class _Run:
    """One packet's way through a base chain and those that it jumps to, as ipt_do_table goes it."""

    def __init__(self, base: BuiltIn, packet: Packet, evaluation: Evaluation) -> None:
        self._base, self._packet, self._evaluation = base, packet, evaluation
        self._candidates: dict[str, t.Sequence[int]] = {}  # no rule that goes on changes what the index asks for

    def from_chain(self, name: str) -> Outcome:
        back: list[tuple[Rules, int]] = []
        rules, start = self._base.rules(name), 0
        for _jump in range(_MOST_JUMPS):
            at, evaluated = self._next(rules, start)
            effect = evaluated.effect if evaluated else "return"
            if isinstance(effect, Outcome):
                return effect._replace(chain=self._base.reference_of(rules.name))
            if isinstance(effect, tuple):
                if effect[0] == "jump":
                    back.append((rules, at + 1))
                rules, start = self._base.rules(effect[1]), 0
            elif effect != "return":
                return Outcome(effect, rules[at], self._base.reference_of(rules.name))
            elif back:
                rules, start = back.pop()
            else:
                return self._policy()
        raise UnsupportedError(f"the chains of {self._base.family} table {self._base.reference['table']} jump in a loop")

    def _policy(self) -> Outcome:
        policy = (self._base.rules(self._base.name).policy or "ACCEPT").lower()
        if policy not in ("accept", "drop"):
            raise UnsupportedError(f"{self._base.name} has the policy {policy[:40]!r}, which we do not know")
        if any(each is self._base.reference for each in self._evaluation.opened):
            return Outcome("accept", None, self._base.reference)
        self._evaluation.step(Step(self._base.reference, None, True, None, (Action(policy),)))
        return Outcome(policy, None, self._base.reference)

    def _next(self, rules: Rules, start: int) -> tuple[int, Evaluated | None]:
        """The first rule from `start` on that does not lead to the next one."""
        if rules.name not in self._candidates:
            self._candidates[rules.name] = rules.candidates(self._packet)
        candidates = self._candidates[rules.name]
        at = start
        for position in range(bisect.bisect_left(candidates, start), len(candidates)):
            self._pass(rules, at, candidates[position])
            at = candidates[position]
            evaluated = self._evaluate(rules, at)
            if evaluated.effect != "continue":
                return at, evaluated
            at += 1
        self._pass(rules, at, len(rules))
        return len(rules), None

    def _pass(self, rules: Rules, start: int, end: int) -> None:
        """Report rules that cannot match, as long as there is room."""
        for at in range(start, end):
            if len(self._evaluation.path) >= MOST_STEPS:
                self._evaluation.passed += end - at
                return
            self._evaluate(rules, at)

    def _evaluate(self, rules: Rules, at: int) -> Evaluated:
        rule = rules[at]
        if rule in self._evaluation.ignored:
            return Evaluated(False)
        if rule in self._evaluation.opened:
            return Evaluated(True, effect="accept")
        room = len(self._evaluation.path) < MOST_STEPS
        evaluated = rule.evaluate(self._packet, self._evaluation, self._base.hook, room, supposed=self._evaluation.supposed.get(rule, ()))
        if evaluated.matched is False and not room:
            self._evaluation.passed += 1
            return evaluated
        done = actions(evaluated.done, evaluated.effect)
        self._evaluation.step(
            Step(
                chain=self._base.reference_of(rules.name),
                rule=rule,
                matched=evaluated.matched,
                stopped=evaluated.stopped,
                effects=done,
                unsure=evaluated.unsure,
            )
        )
        return evaluated
