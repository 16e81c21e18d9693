# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What a host's firewall does to packets, and which rules do it: the work of the module firewall_info, see docs/firewall.md."""

from __future__ import annotations

import typing as t

from .._errors import ObserveError
from .._wire.netlink import NETLINK_ROUTE, Netlink
from . import prose
from .evaluation import Action, Evaluation, Explored, Outcome, Reference, Rule, Step, Supposed, UnsupportedError, explore
from .managers import Managers
from .missed import missed
from .packet import Packet, text
from .questions import Question, asked, packet_of
from .ruleset import Facts, Ruleset
from .walk import Walk
from .way_back import Symmetric, other_way

Run = t.Callable[..., t.Tuple[int, str, str]]
Answer = t.Dict[str, t.Any]

_MOST_READINGS = 3  # chains and sets are read one by one, as packets meet them: rules that change meanwhile are read again


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


_CONNTRACK = -200
MOST_TARGETS, MOST_ENDS, MOST_BEHIND = 64, 5, 3
_ACCEPTING = ("nftables", "iptables", "ufw", "firewalld", "docker")  # whose changes accept the packet in the hook's chain where it ends now
_TARGETS = ("dnat", "redirect", "netmap")


class Describer:
    """Rules in words: who made them, and how to change that. None of it decides anything.

    `run` None: a saved ruleset, of which no tool and no file of this host can tell.
    """

    def __init__(self, run: Run | None) -> None:
        self._saved, self._managers = run is None, Managers(run)
        self._described: dict[int, Reference] = {}

    def rule(self, rule: Rule) -> Reference:
        if id(rule) not in self._described:
            reference = rule.reference()
            if self._saved:
                reference["handle"] = None  # it will have another one where the ruleset is loaded
            else:
                reference["legacy"] = reference["handle"] is None
            looks_at = rule.interfaces()
            self._described[id(rule)] = {**reference, **({"interfaces": looks_at} if looks_at else {}), **self._managers.owner(reference)}
        return self._described[id(rule)]

    def policy(self, chain: Reference, verdict: str) -> Reference:
        """A chain's policy, told as a rule."""
        place = {name: chain[name] for name in ("family", "table", "chain")}
        reference = {**place, "handle": None, "number": None, "text": f"policy {verdict}", "packets": chain.get("packets")}
        if not self._saved:
            reference["legacy"] = bool(chain.get("legacy"))
        return {**reference, **self._managers.owner(reference)}

    def change(self, reference: Reference, question: Answer) -> Answer | None:
        return self._managers.change(reference, question)


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
                known[key]["missed"] = _missed(packet, facts, ruleset, describer)
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
        if outcome.verdict == "stolen" and not _answered(evaluation):
            raise UnsupportedError("a rule takes it out of its way: it is sent by another device")
        return outcome._replace(rule=_accepting(evaluation)) if outcome.verdict == "accept" else outcome

    hidden = next((absence for absence in ruleset.absent if absence.hides_rules), None)
    explored = explore(walk, packet, facts, opened=opened)
    outcome, path = explored.outcome, explored.first.path
    shadowed = _shadowed(explored, lambda ignored: explore(walk, packet, facts, ignored, opened))
    marking = _marking(explored, lambda ignored: explore(walk, packet, facts, ignored, opened))
    steps = [_step(step, describer) for step in path]  # first: owners are known by what led to their chains
    rule = _decisive(explored, describer)
    moved = _bringing(outcome, path) or _gone(explored)
    before = describer.rule(moved) if moved else rule  # where a rule that lets it through has to stand
    stopped = outcome is not None and outcome.verdict in ("drop", "reject")
    back = other_way(packet, facts) if stopped else None
    if back is not None:
        otherwise = explore(walk, packet, Symmetric(facts, packet), opened=opened)
        back = back if otherwise.outcome is not None and otherwise.outcome.verdict == "accept" else None
    places = [before, *map(describer.rule, reversed(marking))] if before else []
    stateless = outcome is not None and _ahead_of_conntrack(outcome.chain or {})
    state = {"state": "untracked"} if stateless else {}
    question = {**answer, **_where(explored.packet), **state, "asked": answer, "entered": _entered(path)}
    change = _change(describer, places, question) if stopped else None
    if change:
        change["stateless"] = stateless
    then = None
    if outcome is not None and change and change["before"] is before and _accepted(change) and len(opened) < MOST_BEHIND:
        through = _verdict(packet, answer, facts, ruleset, describer, (*opened, moved or outcome.rule or outcome.chain))
        then = {**answer, **through, "shadowed": [], "path": [], "passed": 0}
    return {
        "verdict": outcome.verdict if outcome else "undecided",
        "reject_with": outcome.reject_with if outcome else None,
        "queue": outcome.queue if outcome else None,
        "undecided_because": prose.because(explored.undecided),
        "undecided": explored.undecided._asdict() if explored.undecided else None,
        "rewritten": _rewritten(explored.packet) if outcome or not explored.first.choices else None,
        "one_of": [_end(each, describer) for each in explored.ends[:MOST_ENDS]] if stopped else [],
        "targets": _targets(explored, describer),
        "zones": _zones(explored.packet),
        "way_back": back,
        "rule": rule,
        "marked_by": [describer.rule(each) for each in marking],
        "change": change,
        "then": then,
        "shadowed": [describer.rule(each) for each in shadowed],
        "path": steps,
        "passed": explored.first.passed,
    }


