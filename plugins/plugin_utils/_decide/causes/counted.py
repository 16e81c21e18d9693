# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""How sure an evaluated rule is: the kernel's word, or its counter against the packets of the whole run that must have hit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..._model.firewall_records import Verdict
from ..._model.host import Host
from ..._model.recording import Observation
from ..._model.rule_records import Rule
from ..._values.words import plural
from ..case import Case
from ..finding import Certainty, Evidence
from ..firewall_verdicts import CounterDelta
from .kernel import dropped_where, is_rule, stop
from .traversals import Place

Range = tuple[int, int]  # at least, at most
_LATER = ("fin", "data", "rst")  # packets that the firewall was not asked about, and that the same rule may hit


@dataclass(frozen=True)
class Proof:
    """What a rule's counter says of an evaluation."""

    certainty: Certainty
    evidence: tuple[Evidence, ...] = ()
    against: tuple[Evidence, ...] = ()
    counter: dict[str, object] | None = None
    traced: bool = False
    """Whether the kernel itself named the rule, or where it dropped the packet, which is where the rule does."""
    unsettled: bool = False
    """Whether the counter settles nothing: there is none, or others' packets are in it as well."""


def proof(case: Case, place: Place, verdict: Verdict, rule: Rule, invalid: bool = False) -> Proof:
    """How sure it is that a rule decides on the packet at a place: the kernel's own trace says it, or else the rule's counter.

    ``invalid``: as an invalid packet.
    """
    counted = _by_counter(case, place, verdict, rule, invalid)
    seen = stop(case, place)
    if seen is None:
        there = dropped_where(case, place, verdict, rule) if counted.unsettled and not invalid else None
        return replace(counted, certainty="proven", evidence=(*counted.evidence, there.evidence()), traced=True) if there else counted
    if is_rule(seen, rule):
        certainty: Certainty = "likely" if seen.passed else "proven"
        return replace(counted, certainty=certainty, evidence=(seen.evidence(), *counted.evidence), traced=True)
    return replace(counted, certainty="possible", against=(seen.evidence(), *counted.against))


def _by_counter(case: Case, place: Place, verdict: Verdict, rule: Rule, invalid: bool) -> Proof:
    """Weigh the counter of a rule that, evaluated, decides on the packet at a place."""
    host, delta = place.host, place.host.verdicts.counter_delta(rule)
    # of this very packet: after a translation it was asked about later
    then = host.verdicts.on(verdict.traversal, "before", invalid, verdict.uid, verdict.interface)
    if then and then.verdict != "undecided" and verdict.verdict != "undecided" and _decision(then) != _decision(verdict):
        # The packet that was asked about before may have had other properties: its interface and headers are known only afterwards.
        # Where the rules are as they were, or another interface was asked about, its counter still counts as evidence.
        changed = then.interface == verdict.interface and host.rules_changed(rule)
        was = f"before the handshakes the answer was {then.verdict}" + (f" by {then.rule.name}" if then.rule else "")
        if changed:
            return Proof("likely", (_saw(host, rule, f"{was}: the rules changed meanwhile"),))
        if changed is None:
            return Proof("likely", (_saw(host, rule, f"{was}, when less was known of the packet; whether the rules changed is unknown"),))
    if delta is None:
        known = "it has no counter" if rule.packets is None else f"its counter stands at {rule.packets}, and was not read before"
        return Proof("likely", (_saw(host, rule, f"evaluated; {known}"),), unsettled=True)
    own = _expected(case, host, verdict, delta)
    everything = own if invalid or own is None else _of_all(case, host, rule, delta).with_(verdict, own)
    counter: dict[str, object] = {"before": delta.before, "after": delta.after, "expected": list(everything) if everything else None}
    said = f"counter {delta.before} -> {delta.after}"
    if delta.set_back and (delta.by <= 0 or (everything is not None and delta.by < everything[0])):
        return Proof("likely", (_saw(host, rule, f"evaluated; {said}: rules were reloaded meanwhile, which resets counters"),))
    if own is None or everything is None or own[1] == 0:
        if delta.by <= 0:
            return Proof("possible", (), (_saw(host, rule, f"{said}: it did not move"),), counter)
        return Proof(
            "likely", (_saw(host, rule, f"{said}; how many packets of ours hit it was not recorded"),), (), counter, unsettled=True
        )
    least, most = everything
    if delta.by < least or delta.by <= 0:
        return Proof("possible", (), (_saw(host, rule, f"{said}, though {_packets(least, most)} of this run should hit it"),), counter)
    if delta.by > most:
        return Proof(
            "likely", (_saw(host, rule, f"{said}, of which {_packets(least, most)} can be of this run"),), (), counter, unsettled=True
        )
    ours = f"{said}, the {plural(delta.by, 'packet')} of this run"
    return Proof("proven" if own[0] else "likely", (_saw(host, rule, ours),), (), counter)


def _decision(verdict: Verdict) -> tuple[object, ...]:
    return verdict.verdict, verdict.rule.identity if verdict.rule else None


