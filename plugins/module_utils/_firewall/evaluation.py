# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Evaluate one packet, and try both answers where the result depends on something unknown.

An evaluation is straight-line code. Where a condition cannot be known (a rate limit, a random number, a field that was not given), it asks
`choose`. `explore` repeats the evaluation for every combination of such choices: when all end alike, the unknowns do not
matter and the verdict stands; otherwise the packet is undecided, and the reason is the first unknown that matters, a limit before others.
"""

from __future__ import annotations

import itertools
import typing as t

from .._typing import Protocol

MOST_TRIES = 64  # combinations of unknown conditions that are tried
SPENT = "spent"  # the kind of the only action of a rule that does not match: its quota is used up
FULL = "full"  # likewise: the set to which it adds has no room
MOST_STEPS = 64  # up to which rules that did not match are reported

LIMIT = "limit"  # a rate, a quota, a count, or a number drawn by lot: the next packet may fare otherwise
UNKNOWN = "unknown"  # something of the packet or the host that cannot be known
QUEUE = "queue"  # which of several queues the kernel puts the packet into, by its addresses: programs read some of them alone
UNROUTABLE = "unroutable"  # where rules send the packet, or by the mark that they give it, the kernel has no way for it
UNSUPPORTED = "unsupported"  # something that is not modelled, or could not be read
TOO_MANY = "too_many"  # more unknowns than can be tried

Reference = t.Dict[str, t.Any]
Supposed = t.Mapping["Rule", t.Collection[int]]  # of rules, by number: conditions that are to hold, to see what would happen then


class Rule(Protocol):
    """A rule as the evaluation and the report see it, whatever firewall it is from."""

    def reference(self) -> Reference:
        """{family, table, chain, handle, number, text, packets}: `number` counts from 1 in the chain; what it has not is None."""

    def parts(self) -> list[str]:
        """Its conditions, in the order in which the kernel checks them, as people write them."""

    def interfaces(self) -> list[str]:
        """Which interfaces it looks at: "in", "out"; none where it cannot be read."""


class Action(t.NamedTuple):
    """One thing that a rule did: ("dnat", "10.0.2.22:5999"), ("jump", "web"), ("set", "mark 0x1"), ("accept", None).

    docs/firewall.md lists the kinds. Targets may be names that people chose; prose.py makes words of it.
    """

    kind: str
    target: str | None = None


class Change(t.NamedTuple):
    """What a rule did to the packet itself; not `sure`: only if something unknown is so."""

    action: Action
    sure: bool = True


class Undecided(t.NamedTuple):
    """Why no verdict can be given. `kind` is one of the constants above; `what` is for people."""

    kind: str
    what: str
    otherwise: str | None = None  # the verdict where it is not so; None, as `if_so`, where the verdict does not depend on it
    if_so: str | None = None


class Part(t.NamedTuple):
    """Where a rule stopped matching: the condition's number in `parts()`, and what the packet has there instead, in words."""

    number: int
    seen: str | None


Membership = t.Tuple[t.Any, ...]
"""Which named set: its kind, ``nft`` or ``ipset``, its table where it has one, and its name."""

SetChanges = t.Mapping[Membership, t.Optional[t.Collection[t.Any]]]
"""Named sets that are to be without these elements, or, with None, to have whatever is looked up, to see what would happen then."""


class Looked(Protocol):
    """That a rule looked for what a packet has in a set with a name."""

    set: Membership
    element: t.Any
    """The element that was found, which `SetChanges` names; None where there is none."""

    def holds(self, value: bytes) -> bool:
        """Whether an address or a port is a field of what was looked for."""

    def alone(self) -> bool:
        """Whether the element that was found is for what was looked for and for nothing else."""

    def reference(self) -> Reference:
        """`sets` of a verdict, see docs/firewall.md, but for what only files and other rules show."""


class Step(t.NamedTuple):
    """A rule (None: the chain's policy) on the packet's way. `matched` None: it could not be known, and was supposed to be `supposed`."""

    chain: Reference  # {family, table, chain, hook, priority}
    rule: Rule | None
    matched: bool | None
    stopped: Part | None = None
    effects: t.Sequence[Action] = ()  # what it did, in order, its verdict last; empty: it goes on with the next rule
    unsure: t.Collection[int] = ()  # the conditions, by their number in `parts()`, that could not be known
    looked: t.Sequence[Looked] = ()  # the named sets that it looked into, in order


