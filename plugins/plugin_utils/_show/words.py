# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The sentences that several formats share."""

from __future__ import annotations

import re

from .._report.view import Evidence, Flow, Isolated, Part, Report, Step
from .._values.times import moment
from .._values.words import named_end

PACKET_NAMES = {"syn": "SYN", "syn_ack": "SYN-ACK", "ack": "ACK"}
IN_COMMON = "what fails"
LEFT_OVER = "also seen, and not explained"
_REASONS, _HOSTS = 10, 10
"""Reasons why hosts were not observed that the head of a report has, and hosts that it names for each."""
_RIVALS = 3
_PROBED = 6
_REFUSED = frozenset({"ECONNREFUSED", "ECONNRESET"})


def route(flow: Flow) -> str:
    """``web1 -> db1 10.0.2.21:5432``, or ``web1 (user app) -> ...``"""
    return f"{client(flow)} -> {destination(flow)}"


def client(flow: Flow) -> str:
    """``web1``, or ``web1 (user app)`` where the flow names a user."""
    return f"{flow.client} (user {flow.user})" if flow.user else flow.client


def destination(flow: Flow) -> str:
    """``db1 10.0.2.21:5432``, or the address alone where the server is not managed."""
    return named_end(flow.server, flow.address or flow.dialled, flow.port)


def noted(seen: Evidence) -> str:
    """``r1 capture: an ICMP error quotes the SYN``"""
    where = "" if seen.host in ("", "path") else f"{seen.host} "
    return f"{where}{seen.source}: {seen.observation}"


def verdict(flow: Flow) -> str:
    """How and where the handshake ended, in half a sentence."""
    cause = flow.cause
    if flow.expect == "blocked" and flow.status == "ok":
        return _blocked(flow)
    if flow.status == "ok" or (cause is None and not flow.leg):
        return connects(flow)
    packet = PACKET_NAMES.get(flow.leg, "")
    if flow.status == "degraded" or not packet:
        unsent = _never_sent(flow) or not any(packet.lost for packet in flow.packets if packet.kind == flow.leg)
        lost = f"sometimes not sent by {flow.client}" if unsent and flow.leg == "syn" else f"sometimes lost {place(flow)}"
        said = cause.title or cause.code if cause else f"{packet} {lost}"
    elif _never_sent(flow):
        said = f"{packet} never sent by {flow.client}"
    elif not flow.segment and flow.last_seen:
        said = f"{packet} {place(flow)}"
    elif _refused(flow):
        said = f"{packet} refused {place(flow)}"
    else:
        said = f"{packet} {'dropped' if place(flow).startswith('at ') and cause else 'lost'} {place(flow)}"
    return f"{said}, {flow.segment}" if flow.segment else said


def _blocked(flow: Flow) -> str:
    """``blocked, as it must be: firewall_drop at db1``"""
    by = flow.blocked_by[0] if flow.blocked_by else None
    if by is None:
        return "blocked, as it must be; what blocks it was not found"
    return f"blocked, as it must be: {by.code}" + (f" at {by.host}" if by.host not in ("", "path") else "")


def stretch(flow: Flow) -> str:
    """``between r1 and db1``, or ``inside r1`` where the packet did not leave that host; empty where that is not known"""
    if not flow.between:
        return ""
    one, other = flow.between
    return f"inside {one}" if one == other else f"between {one} and {other}"


def place(flow: Flow) -> str:
    """``at db1``, ``between r1 and db1``, ``on the path``, ``last seen at db1``, ``from web1`` where that one could not try"""
    cause = flow.cause
    if not cause and not flow.attempts:
        return f"from {flow.client}"
    if cause and cause.host not in ("", "path"):
        return f"at {cause.host}"
    if flow.between:
        return stretch(flow)
    if not flow.segment and flow.last_seen:
        return f"last seen at {flow.last_seen[0]}"
    if flow.segment.startswith("server.") and flow.server:
        return f"at {flow.server}"
    return f"at {flow.client}" if flow.segment.startswith("client.") else "on the path"


def code(flow: Flow) -> str:
    """Of the decisive cause, or what stands in its place."""
    if flow.cause:
        return flow.cause.code
    return "not determined" if flow.attempts else "not tried"


def in_common(report: Report) -> list[Isolated]:
    """The patterns that say more than the root causes do: of several handshakes, unless each has its own cause, proven at a host.

    One cause at several hosts is a pattern again: one rule on forty of them.
    """
    explained = {
        flow.id for flow in report.flows if flow.cause and flow.cause.certainty == "proven" and flow.cause.host not in ("", "path")
    }

    def says_more(found: Isolated) -> bool:
        codes, hosts = ({cause[index] for cause in found.causes} for index in range(2))
        return len(found.entries) > 1 and (len(codes) == 1 < len(hosts) or not found.entries <= explained)

    return [found for found in report.isolated if says_more(found)]


def isolated(found: Isolated) -> str:
    """``port 7001: 100 of 100 fail; 900 others connect; or: ...; would decide: web2 -> db1:5432``"""
    rivals = f"; or: {', '.join(found.rivals[:_RIVALS])}" if found.rivals else ""
    more = f" and {len(found.rivals) - _RIVALS} more" if len(found.rivals) > _RIVALS else ""
    probe = f"; would decide: {found.next_probe}" if found.next_probe else ""
    return f"{found.summary}{rivals}{more}{probe}"


