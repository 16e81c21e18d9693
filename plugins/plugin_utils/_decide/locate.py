# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Follow the packets of an attempt from vantage point to vantage point: how far did the handshake come?"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from .._model.host import Host
from .._model.network_records import LOOPBACK
from .._model.recording import Observation
from .case import Case
from .connected import connected, recovered, stood_in
from .outcome import OUTCOMES, Outcome
from .rows import Row
from .timeline import Attempt
from .vantages import came_to, first, furthest, half_open, loss_after, seen_at, way_of, wire_syns

# connect() reports these only when somebody answered, or when nobody did; any other error without an ICMP message is the client's own.
_ANSWERS = ("ECONNREFUSED", "ECONNRESET", "ETIMEDOUT")
_WITHOUT_A_WORD = ("lost_syn", "silent")


def locate(case: Case) -> None:
    """Find the outcome of each attempt, and the one that the rules are to explain first: the most frequent failure.

    Where an ICMP error answers some attempts, it stands for those that got no answer at all.
    """
    case.outcomes = [outcome_of(case, attempt) for attempt in case.attempts]
    failures = [outcome for outcome in case.outcomes if outcome.kind != "completed"]
    if not failures:
        case.outcome = case.outcomes[0] if case.outcomes else Outcome("silent")
        return
    frequency = Counter(outcome.kind for outcome in failures)
    lost_inside = any(outcome.kind in _WITHOUT_A_WORD and outcome.host != "path" for outcome in failures)
    if frequency.keys() <= {"icmp", *_WITHOUT_A_WORD} and not lost_inside:  # routers limit how many errors they send (RFC 1812, 4.3.2.8)
        failures = [outcome for outcome in failures if outcome.kind == "icmp"] or failures
    order = list(OUTCOMES)
    case.outcome = max(failures, key=lambda outcome: (frequency[outcome.kind], order.index(outcome.kind)))


def outcome_of(case: Case, attempt: Attempt) -> Outcome:
    """Where one attempt ended, from its packets and its errno alone."""
    probe = attempt.probe
    if probe.via and not attempt.rows:
        return _second_hand(case, attempt)
    if probe.connected:
        return stood_in(case, attempt) or connected(case, attempt)
    if probe.late_ms is not None and probe.late_errno is None:
        retried = recovered(case, attempt)
        if retried:
            return replace(retried, recovered=False)  # a retransmission completed it, but after the application had given up
        return Outcome("late", "syn_ack", None, case.client.name, row=first(attempt.of("syn_ack")))
    if not _left_client(case, attempt):
        return _kept(case, attempt)
    if case.server is not None and _refused_later(case, attempt):
        outcome = connected(case, attempt)
        return Outcome("ignored_ack", "ack", None, case.server.name) if outcome.completed else outcome
    if probe.final_errno == "ECONNRESET" and seen_at(attempt.of("ack", "client"), (case.client, "out")):
        return Outcome("reset_after", None, "server.application", case.server.name if case.server else "path", row=first(attempt.of("rst")))
    icmp = _icmp_answer(case, attempt)
    if icmp:
        return icmp
    refusal = first([row for row in attempt.of("rst", "server") if _answers(case, row)])
    if refusal or probe.final_errno in ("ECONNREFUSED", "ECONNRESET"):
        return Outcome("reset", "syn", None, case.server.name if case.server else "path", last_seen=_last(refusal), row=refusal)
    return _follow(case, attempt)


def _second_hand(case: Case, attempt: Attempt) -> Outcome:
    """Of a handshake that another program made, which reports its result and not its port: no packet is known to be one of it."""
    probe, server = attempt.probe, case.server.name if case.server else "path"
    if probe.connected:
        return Outcome("completed")
    if probe.late_ms is not None and probe.late_errno is None:
        return Outcome("late", "syn_ack", None, case.client.name)
    if probe.final_errno == "ECONNREFUSED":
        return Outcome("reset", "syn", None, server)
    if probe.final_errno == "ETIMEDOUT" or (probe.outcome == "timeout" and probe.final_errno is None):
        return Outcome("silent")
    route = case.route
    neighbour = case.client.neighbour(*case.gateway)
    if (route and route.error) or (neighbour and neighbour.unresolved):
        return Outcome("refused_locally", "syn", None, case.client.name)
    return Outcome("untold")