class Outcome(t.NamedTuple):
    """What happens to the packet: accept | drop | reject | queue | stolen. `rule` None: a policy, or nobody objected."""

    verdict: str
    rule: Rule | None = None
    chain: Reference | None = None
    reject_with: str | None = None  # tcp-reset, icmp-port-unreachable ...
    queue: int | None = None


ACCEPT = Outcome("accept")


class UnsupportedError(Exception):
    """The evaluation met something whose effect is not known to us and cannot be narrowed down to two cases."""

    kind = UNSUPPORTED


class UnroutableError(UnsupportedError):
    """What happens to the packet is no longer up to the rules: the kernel finds no route for it."""

    kind = UNROUTABLE


class Evaluation:
    """One try: the choices that it is to make, those that it made, and the path of rules."""

    def __init__(
        self,
        facts: t.Any,
        forced: t.Sequence[bool] = (),
        ignored: t.Collection[Rule] = (),
        opened: t.Collection[t.Any] = (),
        supposed: Supposed | None = None,
        changed_sets: SetChanges | None = None,
    ) -> None:
        self.facts = facts
        self.changed_sets = changed_sets or {}
        self.looked: list[Looked] = []  # by the rule that is evaluated
        self.ignored = ignored  # rules that are to be passed over, to see what would happen without them
        self.supposed = supposed or {}
        self.opened = opened  # rules, and chains with a policy, in front of which the packet is accepted, to see what would happen then
        self._forced = forced
        self.choices: list[bool] = []
        self.reasons: list[tuple[str, str]] = []  # of each choice: its kind, and what is unknown
        self._known: dict[object, int] = {}
        self.memory: dict[object, t.Any] = {}  # what rules on the way did to what later rules ask for, besides the packet
        self.path: list[Step] = []
        self.passed = 0  # rules that did not match and are not reported

    def choose(self, reason: str, key: object = None, kind: str = UNKNOWN) -> bool:
        """Whether an unknown condition holds. `reason` says for people what is unknown: "limit rate 5/second", "ip ttl < 5"; `kind` is
        LIMIT, QUEUE or UNKNOWN.

        The same unknown has one answer throughout a try; `key` distinguishes two that read the same, such as the limits of two rules.
        """
        at = self._known.setdefault(key or reason, len(self.choices))
        if at == len(self.choices):
            self.choices.append(self._forced[at] if at < len(self._forced) else False)
            self.reasons.append((kind, reason))
        return self.choices[at]

    def differences(self, other: Evaluation) -> list[tuple[str, str]]:
        """The unknowns, by kind and reason, that both tries asked for and answered differently."""
        both = [(at, other._known[key]) for key, at in self._known.items() if key in other._known]
        return [self.reasons[mine] for mine, theirs in both if self.choices[mine] is not other.choices[theirs]]

    def step(self, step: Step) -> None:
        """Keep a rule on the way; rules that did not match only as long as there is room."""
        if step.matched is False and len(self.path) >= MOST_STEPS:
            self.passed += 1
        else:
            self.path.append(step._replace(looked=tuple(self.looked)) if self.looked else step)
        self.looked.clear()


class Explored(t.NamedTuple):
    """The verdict over all tries. `outcome` None: it is undecided, `undecided` has why, and `possible` what it might be."""

    outcome: Outcome | None
    undecided: Undecided | None
    possible: tuple[Outcome, ...]
    first: Evaluation
    packet: t.Any  # as it leaves the host in the first try
    ways: tuple[tuple[Evaluation, t.Any], ...] = ()  # of a packet whose end is sure and whose way is not: one try for each way
    ends: tuple[Outcome, ...] = ()  # where it is sure what happens to it, and not by which rule: one outcome for each rule
    tries: tuple[Evaluation, ...] = ()  # all of them, where one outcome of one rule or policy is sure


