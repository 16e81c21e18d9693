# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What a host's firewall does to packets, and which rules do it: the work of the module firewall_info, see docs/firewall.md."""

from __future__ import annotations

import typing as t

from .._commands import Run
from .._errors import ObserveError
from .._wire.netlink import NETLINK_ROUTE, Netlink
from . import prose
from .answers import end_answer, hidden_answer, met_at, missed_answer, rerouted_answer, rewritten, step_answer, targets, zones
from .deciding import accepting, bringing, entered_chains, is_ahead_of_conntrack, is_answered, leaving, marking_rules, shadowed_by
from .describer import Answer, Describer
from .evaluation import Evaluation, Explored, Outcome, Reference, Rule, SetChanges, Supposed, UnsupportedError, explore
from .hidden import find_hidden
from .in_sets import in_sets
from .missed import missed
from .packet import Packet
from .questions import Question, asked, packet_of
from .ruleset import Facts, Ruleset
from .walk import Walk
from .way_back import Symmetric, other_way

MOST_ENDS, MOST_BEHIND = 5, 3
_MOST_READINGS = 3  # chains and sets are read one by one, as packets meet them: rules that change meanwhile are read again
_ACCEPTING = ("nftables", "iptables", "ufw", "firewalld", "docker")  # whose changes accept the packet in the hook's chain where it ends now


def observe(questions: t.Sequence[Question], run: Run, saved: str | None = None, lasting: bool = False) -> Answer:
    """`verdicts` and `absent` of firewall_info for the loaded ruleset, or for a saved one. Raises ObserveError for what cannot be asked.

    `run(command, data=None)` runs a tool and returns its exit code, output and error output. `lasting`: what packets leave in lists of
    recent addresses does not count, so that a loaded ruleset answers the same while nobody changes it.
    """
    if saved is not None:
        from .saved import observe_saved

        return observe_saved(questions, run, saved)
    from .facts import LiveFacts
    from .loaded import load, sets
    from .nft.read import generation

    for _reading in range(_MOST_READINGS):
        before = generation()
        with Netlink(NETLINK_ROUTE) as netlink:
            facts = LiveFacts(netlink, sets(run), lasting)
            answer = judge(questions, facts, load(run, facts), Describer(run))
        if generation() == before:
            return answer
    why = f"its rules were changed while they were read, {_MOST_READINGS} times: the verdicts may mix old rules with new ones"
    return {**answer, "absent": [*answer["absent"], {"what": "nf_tables", "why": why}]}


def judge(questions: t.Sequence[Question], facts: Facts, ruleset: Ruleset, describer: Describer) -> Answer:
    """The answers to all questions; equal questions are evaluated once."""
    packets = []
    for number, question in enumerate(questions):
        try:
            packets.append(packet_of(question, facts))
        except ObserveError as error:
            raise ObserveError(f"packets[{number}]: {error}") from error
    known: dict[tuple[t.Any, ...], Answer] = {}
    verdicts = []
    for packet, question in zip(packets, questions):
        asked_of = asked(packet, question)
        key = (*asked_of.values(), *(question.get(name) for name in ("header", "sender", "port_in", "missed")))
        if key not in known:
            known[key] = {**asked_of, **_verdict(packet, asked_of, facts, ruleset, describer)}
            if question.get("missed"):
                known[key].update(_almost(packet, facts, ruleset, describer))
        verdicts.append(known[key])
    return {"verdicts": verdicts, "absent": [{"what": absence.what, "why": absence.why} for absence in ruleset.absent]}