def _left_client(case: Case, attempt: Attempt) -> bool | None:
    """Whether a SYN went out on a wire; without a recording at the client, what errno and ICMP errors imply."""
    probe = attempt.probe
    if wire_syns(case, attempt) or probe.via:  # others saw it
        return True
    if case.encapsulated and case.server is not None and came_to(case.server, attempt):
        return True
    if case.client.saw_everything:
        # Translated to another port, a SYN escapes the recorder; then only an answer shows that it left.
        translated = attempt.isn is None and case.client.translates("output", "postrouting")
        answered = probe.final_errno in ("ECONNREFUSED", "ECONNRESET") and not _refused_by_itself(case, attempt)
        return bool(translated and answered)
    if probe.icmp and probe.icmp.offender == probe.local_address:
        return False  # the client's own kernel speaks: its next hop does not answer, or its firewall rejects
    return not (probe.stage in ("socket", "bind") or (probe.final_errno and probe.final_errno not in _ANSWERS and not probe.icmp))


def _refused_by_itself(case: Case, attempt: Attempt) -> bool:
    """Whether the client made the refusal itself: it came back over its loopback interface."""
    refusals = [row.at(case.client.name, "out") for kind in ("rst", "icmp") for row in attempt.of(kind)]
    return any(seen is not None and seen.interface == LOOPBACK for seen in refusals)


def _kept(case: Case, attempt: Attempt) -> Outcome:
    """Nothing left the client. With ETIMEDOUT, the kernel accepted the connect(), got no answer and gave up."""
    refused = attempt.probe.final_errno not in (None, "ETIMEDOUT")
    return Outcome("refused_locally" if refused else "unsent", "syn", None, case.client.name)


def _refused_later(case: Case, attempt: Attempt) -> bool:
    """Whether the client had acknowledged the SYN-ACK, and it was that packet about which an ICMP error came."""
    if attempt.isn is None or not attempt.probe.final_errno or not seen_at(attempt.of("ack", "client"), (case.client, "out")):
        return False
    quotes = [row.packet.icmp.quote for row in attempt.of("icmp") if row.packet.icmp and row.at(case.client.name, "in")]
    return any(quote is not None and quote.seq == (attempt.isn + 1) & 0xFFFFFFFF for quote in quotes)


def _icmp_answer(case: Case, attempt: Attempt) -> Outcome | None:
    """An ICMP error about the SYN, seen at the client, in the socket's error queue, or leaving the server."""
    for row in attempt.of("icmp"):
        quote = row.packet.icmp.quote if row.packet.icmp else None
        if quote and quote.seq == attempt.isn and _answers(case, row):
            return Outcome("icmp", "syn", None, _owner(case, row.packet.src), last_seen=_last(row), row=row, offender=row.packet.src)
    error = attempt.probe.icmp
    if error and error.offender:
        return Outcome("icmp", "syn", None, _owner(case, error.offender), offender=error.offender)
    return None


def _answers(case: Case, row: Row) -> bool:
    """Whether an RST or an ICMP error came in at the client, left the server, or passed a point between them."""
    ends = row.at(case.client.name, "in") or _at(row, case.server, "out")
    return ends is not None or any(row.at(via.name, "other") for via in case.vias if via.point)


def _owner(case: Case, address: str) -> str:
    """The managed host that has an address, or ``path``."""
    hosts = [host for host in (case.client, case.server, *case.vias) if host is not None]
    return next((host.name for host in hosts if host.owns(address)), "path")


def _follow(case: Case, attempt: Attempt) -> Outcome:
    """Nobody answered: how far did the SYN come, and the SYN-ACK on its way back?"""
    forward = way_of(case, back=False)
    syn = furthest(attempt.of("syn"), forward)
    # Where no server is known, whoever answers has it.
    arrived = came_to(case.server, attempt) or half_open(case, attempt) if case.server else bool(attempt.of("syn_ack"))
    if not arrived:
        return loss_after(case, "lost_syn", "syn", "path.forward", syn, forward, attempt.of("syn"))
    back = way_of(case, back=True)
    syn_ack = furthest(attempt.of("syn_ack"), back)
    if syn_ack is not None and back[syn_ack][0] is not case.client and case.client.observations is None:
        return Outcome("silent", "syn_ack", None, "path", last_seen=seen_at(attempt.of("syn_ack"), back[syn_ack]))
    if syn_ack is None:
        last = seen_at(attempt.of("syn"), (case.server, "in")) if case.server else None
        if case.server and case.server.saw_everything and last:
            return Outcome("unanswered", "syn", None, case.server.name, last_seen=last)
        return Outcome("silent", None, None, "path", last_seen=last)
    if back[syn_ack][0] is case.client and back[syn_ack][1] == "in":
        last = seen_at(attempt.of("syn_ack"), back[syn_ack])
        return Outcome("ignored_syn_ack", "syn_ack", None, case.client.name, last_seen=last)
    return loss_after(case, "lost_syn_ack", "syn_ack", "path.return", syn_ack, back, attempt.of("syn_ack"))


def _at(row: Row, host: Host | None, direction: str) -> Observation | None:
    return row.at(host.name, direction) if host else None


def _last(row: Row | None) -> Observation | None:
    return row.seen[-1] if row and row.seen else None