def _missed(packet: Packet, facts: Facts, ruleset: Ruleset, describer: Describer) -> list[Answer]:
    """Rules that would let a packet through, or translate its destination, but for one condition."""

    def look(mine: Packet, supposed: Supposed | None = None) -> Explored:
        return explore(lambda evaluation, each: Walk(ruleset, facts, each, evaluation).run(), mine, facts, supposed=supposed)

    explored = look(packet)
    for step in explored.first.path:
        _step(step, describer)  # owners are known by what led to their chains
    found = []
    for each in missed(packet, explored, look)[:MOST_ENDS]:
        translating = [step.rule for step in each.path if step.rule and any(one.kind in _TARGETS for one in step.effects)]
        condition = _step(each.step, describer)
        found.append({
            "rule": condition["rule"],
            "condition": next(part for part in condition["parts"] if part["matched"] is False),
            "translating": describer.rule(translating[-1]) if translating else None,
            "destination": text(each.packet.destination),
            "port": each.packet.destination_port,
        })  # fmt: skip
    return found


def _ahead_of_conntrack(chain: Reference) -> bool:
    """Whether its rules meet packets before the kernel has looked for their connection (NF_IP_PRI_CONNTRACK)."""
    hook, priority = chain.get("hook"), chain.get("priority")
    return hook in ("ingress", "egress") or (hook in ("prerouting", "output") and isinstance(priority, int) and priority < _CONNTRACK)


def _accepted(change: Answer) -> bool:
    """Whether the packet leaves that chain once the change is made, and goes on to the others."""
    return change["manager"] in _ACCEPTING and bool(change["commands"])


def _answered(evaluation: Evaluation) -> bool:
    """Whether synproxy took it, which answers it in the server's place."""
    return any(each.kind == "synproxy" for step in evaluation.path[-1:] for each in step.effects)


def _decisive(explored: Explored, describer: Describer) -> Reference | None:
    """The rule or policy that ended the packet's way, or the last one that let it on."""
    outcome = explored.outcome
    if outcome is None:
        return None
    return _end(outcome, describer)


def _end(outcome: Outcome, describer: Describer) -> Reference | None:
    if outcome.rule is not None:
        return describer.rule(outcome.rule)
    return describer.policy(outcome.chain, outcome.verdict) if outcome.verdict != "accept" and outcome.chain else None


def _gone(explored: Explored) -> Rule | None:
    """Where a policy decides: the first rule by which the packet may leave the base chain for good (goto, return). What stands behind
    that one is not met, or need not be.
    """
    outcome = explored.outcome
    if outcome is None or outcome.rule is not None or outcome.chain is None:
        return None
    base = _place_of(outcome.chain)
    left = [step.rule for each in explored.tries for step in each.path if step.rule and _place_of(step.chain) == base and _leaves(step)]
    return min(left, key=lambda rule: int(rule.reference()["number"])) if left else None


def _leaves(step: Step) -> bool:
    return step.matched is not False and bool(step.effects) and step.effects[-1].kind in ("goto", "return")


def _place_of(chain: Reference) -> list[t.Any]:
    return [chain.get(name) for name in ("family", "table", "chain", "legacy")]


def _bringing(outcome: Outcome | None, path: t.Sequence[Step]) -> Rule | None:
    """Where a rule of an inline chain decides: the rule that brought that chain along, which the kernel lets nobody add rules to."""
    if outcome is None or outcome.rule is None or not (outcome.chain or {}).get("inline"):
        return None
    chain = outcome.chain or {}
    for step in reversed(path):
        last = step.effects[-1] if step.matched and step.effects else None
        if step.rule and last and last.kind in ("jump", "goto") and last.target == chain["chain"]:
            if not step.chain.get("inline"):
                return step.rule
            chain = step.chain
    return None


def _entered(path: t.Sequence[Step]) -> list[tuple[str, str, str]]:
    """The chains on the packet's way, by family, table and name: also those that it left without meeting a rule of theirs."""
    found = [(str(step.chain["family"]), str(step.chain["table"]), str(step.chain["chain"])) for step in path]
    for step in path:
        for each in step.effects if step.matched else ():
            if each.kind in ("jump", "goto"):
                found.append((str(step.chain["family"]), str(step.chain["table"]), str(each.target)))
    return list(dict.fromkeys(found))


def _accepting(evaluation: Evaluation) -> Rule | None:
    """The last rule that accepted the packet."""
    return next((step.rule for step in reversed(evaluation.path) if step.rule and _accepts(step)), None)