def explore(
    evaluate: t.Callable[[Evaluation, t.Any], Outcome],
    packet: t.Any,
    facts: t.Any,
    ignored: t.Collection[Rule] = (),
    opened: t.Collection[t.Any] = (),
    supposed: Supposed | None = None,
    changed_sets: SetChanges | None = None,
) -> Explored:
    """Evaluate a packet (anything with `copy()`) under every combination of what is unknown."""
    forced: list[bool] | None = []
    tries: list[tuple[Evaluation, t.Any, Outcome]] = []
    while forced is not None and len(tries) < MOST_TRIES:
        evaluation, mine = Evaluation(facts, forced, ignored, opened, supposed, changed_sets), packet.copy()
        try:
            outcome = evaluate(evaluation, mine)
        except UnsupportedError as error:
            known = tuple(outcome for _evaluation, _packet, outcome in tries)
            return Explored(None, Undecided(error.kind, str(error)), known, evaluation, mine)
        tries.append((evaluation, mine, outcome))
        forced = _next(evaluation.choices)
    first, left, outcome = tries[0]
    if forced is not None:
        return Explored(None, Undecided(TOO_MANY, first.reasons[0][1]), (), first, left)
    outcomes = tuple(each for _evaluation, _packet, each in tries)
    if all(_alike(each, outcome) for each in outcomes) and all(_same_way(mine, left) for _evaluation, mine, _outcome in tries):
        if any(mine.mark != left.mark for _evaluation, mine, _outcome in tries):
            left.mark = None  # how it is marked depends on an unknown
        left.changes = _changes([mine.changes for _evaluation, mine, _outcome in tries])
        same_rule = all(each.rule is outcome.rule and each.chain == outcome.chain for each in outcomes)
        if same_rule:
            return Explored(outcome, None, (outcome,), first, left, tries=tuple(evaluation for evaluation, _packet, _outcome in tries))
        ends = {(id(each.rule), str(each.chain)): each for each in outcomes}
        return Explored(
            outcome=outcome._replace(rule=None, chain=None),
            undecided=None,
            possible=(outcome,),
            first=first,
            packet=left,
            ways=(),
            ends=tuple(ends.values()),
        )
    ways = {mine.ends: (evaluation, mine) for evaluation, mine, _outcome in reversed(tries)}
    possible = tuple({_end(each): each for each in outcomes}.values())
    return Explored(
        outcome=None,
        undecided=_deciding(tries),
        possible=possible,
        first=first,
        packet=left,
        ways=tuple(ways.values()) if len(possible) == 1 else (),
    )


def _next(choices: t.Sequence[bool]) -> list[bool] | None:
    """The next combination, depth first; None after the last one."""
    forced = list(choices)
    while forced and forced[-1]:
        forced.pop()
    return [*forced[:-1], True] if forced else None


def _alike(one: Outcome, other: Outcome) -> bool:
    return _end(one) == _end(other)


def _end(outcome: Outcome) -> tuple[t.Any, ...]:
    return outcome.verdict, outcome.reject_with, outcome.queue


def _same_way(one: t.Any, other: t.Any) -> bool:
    return bool(one.ends == other.ends)


def _changes(tries: t.Sequence[list[Change]]) -> list[Change]:
    """What rules did to it in every try, and what they did in some, which depends on an unknown."""
    every = dict.fromkeys(each for changes in tries for each in changes)
    return [each if all(each in changes for changes in tries) else each._replace(sure=False) for each in every]


def _deciding(tries: t.Sequence[tuple[Evaluation, t.Any, Outcome]]) -> Undecided:
    """The unknown on which it depends: the first whose two answers lead to different ends.

    A limit goes before other unknowns: a rule that stops what is over it does not stop every such packet.
    """
    if any(kind == LIMIT for evaluation, _packet, _outcome in tries for kind, _what in evaluation.reasons):
        for (one, _packet, ended), (other, _other_packet, ended_otherwise) in itertools.combinations(tries, 2):
            differences = [] if _alike(ended, ended_otherwise) else one.differences(other)
            if len(differences) == 1 and differences[0][0] == LIMIT:
                return Undecided(*differences[0], ended.verdict, ended_otherwise.verdict)
    for (one, _packet, ended), (other, _other_packet, ended_otherwise) in zip(tries, tries[1:]):
        if not _alike(ended, ended_otherwise):
            split = next((at for at, (a, b) in enumerate(zip(one.choices, other.choices)) if a != b), 0)
            return Undecided(*other.reasons[split], ended.verdict, ended_otherwise.verdict)
    evaluation = next(each for each, _packet, _outcome in tries if each.reasons)
    return Undecided(*evaluation.reasons[0])
