# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Firewall rules by name: which one stops the packet where it ended, how sure that is, and who keeps the rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

from ..._model.firewall_records import Verdict
from ..._model.firewall_subjects import Stop, TakenAhead
from ..._model.host import Host
from ..._model.log_records import LogRecord
from ..._model.network_subjects import ByMark
from ..._model.rule_records import Rule, RuleStep
from ..case import Case
from ..finding import Certainty, Evidence, Finding
from ..logged import ours
from . import hidden, in_sets, unloaded, why_stopped
from .counted import Proof, proof
from .marked import with_a_mark
from .traversals import Direction, Place, bridge_setting, bridged, judged, suspects, verdict_on, way


def stopped_by(case: Case, wanted: str) -> Finding | None:
    """The first place at which the packet may have ended, and where the firewall's rules say so: ``wanted`` is drop or reject."""
    for place in suspects(case):
        verdict = judged(case, place)
        if verdict is None or verdict.verdict != wanted or verdict.unread_queue is not None or verdict.zones is not None:
            continue  # a queue and a zone are causes of their own
        if answered_so(case, place, verdict):
            return stopped(case, place, verdict)
    return _behind_a_queue(case, wanted)


def _behind_a_queue(case: Case, wanted: str) -> Finding | None:
    """A rule that the packet meets once the program that reads a queue has let it on; its counter shows whether it does."""
    for place in suspects(case):
        verdict = judged(case, place)
        behind = verdict.then if verdict is not None and verdict.verdict == "queue" else None
        if behind is not None and behind.verdict == wanted and answered_so(case, place, behind):
            return stopped(case, place, behind)
    return None


def answered_so(case: Case, place: Place, verdict: Verdict) -> bool:
    """Whether the way in which the attempts ended fits: a rule that rejects lets everybody know, one that drops does not."""
    if verdict.verdict != "reject":
        return case.outcome.kind not in ("refused_locally", "reset", "icmp")
    if verdict.reject_with == "tcp-reset":
        return case.outcome.kind != "icmp"
    return case.outcome.kind != "reset" or verdict.reject_with in (None, "icmp-port-unreachable", "icmp6-port-unreachable")


def stopped(case: Case, place: Place, verdict: Verdict) -> Finding:
    """The finding that the firewall's rules stop the packet at a place."""
    host, how = place.host, why_stopped.with_what(verdict)
    if verdict.rule is None:
        return Finding(
            "likely",
            host.name,
            place.segment,
            f"the firewall of {host.name} {how} {place.packet}, by one of several rules{why_stopped.named(verdict)}",
            (*case.passage(), case.saw(host, "firewall", f"evaluated: {place.packet} is stopped whatever is unknown")),
            leg=place.leg,
            detail=details(verdict, None),
            subject=Stop(verdict),
        )
    weighed, taken = capped(case, place, proof(case, place, verdict, verdict.rule)), _taken(case, verdict)
    if weighed.certainty == "likely" and _logged_it(case, place, verdict.rule):
        weighed = replace(weighed, certainty="proven")
    return Finding(
        weighed.certainty,
        host.name,
        place.segment,
        f"{verdict.rule.name} on {host.name} {how} {place.packet}"
        + why_stopped.shadow(verdict)
        + why_stopped.missed(verdict)
        + why_stopped.ahead(taken)
        + in_sets.in_words(verdict)
        + unloaded.in_words(verdict)
        + why_stopped.for_the_way_back(verdict)
        + why_stopped.marked(verdict)
        + why_stopped.unserved(verdict)
        + why_stopped.used_up(verdict)
        + why_stopped.from_another(case, verdict),
        (
            *weighed.evidence,
            *in_sets.shown(host, verdict),
            *unloaded.shown(host, verdict),
            *kept_by(host, verdict.rule),
            *_over_a_bridge(case, place),
            *_way_back(case, place, verdict),
            *_for_others(case, place, verdict),
            *case.passage(),
        ),
        against=weighed.against,
        leg=place.leg,
        detail=details(verdict, weighed),
        undecided=unproven(host, verdict.rule, weighed),
        subject=Stop(verdict, tuple(later(case, place)), taken, _marked(case, place, verdict)),
    )