def _packets(least: int, most: int) -> str:
    return plural(most, "packet") if least == most else f"{least} to {most} packets"


def _saw(host: Host, rule: Rule, observation: str) -> Evidence:
    source = "firewall" if rule.is_policy else "nftables" if rule.handle is not None else "iptables"
    return Evidence(host.name, source, f"{rule.tag}: {observation}")


@dataclass(frozen=True)
class _OfAll:
    """How many packets must and may have hit a rule between its counts, by the verdict on them; None where that was not recorded."""

    by_verdict: Mapping[object, Range | None]
    least: int
    most: int
    unrecorded: int

    def with_(self, verdict: Verdict, own: Range) -> Range | None:
        """Of all verdicts together, with a verdict that may be one of them."""
        counted = self.by_verdict.get(_which(verdict), (0, 0))
        if self.unrecorded > (counted is None):
            return None
        least, most = counted or (0, 0)
        return self.least - least + own[0], self.most - most + own[1]


def _which(verdict: Verdict) -> object:
    return verdict.traversal, verdict.uid


def _of_all(case: Case, host: Host, rule: Rule, delta: CounterDelta) -> _OfAll:
    """Worked out once: each of thousands of cases may ask for the others."""

    def counted() -> _OfAll:
        by_verdict = {_which(each): _expected(case, host, each, delta) for each in host.verdicts.hitting(rule)}
        known = [found for found in by_verdict.values() if found is not None]
        return _OfAll(by_verdict, sum(found[0] for found in known), sum(found[1] for found in known), len(by_verdict) - len(known))

    return case.fleet.once(("hits", host.name, rule.identity), counted)


def _expected(case: Case, host: Host, verdict: Verdict, delta: CounterDelta) -> Range | None:
    """How many packets that a verdict is about must and may have hit a rule between its counts; None where that was not recorded."""
    return _sent(case, host, verdict, delta) if verdict.direction == "out" else _came(case, host, verdict, delta)


def _came(case: Case, host: Host, verdict: Verdict, delta: CounterDelta) -> Range | None:
    arrivals = case.totals.arrivals.get(host.name)
    if arrivals is None or not host.saw_everything:
        return None
    end, port = ("from", verdict.source_port) if verdict.packet == "syn_ack" else ("to", verdict.port)
    came = arrivals.of((verdict.packet, verdict.source, verdict.destination, end, port or 0))
    maybe = [seen for kind in _LATER for seen in arrivals.of((kind, verdict.source, verdict.destination, end, port or 0))]
    # What is at the end of its TTL is not forwarded, and answered before the forward hook; what is translated may be forwarded.
    translated = verdict.rewritten is not None and verdict.rewritten.destination != verdict.destination
    forwarded = verdict.direction == "forward" or translated
    sure = [seen for seen in came if not forwarded or seen.packet.ttl > 1]
    return len(_within(sure, delta, surely=True)), len(_within([*came, *maybe], delta, surely=False))


def _within(observations: Sequence[Observation], delta: CounterDelta, surely: bool) -> list[Observation]:
    """Those between the two counts; packets that came while the rules were being read may have been counted or not."""
    begin, end = (delta.first.ended, delta.last.begun) if surely else (delta.first.begun, delta.last.ended)
    return [seen for seen in observations if begin <= seen.time <= end]


def _sent(case: Case, host: Host, verdict: Verdict, delta: CounterDelta) -> Range | None:
    """What the host's own TCP handed down, which no recording shows when the firewall stops it."""
    if verdict.packet == "syn":
        to_there = case.fleet.dialled(host, verdict.destination, verdict.port or 0)
        dialled = [
            probe
            for probe in to_there
            if probe.local_address == verdict.source and probe.stage not in ("socket", "bind") and verdict.of(probe.uid)
        ]
        sent = [probe.syns for probe in dialled if probe.syns is not None]
        return (sum(sent), sum(sent)) if len(sent) == len(dialled) else None
    arrivals = case.totals.arrivals.get(host.name)
    again = host.delta("TcpExt", "TCPTimeouts")
    if arrivals is None or again is None or not host.saw_everything:
        return None
    if verdict.packet == "syn_ack":
        answered = arrivals.of(("syn", verdict.destination, verdict.source, "to", verdict.source_port or 0))
        ports = {seen.packet.tcp.sport for seen in _within(answered, delta, surely=True) if seen.packet.tcp}
        most = len(_within(answered, delta, surely=False))
        return len(ports), most + again if most else 0
    others = case.fleet.once(
        ("ports of others", host.name, verdict.uid), lambda: {probe.local_port for probe in host.probes if not verdict.of(probe.uid)}
    )
    came = arrivals.of(("syn_ack", verdict.destination, verdict.source, "from", verdict.port or 0))
    answers = [seen for seen in came if seen.packet.tcp and seen.packet.tcp.dport not in others]
    ports = {seen.packet.tcp.dport for seen in _within(answers, delta, surely=True) if seen.packet.tcp}
    most = len(_within(answers, delta, surely=False))
    return len(ports), most + 2 * len(ports) + again if most else 0  # a FIN and its like come after the ACK