def _shadowed(explored: Explored, without: t.Callable[[t.Collection[Rule]], Explored]) -> list[Rule]:
    """The rule behind the one that stops the packet that would have let it through, if there is one."""
    outcome = explored.outcome
    culprit = (outcome.rule or _gone(explored)) if outcome and outcome.verdict in ("drop", "reject") else None
    if outcome is None or culprit is None:
        return []
    instead = without((culprit,))
    if instead.outcome is None or instead.outcome.verdict != "accept":
        return []
    place = _hook(outcome.chain or {})
    return [step.rule for step in instead.first.path if step.rule and _accepts(step) and _hook(step.chain) == place]


def _marking(explored: Explored, without: t.Callable[[t.Collection[Rule]], Explored]) -> list[Rule]:
    """Where a rule stops the packet for its mark: the rule that gave it the mark, and the one that led there. Empty: not for a mark."""
    outcome, path = explored.outcome, explored.first.path
    if outcome is None or outcome.verdict not in ("drop", "reject") or outcome.rule is None:
        return []
    marked = [number for number, step in enumerate(path) if step.rule and step.matched and any(map(_sets_mark, step.effects))]
    if not marked:
        return []
    last = path[marked[-1]]
    instead = without((last.rule,)) if last.rule else explored
    if instead.outcome is not None and instead.outcome.rule is outcome.rule:
        return []
    led = [step.rule for step in path[: marked[-1]] if step.rule and any(_leads_to(each, last.chain) for each in step.effects)]
    return [rule for rule in (last.rule, *led[-1:]) if rule]


def _sets_mark(action: Action) -> bool:
    return action.kind == "set" and (action.target or "").startswith("mark")


def _leads_to(action: Action, chain: Reference) -> bool:
    return action.kind in ("jump", "goto") and action.target == chain.get("chain")


def _change(describer: Describer, rules: t.Sequence[Reference], question: Answer) -> Answer | None:
    """How to let the packet through, and `before` which rule or policy: the first of these whose program knows a way."""
    changes = ((rule, describer.change(rule, question)) for rule in rules)
    return next(({**change, "before": rule} for rule, change in changes if change is not None), None)


def _accepts(step: Step) -> bool:
    return step.matched is not False and bool(step.effects) and step.effects[-1].kind == "accept"


def _hook(chain: Reference) -> tuple[t.Any, ...]:
    """The base chain that a rule was reached from."""
    return tuple(chain.get(name) for name in ("family", "table", "hook", "priority"))


def _met(packet: Packet) -> Answer:
    """The packet's ends as the last rule on its way met them: behind a translation they are others than were asked about."""
    return {
        "source": text(packet.source),
        "source_port": packet.source_port,
        "destination": text(packet.destination),
        "port": packet.destination_port,
    }


def _rewritten(packet: Packet) -> Answer | None:
    if not packet.changes:
        return None
    changes = [prose.change(each) for each in packet.changes]
    return {**_met(packet), "mark": packet.mark, "direction": packet.direction, "changes": changes}


def _targets(explored: Explored, describer: Describer) -> list[Answer]:
    """Where rules may send a packet whose way depends on something unknown, such as a lot, and the last rule that does so."""
    found = []
    for evaluation, packet in explored.ways:
        sending = [step.rule for step in evaluation.path if step.rule and any(each.kind in _TARGETS for each in step.effects)]
        ends = {"destination": text(packet.destination), "port": packet.destination_port}
        found.append({**ends, "rule": describer.rule(sending[-1]) if sending else None})
    return found[:MOST_TARGETS]


def _zones(packet: Packet) -> Answer | None:
    """Where conntrack looks for the packet's connection in another zone than that which its SYN opened it in."""
    return {"looked_in": packet.zone.id, "opened_in": packet.opened_in.id} if packet.opened_in is not None else None


def _where(packet: Packet) -> Answer:
    """Its ends and its way as the last rule met it: what is translated on its way in may be forwarded."""
    iif, oif = packet.iif if packet.direction != "out" else None, packet.oif if packet.direction != "in" else None
    way = {"direction": packet.direction, "interface": iif.name if iif else None, "out_interface": oif.name if oif else None}
    return {**_met(packet), **way}


def _step(step: Step, describer: Describer) -> Answer:
    parts = step.rule.parts() if step.rule else []
    stopped = step.stopped.number if step.stopped else len(parts) if step.matched is not False else 0
    return {
        "chain": {name: step.chain.get(name) for name in ("family", "table", "chain", "hook", "priority")},
        "rule": describer.rule(step.rule) if step.rule else None,
        "matched": step.matched,
        "parts": [
            {
                "text": part,
                "matched": None if number > stopped or number in step.unsure else number < stopped or (False if step.stopped else None),
                "seen": step.stopped.seen if step.stopped and number == stopped else None,
            }
            for number, part in enumerate(parts)
        ],
        "effect": prose.effect(step.effects, of_a_policy=step.rule is None),
        "effects": [each._asdict() for each in step.effects],
    }