def _logged_it(case: Case, place: Place, rule: Rule) -> bool:
    """Whether the kernel logged this very packet with the prefix of this rule, which no other rule on its way has."""
    if not rule.log_prefix or place.leg == "ack" or place.host.rules_changed(rule) is not False:
        return False  # one that logged need not have dropped then
    if place.host.verdicts.log_prefixes.get(rule.log_prefix, set()) - {rule.identity}:
        return False
    flags = {"SYN"} if place.leg == "syn" else {"SYN", "ACK"}
    return any(
        set(line.flags) == flags and line.prefix == rule.log_prefix and _goes(line, place.direction)
        for line in ours(case, place.host, "firewall_log")
    )


def _goes(line: LogRecord, direction: Direction) -> bool:
    """Whether a logged packet went that way through the host, by the interfaces that the hook knows."""
    return {"in": line.out_interface is None, "out": line.interface is None, "forward": line.interface is not None}[direction]


def _taken(case: Case, verdict: Verdict) -> TakenAhead | None:
    """A translation that the SYN does not get because of rules ahead of it, unless somebody takes it as it is."""
    served = case.server_owns(case.address) is True and case.listener() is not None
    return None if served else hidden.taken_ahead(verdict)


def _way_back(case: Case, place: Place, verdict: Verdict) -> tuple[Evidence, ...]:
    back = verdict.way_back
    if back is None:
        return ()
    leaves = f"dev {back.leaves_by}" if back.leaves_by else "no way"
    return (case.saw(place.host, "rtnetlink route get", f"{verdict.source}: {leaves}; {place.packet} came in by {back.came_by}"),)


def _marked(case: Case, place: Place, verdict: Verdict) -> ByMark | None:
    """The mark by which the host itself sends the way that a packet came which is stopped for the way back."""
    back, ends = verdict.way_back, (case.client, case.server)
    return with_a_mark(case, place.host, back.came_by) if back and place.host in ends else None


def _for_others(case: Case, place: Place, verdict: Verdict) -> tuple[Evidence, ...]:
    """That the rule decides by the user, where the one who connected is stopped and others are not."""
    users = verdict.users
    if users is None or users.verdict != "accept":
        return ()
    said = f"evaluated for uid {verdict.uid}: the SYN of other users, such as {', '.join(users.names[:5])}, is let through"
    return (case.saw(place.host, "firewall", said),)


def _over_a_bridge(case: Case, place: Place) -> tuple[Evidence, ...]:
    """That a bridge sends the packet through IP's rules, which is what people do not expect."""
    seen = bridged(case, place)
    if seen is None:
        return ()
    return (case.saw(place.host, f"sysctl {bridge_setting(case)}", f"1: what is bridged from {seen.interface} passes IP's rules as well"),)


def later(case: Case, place: Place) -> list[Verdict]:
    """The verdicts that would stop later packets of the handshake at the same host: who lets the SYN through may still stop its answer."""
    places = [other for other in way(case) if other.host is place.host]
    after = places[places.index(place) + 1 :] if place in places else []
    return [verdict for other in after if (verdict := judged(case, other)) and verdict.stops]


def capped(case: Case, place: Place, weighed: Proof) -> Proof:
    """Without recordings that show how far the packet came, a counter that fits is not proof; what the kernel traced is."""
    if weighed.traced:
        return weighed
    blind = case.outcome.kind == "silent" or (place.direction == "forward" and case.outcome.host != place.host.name and place.leg != "syn")
    return replace(weighed, certainty="likely") if blind and weighed.certainty == "proven" else weighed


def kept_by(host: Host, rule: Rule) -> tuple[Evidence, ...]:
    """Who wrote the rule, and where it is kept."""
    if rule.manager is None:
        return ()
    where = ", ".join(_origin(rule.origin))
    return (Evidence(host.name, rule.manager, f"{rule.tag} belongs to {rule.manager}" + (f": {where}" if where else "")),)


