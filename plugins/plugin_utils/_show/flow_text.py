# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A flow in the words of the page: template.html draws the first ones, script.js those that a reader opens."""

from __future__ import annotations

from dataclasses import dataclass

from .._report.view import Cause, Evidence, Flow, Observation, Vantage
from . import fix_words, words
from .ladder import columns, ladder, retransmission

ATTEMPTS = 3
"""Attempts of one flow that are drawn; of a healthy one the first only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """``commands`` with what each is for; ``remediate`` is the command line that makes it, or nothing."""

    made: bool
    host: str
    summary: str
    risk: str
    commands: tuple[tuple[str, str], ...]
    remediate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRule:
    """A firewall rule on the packet's way; ``parts``: condition, whether it matches, and what was seen."""

    chain: str
    hook: str
    rule: str
    parts: tuple[tuple[str, str, str], ...]
    effect: str
    packets: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseText:
    code: str
    title: str
    where: str
    certainty: str
    summary: str
    evidence: tuple[Evidence, ...]
    rules: tuple[ShownRule, ...]
    against: tuple[str, ...]
    remedy: Remedy | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    attempt: int
    address: str
    local_port: str
    outcome: str
    errno: str
    after: str
    late: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowText:
    """``facts`` and ``notes``: what each is about, and what there is to say."""

    facts: tuple[tuple[str, str], ...]
    causes: tuple[CauseText, ...]
    notes: tuple[tuple[str, tuple[str, ...]], ...]
    tries: tuple[Try, ...]


@dataclass(frozen=True, slots=True)
class Column:
    host: str
    note: str
    why: str
    recorded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """A packet's line in the ladder, see ladder.py."""

    packet: int
    onward: int
    origin: float
    seen: tuple[tuple[int, float], ...]
    end: float
    doubt: int | None
    stranger: bool
    lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPacket:
    """A packet, in the words of the page."""

    attempt: int
    t_ms: float
    kind: str
    label: str
    detail: str
    again: str
    sender: str
    seen: tuple[Observation, ...]
    lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The packets of a flow; ``ladders``: an attempt, its lines, and how many packets of it have none."""

    columns: tuple[Column, ...]
    packets: tuple[ShownPacket, ...]
    left_out: int
    ladders: tuple[tuple[int, tuple[Arrow, ...], int], ...]
    clocks: tuple[str, ...]


def flow_text(flow: Flow) -> FlowText:
    notes = (
        (words.LEFT_OVER, tuple(words.noted(note) for note in flow.unexplained)),
        ("remarks", flow.remarks),
        ("what would decide", flow.undecided),
        ("not observed", flow.not_observed),
    )
    return FlowText(
        facts=tuple((what, text) for what, text in _facts(flow) if text),
        causes=tuple(_cause(cause, fix_words.remediate(flow) if cause is flow.cause else "") for cause in flow.causes),
        notes=tuple((what, sentences) for what, sentences in notes if sentences),
        tries=tuple(
            Try(
                attempt=each.number + 1,
                address=each.address,
                local_port="-" if each.local_port is None else str(each.local_port),
                outcome=each.outcome,
                errno=each.errno or "-",
                after=words.duration(each.elapsed_ms),
                late=words.duration(each.late_ms),
            )
            for each in flow.tries
        ),
    )


def _facts(flow: Flow) -> list[tuple[str, str]]:
    return [
        ("flow", flow.name),
        ("attempts", words.connects(flow)),
        ("first packet lost", words.PACKET_NAMES.get(flow.leg, flow.leg)),
        ("where", f"{flow.segment} {words.stretch(flow)}".rstrip() if flow.segment else ""),
        ("last seen", " ".join(flow.last_seen) if flow.last_seen else ""),
        ("via", ", ".join(flow.via)),
        ("dialled", words.dialled(flow)),
    ]


def _cause(cause: Cause, remediate: str) -> CauseText:
    return CauseText(
        code=cause.code,
        title=cause.title or cause.code,
        where="on the path" if cause.host == "path" else cause.host,
        certainty=cause.certainty,
        summary=cause.summary,
        evidence=cause.evidence,
        rules=tuple(
            ShownRule(
                chain=step.chain,
                hook=step.hook,
                rule=step.rule or "policy",
                parts=tuple((part.text, words.matches(part), part.seen) for part in step.parts) or ((step.text, "-", ""),),
                effect=words.effect(step),
                packets="-" if step.packets is None else str(step.packets),
            )
            for step in cause.steps
        ),
        against=cause.against,
        remedy=remedy(cause, remediate),
    )


def remedy(cause: Cause, remediate: str) -> Remedy | None:
    fix = cause.fix
    if fix is None:
        return None
    return Remedy(
        made=fix_words.made(fix),
        host="" if fix.host == "path" else fix.host,
        summary=fix.summary,
        risk=fix_words.risk(fix).strip(" ()"),
        commands=(*(("", command) for command in fix.commands), *fix_words.about(fix)),
        remediate=remediate,
    )


def traffic(flow: Flow) -> Traffic | None:
    """None where no packet is known."""
    if not flow.packets:
        return None
    numbers = {id(packet): number for number, packet in enumerate(flow.packets)}
    return Traffic(
        columns=tuple(map(_column, columns(flow))),
        packets=tuple(
            ShownPacket(
                attempt=packet.attempt + 1,
                t_ms=packet.t_ms,
                kind=packet.kind,
                label=packet.label,
                detail=packet.detail,
                again=retransmission(packet),
                sender=packet.sender,
                seen=packet.seen,
                lost=packet.lost,
            )
            for packet in flow.packets
        ),
        left_out=flow.packets_left_out,
        ladders=tuple(_ladders(flow, numbers)),
        clocks=tuple(_clocks(flow)),
    )


def _column(vantage: Vantage) -> Column:
    note = vantage.role if vantage.recorded else f"{vantage.role}, not recorded"
    return Column(vantage.host, note, vantage.why, vantage.recorded)


def _ladders(flow: Flow, numbers: dict[int, int]) -> list[tuple[int, tuple[Arrow, ...], int]]:
    attempts = sorted({packet.attempt for packet in flow.packets if packet.seen})
    drawn = []
    for attempt in attempts[: 1 if flow.status == "ok" else ATTEMPTS]:
        lines = ladder(flow, attempt)
        if lines:
            left_out = sum(packet.attempt == attempt and bool(packet.seen) for packet in flow.packets) - len(lines)
            arrows = tuple(
                Arrow(
                    packet=numbers[id(line.packet)],
                    onward=line.onward,
                    origin=line.origin,
                    seen=line.seen,
                    end=line.end,
                    doubt=line.doubt,
                    stranger=line.stranger,
                    lost=line.lost,
                )
                for line in lines
            )
            drawn.append((attempt + 1, arrows, left_out))
    return drawn


def _clocks(flow: Flow) -> list[str]:
    """What is known of the clocks of the vantage points, and why there is none."""
    sentences = ["Times are on the client's clock."]
    for vantage in flow.vantages:
        if vantage.role != "client" and vantage.offset_ms is not None:
            error = "" if vantage.error_ms is None else f" ± {vantage.error_ms:.3f} ms"
            sentences.append(f"Clock of {vantage.host}: {vantage.offset_ms:+.3f} ms{error}.")
        if not vantage.recorded and vantage.why:
            sentences.append(f"{vantage.why}.")
    return sentences
