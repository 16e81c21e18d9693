# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Parts of a verdict as firewall_info returns them: steps, ends and ways of a packet."""

from __future__ import annotations

from . import prose
from .deciding import sets_mark
from .describer import Answer, Describer
from .evaluation import FULL, SPENT, Explored, Outcome, Reference, Step
from .hidden import DESTINATIONS, Hidden
from .missed import Missed
from .packet import Packet, text

MOST_TARGETS = 64


def step_answer(step: Step, describer: Describer) -> Answer:
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


def end_answer(outcome: Outcome, describer: Describer) -> Reference | None:
    if outcome.rule is not None:
        return describer.rule(outcome.rule)
    return describer.policy(outcome.chain, outcome.verdict) if outcome.verdict != "accept" and outcome.chain else None


def rewritten(packet: Packet) -> Answer | None:
    if not packet.changes:
        return None
    changes = [prose.change(each) for each in packet.changes]
    return {**_met(packet), "mark": packet.mark, "direction": packet.direction, "changes": changes}


def rerouted_answer(explored: Explored, describer: Describer) -> Answer | None:
    """Where the kernel leads a packet since rules have given it a mark, and the last rule that did so; None where there is no mark."""
    answer = explored.packet.rerouted
    if answer is None or answer["type"] != "unicast":
        return None
    marking = [step.rule for step in explored.first.path if step.rule and step.matched and any(map(sets_mark, step.effects))]
    way = {name: answer[name] for name in ("interface", "gateway", "table")}
    return {**way, "rule": describer.rule(marking[-1]) if marking else None}


def targets(explored: Explored, describer: Describer) -> list[Answer]:
    """Where rules may send a packet whose way depends on something unknown, such as a lot, and the last rule that does so."""
    found = []
    for evaluation, packet in explored.ways:
        sending = [step.rule for step in evaluation.path if step.rule and any(each.kind in DESTINATIONS for each in step.effects)]
        ends = {"destination": text(packet.destination), "port": packet.destination_port}
        found.append({**ends, "rule": describer.rule(sending[-1]) if sending else None})
    return found[:MOST_TARGETS]


def zones(packet: Packet) -> Answer | None:
    """Where conntrack looks for the packet's connection in another zone than that which its SYN opened it in."""
    return {"looked_in": packet.zone.id, "opened_in": packet.opened_in.id} if packet.opened_in is not None else None


def met_at(packet: Packet) -> Answer:
    """Its ends and its way as the last rule met it: what is translated on its way in may be forwarded."""
    iif, oif = packet.iif if packet.direction != "out" else None, packet.oif if packet.direction != "in" else None
    way = {"direction": packet.direction, "interface": iif.name if iif else None, "out_interface": oif.name if oif else None}
    return {**_met(packet), **way}


def missed_answer(each: Missed, describer: Describer) -> Answer:
    translating = [step.rule for step in each.path if step.rule and any(one.kind in DESTINATIONS for one in step.effects)]
    condition = step_answer(each.step, describer)
    return {
        "rule": condition["rule"],
        "condition": next(part for part in condition["parts"] if part["matched"] is False),
        "translating": describer.rule(translating[-1]) if translating else None,
        "destination": text(each.packet.destination),
        "port": each.packet.destination_port,
        "used_up": any(one.kind == SPENT for one in each.step.effects),
        "full": next((one.target for one in each.step.effects if one.kind == FULL), None),
    }


def hidden_answer(found: Hidden, describer: Describer) -> Answer:
    end = {"destination": text(found.packet.destination), "port": found.packet.destination_port}
    return {"by": [describer.rule(each) for each in found.by], "translating": describer.rule(found.translating), **end}


def _met(packet: Packet) -> Answer:
    """The packet's ends as the last rule on its way met them: after a translation they are others than were asked about."""
    return {
        "source": text(packet.source),
        "source_port": packet.source_port,
        "destination": text(packet.destination),
        "port": packet.destination_port,
    }