def _origin(origin: object) -> Iterator[str]:
    """``zone public, item port 5432/tcp, permanent, file /etc/firewalld/zones/public.xml``"""
    for key, value in origin.items() if isinstance(origin, dict) else ():
        if key == "permanent" and isinstance(value, bool):
            yield "permanent" if value else "not permanent: gone at its next reload"
        elif key == "because" and isinstance(value, str):
            yield value
        elif isinstance(value, str | int) and not isinstance(value, bool):
            yield f"{str(key).replace('_', ' ')} {value}"


def details(verdict: Verdict, weighed: Proof | None, rule: Rule | None = None) -> dict[str, object]:
    """The rules on the packet's way, part by part, for reports; ``rule``: the one that matters, where it is not the deciding one."""
    rule = rule or verdict.rule
    return {
        "verdict": verdict.verdict,
        "undecided_because": verdict.undecided_because,
        "rule": {**asdict(rule), "name": rule.name} if rule else None,
        "counter": weighed.counter if weighed else None,
        "shadowed": [other.name for other in verdict.shadowed],
        "sets": in_sets.details(verdict),
        "rewritten": asdict(verdict.rewritten) if verdict.rewritten else None,
        "path": [_step(step) for step in verdict.path],
    }


def _step(step: RuleStep) -> dict[str, object]:
    return {
        "chain": f"{step.chain.family} {step.chain.table} {step.chain.chain}",
        "hook": step.chain.hook,
        "rule": None if step.rule is None or step.rule.is_policy else step.rule.tag,
        "text": step.rule.text if step.rule else "",
        "matched": step.matched,
        "effect": step.effect,
        "packets": step.rule.packets if step.rule else None,
        "parts": [asdict(part) for part in step.parts],
    }


def unproven(host: Host, rule: Rule, weighed: Proof) -> tuple[str, ...]:
    if weighed.certainty == "proven":
        return ()
    if rule.packets is None:
        return (f"a counter in {rule.name} on {host.name}, or a kernel trace (diagnose_depth=full), would prove that it is this rule",)
    return (f"a kernel trace (diagnose_depth=full) on {host.name} would show which rule stops the packet",)


def objection(case: Case, places: list[Place]) -> tuple[tuple[Evidence, ...], tuple[str, ...]]:
    """What the evaluated rules have against a firewall's being the cause at these places, and what the answer depends on where they do not
    decide.

    Against it speaks only that all places let the packet through, decidedly.
    """
    verdicts = [(place, judged(case, place)) for place in places]
    undecided = tuple(
        f"whether the firewall of {place.host.name} lets {place.packet} through is undecided: {verdict.undecided_because}"
        for place, verdict in verdicts
        if verdict is not None and verdict.verdict == "undecided"
    )
    undecided += tuple(
        f"{place.packet} is handed to queue {verdict.queue} on {place.host.name}: the program that reads it decides"
        for place, verdict in verdicts
        if verdict is not None and verdict.verdict == "queue"
    )
    if not verdicts or any(verdict is None or not verdict.accepts for _place, verdict in verdicts):
        return (), undecided
    said = (Evidence(place.host.name, "firewall", f"evaluated: its rules let {place.packet} through") for place, _verdict in verdicts)
    return tuple(said), undecided


def weaker(certainty: Certainty, against: tuple[Evidence, ...]) -> Certainty:
    return "possible" if against else certainty


def invalid_verdict(case: Case) -> tuple[Place, Verdict, Rule] | None:
    """A rule that stops the packet only if connection tracking found it invalid, where the packet may have ended."""
    for place in suspects(case):
        valid, invalid = verdict_on(case, place), verdict_on(case, place, invalid=True)
        if valid and invalid and not valid.may_stop and invalid.stops and invalid.rule:
            return place, invalid, invalid.rule
    return None