def _verdict(
    packet: Packet, answer: Answer, facts: Facts, ruleset: Ruleset, describer: Describer, opened: tuple[t.Any, ...] = ()
) -> Answer:
    """`opened`: the rules, and chains with a policy, in front of which the packet is accepted."""

    def walk(evaluation: Evaluation, mine: Packet) -> Outcome:
        outcome = Walk(ruleset, evaluation.facts, mine, evaluation).run()
        if outcome.verdict == "accept" and hidden:
            raise UnsupportedError(f"{hidden.what} could not be read: {hidden.why}")
        if outcome.verdict == "stolen" and not is_answered(evaluation):
            raise UnsupportedError("a rule takes it out of its way: it is sent by another device")
        return outcome._replace(rule=accepting(evaluation)) if outcome.verdict == "accept" else outcome

    hidden = next((absence for absence in ruleset.absent if absence.hides_rules), None)
    explored = explore(walk, packet, facts, opened=opened)
    outcome, path = explored.outcome, explored.first.path
    shadowed = shadowed_by(explored, lambda ignored: explore(walk, packet, facts, ignored, opened))
    marking = marking_rules(explored, lambda ignored: explore(walk, packet, facts, ignored, opened))
    steps = [step_answer(step, describer) for step in path]  # first: owners are known by what led to their chains
    rule = end_answer(outcome, describer) if outcome else None
    moved = bringing(outcome, path) or leaving(explored)
    before = describer.rule(moved) if moved else rule  # where a rule that lets it through has to stand
    stopped = outcome is not None and outcome.verdict in ("drop", "reject")
    back = other_way(packet, facts) if stopped else None
    if back is not None:
        otherwise = explore(walk, packet, Symmetric(facts, packet), opened=opened)
        back = back if otherwise.outcome is not None and otherwise.outcome.verdict == "accept" else None
    places = [before, *map(describer.rule, reversed(marking))] if before else []
    stateless = outcome is not None and is_ahead_of_conntrack(outcome.chain or {})
    state = {"state": "untracked"} if stateless else {}
    question = {**answer, **met_at(explored.packet), **state, "asked": answer, "entered": entered_chains(path)}
    change = _change(describer, places, question) if stopped else None
    if change:
        change["stateless"] = stateless
    then = None
    let_on = change["before"] is before and _accepted(change) if change else outcome is not None and outcome.verdict == "queue"
    if outcome is not None and let_on and len(opened) < MOST_BEHIND:
        through = _verdict(packet, answer, facts, ruleset, describer, (*opened, moved or outcome.rule or outcome.chain))
        then = {**answer, **through, "shadowed": [], "path": [], "passed": 0}
    return {
        "verdict": outcome.verdict if outcome else "undecided",
        "reject_with": outcome.reject_with if outcome else None,
        "queue": outcome.queue if outcome else None,
        "reader": facts.queue_reader(outcome.queue) if outcome and outcome.verdict == "queue" and outcome.queue is not None else None,
        "undecided_because": prose.because(explored.undecided),
        "undecided": explored.undecided._asdict() if explored.undecided else None,
        "rewritten": rewritten(explored.packet) if outcome or not explored.first.choices else None,
        "one_of": [end_answer(each, describer) for each in explored.ends[:MOST_ENDS]] if stopped else [],
        "targets": targets(explored, describer),
        "zones": zones(explored.packet),
        "way_back": back,
        "rule": rule,
        "rerouted": rerouted_answer(explored, describer),
        "marked_by": [describer.rule(each) for each in marking],
        "change": change,
        "then": then,
        "shadowed": [describer.rule(each) for each in shadowed],
        "path": steps,
        "passed": explored.first.passed,
    }


def _almost(packet: Packet, facts: Facts, ruleset: Ruleset, describer: Describer) -> Answer:
    """`missed`, `sets` and `hidden`: rules that would let a packet through, or translate its destination, but for one condition; elements
    of sets that stop it, or lack; and a rule that would translate its destination, were it not for rules ahead of it.
    """

    def look(
        mine: Packet, supposed: Supposed | None = None, changed_sets: SetChanges | None = None, ignored: t.Collection[Rule] = ()
    ) -> Explored:
        def walk(evaluation: Evaluation, each: Packet) -> Outcome:
            return Walk(ruleset, facts, each, evaluation).run()

        return explore(walk, mine, facts, ignored, supposed=supposed, changed_sets=changed_sets)

    explored = look(packet)
    for step in explored.first.path:
        step_answer(step, describer)  # owners are known by what led to their chains
    found = missed(packet, explored, look)
    in_them = in_sets(packet, explored, found, lambda changed: look(packet, changed_sets=changed))
    behind = find_hidden(packet, explored, lambda mine, ignored: look(mine, ignored=ignored))
    return {
        "missed": [missed_answer(each, describer) for each in found[:MOST_ENDS]],
        "sets": [describer.in_set(each, packet.source) for each in in_them],
        "hidden": hidden_answer(behind, describer) if behind else None,
    }


def _change(describer: Describer, rules: t.Sequence[Reference], question: Answer) -> Answer | None:
    """How to let the packet through, and `before` which rule or policy: the first of these whose program knows a way."""
    changes = ((rule, describer.change(rule, question)) for rule in rules)
    return next(({**change, "before": rule} for rule, change in changes if change is not None), None)


def _accepted(change: Answer) -> bool:
    """Whether the packet leaves that chain once the change is made, and goes on to the others."""
    return change["manager"] in _ACCEPTING and bool(change["commands"])