def probed(report: Report) -> str:
    """``also tried, for comparison: web2 -> db1:5432 broken (firewall_drop at db1); web1 -> db2:5432 ok``; nothing where nothing was."""
    shown = [
        f"{each.client} -> {each.target} {each.status}" + (f" ({each.code} at {each.host})" if each.code else "")
        for each in report.probed[:_PROBED]
    ]
    more = [f"{len(report.probed) - _PROBED} more"] if len(report.probed) > _PROBED else []
    return f"also tried, for comparison: {'; '.join((*shown, *more))}" if shown else ""


def rule(step: Step) -> str:
    """``inet filter input, handle 12``"""
    return f"{step.chain}, {step.rule}" if step.rule else step.chain


def effect(step: Step) -> str:
    """What the rule did to the packet, as far as that is known."""
    if step.matched is None:
        return f"{step.effect or 'goes on'}, if it matches"
    return step.effect or "goes on"


def condition(part: Part) -> str:
    """``tcp dport 443 (no: port 5432)``"""
    return f"{part.text} ({matches(part)}{f': {part.seen}' if part.seen else ''})"


def matches(part: Part) -> str:
    return "not known" if part.matched is None else "yes" if part.matched else "no"


def connects(flow: Flow) -> str:
    """How the attempts went: ``connected 3 of 3 in 0.41 ms``"""
    if not flow.attempts:
        return "no attempt was made"
    within = f" in {duration(flow.connect_ms)}" if flow.connected and flow.connect_ms is not None else ""
    errors = ", ".join(f"{count}x {name}" for name, count in flow.errors)
    return f"connected {flow.connected} of {flow.attempts}{within}" + (f" ({errors})" if errors else "")


def dialled(flow: Flow) -> str:
    """What the client asked for, where that is more than the address shown; else nothing."""
    if flow.dialled in ("", flow.address, flow.server) and flow.resolved in ((), (flow.address,)):
        return ""
    return (flow.dialled or flow.address) + (f", which resolves to {', '.join(flow.resolved)}" if flow.resolved else "")


def duration(ms: float | None) -> str:
    """Milliseconds for people: ``0.41 ms``, ``38.2 ms``, ``412 ms``, ``3.05 s``"""
    if ms is None:
        return "-"
    size = abs(ms)
    if size >= 999.5:
        return f"{ms / 1000:.2f} s"
    return f"{ms:.0f} ms" if size >= 99.95 else f"{ms:.1f} ms" if size >= 9.995 else f"{ms:.2f} ms"


def count(number: int, noun: str, ending: str = "s") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{ending}"


def totals(report: Report) -> str:
    """``4 flows: 2 broken, 1 degraded, 1 ok``"""
    parts = ", ".join(f"{number} {status}" for status, number in report.counts.items() if number)
    return f"{count(len(report.flows), 'flow')}: {parts}" if parts else "no flows"


def unobserved(report: Report) -> list[str]:
    """``not observed: db1 (server), db2 (server): unreachable: ...``, hosts with the same reason together."""
    alike: dict[tuple[str, str], list[str]] = {}
    for each in report.unobserved:
        roles = f" ({', '.join(each.roles)})" if each.roles else ""
        alike.setdefault((each.kind.replace("_", " "), each.why), []).append(f"{each.host}{roles}")
    lines = []
    for (kind, why), hosts in list(alike.items())[:_REASONS]:
        more = f" and {len(hosts) - _HOSTS} more" if len(hosts) > _HOSTS else ""
        lines.append(f"not observed: {', '.join(hosts[:_HOSTS])}{more}: {kind}: {why}")
    rest = sum(len(hosts) for hosts in list(alike.values())[_REASONS:])
    return [*lines, f"not observed: {count(rest, 'more host')}, see report.json"] if rest else lines


def when(report: Report) -> str:
    """``2026-11-21T04:00:00Z, took 7.4 s``"""
    seconds = took(report)
    return report.started + (f", took {seconds:.1f} s" if seconds is not None else "")


def took(report: Report) -> float | None:
    """Seconds from start to finish."""
    started, finished = moment(report.started), moment(report.finished)
    return (finished - started).total_seconds() if started and finished else None


def natural(text: str) -> list[tuple[int, str]]:
    """A sort key that puts web2 before web10."""
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in re.split(r"([0-9]{1,18})", text)]


def _refused(flow: Flow) -> bool:
    """Whether the packet was answered with a refusal."""
    rejected = flow.cause is not None and "reject" in flow.cause.code
    refused = any(name in _REFUSED for name, _count in flow.errors)
    return rejected or refused or any(each.outcome == "error" and not each.errno for each in flow.tries)  # a captured RST


def _never_sent(flow: Flow) -> bool:
    """Whether the client's own host stopped the packet before one existed, as far as its vantage point can tell."""
    recorded = any(vantage.role == "client" and vantage.recorded for vantage in flow.vantages)
    before_a_packet = flow.segment in ("client.resolve", "client.socket", "client.route", "client.neighbour")
    return before_a_packet and recorded and not any(packet.kind == flow.leg for packet in flow.packets)
