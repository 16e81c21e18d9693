# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What has outlived its other end: connections that the server still holds, translations that a host on the way still remembers."""

from __future__ import annotations

from ..._model.firewall_records import DESTINATION_NAT
from ..._model.firewall_subjects import Strays
from ..._model.host import Host
from ..._model.recording import Observation
from ..._model.socket_records import Socket
from ..._model.socket_subjects import HeldSockets
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..rows import Row
from ..timeline import Attempt
from .catalogue import OF_ANOTHER_MACHINE, Accounts, Cause
from .traversals import Place, judged

_MODULUS = 1 << 32
# RFC 9293, 3.3.2: states that answer a SYN with a bare ACK (RFC 5961, 4.2), SYN-RECEIVED where it has another sequence number.
_OPEN = ("ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT", "SYN_RECV")


def _stale_connection(case: Case) -> Finding | None:
    """A connection of old between the same two ends answers the SYN with an ACK; an RST from the client would end it (RFC 9293, 3.5.1)."""
    server = case.server
    answered = [(attempt, answer) for attempt in case.subject if (answer := _challenge(case, attempt))]
    if not answered:
        return None
    if server is None:
        return _stale_unseen(case, len(answered))
    held = [entry for attempt, _answer in answered if (entry := _held(case, attempt))]
    left = sum(answer.at(server.name, "out") is not None for _attempt, answer in answered)
    states = " or ".join(sorted({entry.state.replace("_", "-") for entry in held}))
    challenges = server.delta("TcpExt", "TCPSYNChallenge")
    older = _timestamps_rejected(case, server, answered)
    first = answered[0][1].packet.tcp
    ports = ", ".join(str(attempt.probe.local_port) for attempt, _answer in answered[:8])
    return Finding(
        "proven" if left and (older or len(held) == len(answered)) else "likely",
        server.name,
        "server.socket",
        f"{server.name} still holds {plural(len(answered), 'connection')} from the very {'port' if len(answered) == 1 else 'ports'} that "
        f"{case.client.name} dials from, and answers the SYN with a bare ACK{_what_then(case, answered)}",
        (
            *case.passage(),
            case.saw(server if left else case.client, "capture", f"a bare ACK, number {first.ack if first else 0}, answers the SYN"),
            *([case.saw(server, "inet_diag", f"{plural(len(held), 'socket')} in {states} to ports {ports}")] if held else []),
            *([case.saw(server, "counter TCPSYNChallenge", f"+{challenges}")] if challenges else []),
            *([older] if older else []),
        ),
        leg="syn",
        detail={"ports": [attempt.probe.local_port for attempt, _answer in answered], "states": sorted({entry.state for entry in held})},
        undecided=() if held or older else (f"the sockets of {server.name} (ss -tn) before the attempts would show it",),
        subject=HeldSockets(tuple(held), shared=older is not None and not held),
    )


def _timestamps_rejected(case: Case, server: Host, answered: list[tuple[Attempt, Row]]) -> Evidence | None:
    """That the SYNs were refused for timestamps older than those of a connection in TIME-WAIT (tcp_timewait_state_process())."""
    answers = [row for attempt, _first in answered for row in attempt.of("ack", "server") if _is_challenge(attempt, row)]
    deltas = {name: server.delta("TcpExt", name) for name in ("PAWSTimewait", "PAWSEstab")}  # the latter before Linux 6.14
    name, delta = next(((name, delta) for name, delta in deltas.items() if delta is not None), ("", 0))
    stamped = all(row.packet.tcp and row.packet.tcp.options.timestamps for attempt, _first in answered for row in attempt.of("syn"))
    if not stamped or delta < len(answers) or case.sent_on_by(server):
        return None  # what it leads elsewhere, as to a container, is not counted here
    text = "segments with timestamps older than those of a connection in TIME-WAIT, as another client behind the same address has"
    return case.saw(server, f"counter {name}", f"+{delta}: {text}")


def _challenge(case: Case, attempt: Attempt) -> Row | None:
    """The ACK that answers the SYN without acknowledging it, before any SYN-ACK."""
    if attempt.isn is None:
        return None
    for row in attempt.rows:
        if row.kind == "syn_ack":
            return None
        if _is_challenge(attempt, row) and _follows(attempt, row):
            return row if case.server is None or case.server.observations is None or row.at(case.server.name, "out") else None
    return None


def _is_challenge(attempt: Attempt, row: Row) -> bool:
    tcp = row.packet.tcp
    if attempt.isn is None or tcp is None or (row.kind, row.sender) != ("ack", "server"):
        return False
    return tcp.ack != (attempt.isn + 1) % _MODULUS and not any(answer.kind == "syn_ack" for answer in _before(attempt, row))


def _before(attempt: Attempt, row: Row) -> list[Row]:
    return attempt.rows[: attempt.rows.index(row)]


def _follows(attempt: Attempt, answer: Row) -> bool:
    """Whether the answer was seen somewhere after a SYN: a port that served before has packets of an older connection, too."""
    syns = {seen.host: seen.time for row in reversed(attempt.of("syn")) for seen in row.seen}
    return any(seen.host in syns and seen.time >= syns[seen.host] for seen in answer.seen)


def _held(case: Case, attempt: Attempt) -> Socket | None:
    """The server's socket between the two ends of an attempt, from before it, or still there after one to which no SYN-ACK was sent."""
    if case.server is None:
        return None
    snapshots = [case.server.before]
    if case.server.saw_everything and not attempt.of("syn_ack"):
        snapshots.append(case.server.after)
    ends = case.client_endpoints(attempt)
    for snapshot in snapshots:
        for entry in (snapshot.sockets if snapshot else None) or ():
            if entry.local_port == case.listening_port and (entry.remote, entry.remote_port) in ends and entry.state in _OPEN:
                return entry
    return None


def _what_then(case: Case, answered: list[tuple[Attempt, Row]]) -> str:
    """How the client's RST ended, which closes the server's old connection."""
    client, server, answering = case.client, case.server, [attempt for attempt, _answer in answered]
    if all(outcome.recovered for attempt, outcome in zip(case.attempts, case.outcomes, strict=True) if attempt in answering):
        return f"; {client.name}'s RST ended it, and a later SYN was accepted"
    if server is not None and any(len(_ports(server, attempt)) > 1 for attempt in answering):
        return f"; {client.name}'s RST ended it, and the next SYN came from another such port, which a translation on the way chose"
    if not client.saw_everything or server is None:
        return ""
    if not any(answer.at(client.name, "in") for _attempt, answer in answered):
        return f", which does not reach {client.name}"
    sent = case.count("rst", client, "out", "client")
    arrived = case.count("rst", server, "in", "client")
    if sent and not arrived and server.saw_everything:
        return f"; {client.name}'s RST, which would end it, does not reach {server.name}"
    if sent:
        return f"; {client.name}'s RST, which would end it, is not taken"
    return f"; no RST leaves {client.name} that would end it"


def _ports(server: Host, attempt: Attempt) -> set[int]:
    """Those from which the SYNs of one attempt came to the server."""
    seen = [seen for row in attempt.of("syn") if (seen := row.at(server.name, "in"))]
    return {each.packet.tcp.sport for each in seen if each.packet.tcp}


def _stale_unseen(case: Case, count: int) -> Finding:
    return Finding(
        "likely",
        "path",
        "server.socket",
        f"{case.target} answers the SYN with a bare ACK: it, or something in its name, still holds a connection from the same port",
        (*case.passage(), case.saw(case.client, "capture", f"bare ACKs answer the SYNs of {plural(count, 'attempt')}")),
        leg="syn",
        undecided=(f"the sockets of {case.address} would show it: name the machine in the flow's servers if you manage it",),
    )


def _stale_translation(case: Case) -> Finding | None:
    """Connection tracking translates by what it remembers of a connection: only new ones meet the rules (nf_nat_inet_fn())."""
    for via in case.vias:
        strays = [stray for attempt in case.subject if (stray := _passage(via, attempt))]
        verdict = judged(case, Place(via, "syn", "forward", "path.forward"))
        rule = verdict.last_to(*DESTINATION_NAT) if verdict and verdict.accepts else None
        went = _end(strays[0][1]) if strays else None
        if verdict is None or rule is None or verdict.rewritten is None or went is None:
            continue
        wanted = verdict.rewritten.destination, verdict.rewritten.port or case.port
        delta = via.verdicts.counter_delta(rule)
        if went == wanted or (delta is not None and delta.by > 0):
            continue
        hooks = via.snapshot.hooks if via.snapshot else None
        unmoved = delta is not None and not delta.set_back and hooks is not None and hooks.filtered(strays[0][0].interface) is False
        return Finding(
            "proven" if unmoved else "likely",
            via.name,
            "path.forward",
            f"{via.name} sends the SYN to {went[0]} port {went[1]} by what connection tracking remembers of an older connection from the "
            f"same port; its rules send it to {wanted[0]} port {wanted[1]}",
            (
                *case.passage(),
                case.saw(via, "capture", f"the SYN leaves {strays[0][1].interface} for {went[0]} port {went[1]}"),
                case.saw(via, "firewall", f"evaluated: {rule.name} sends a new connection to {wanted[0]} port {wanted[1]}"),
                *([case.saw(via, "nftables", f"{rule.tag}: counter {delta.before} -> {delta.after}: no SYN met it")] if delta else []),
            ),
            leg="syn",
            detail={"target": went[0], "port": went[1], "wanted": wanted[0], "wanted_port": wanted[1]},
            undecided=() if unmoved else (f"a counter in {rule.name} on {via.name} would show whether new connections meet it",),
            subject=Strays(tuple(strays)),
        )
    return None


def _passage(via: Host, attempt: Attempt) -> tuple[Observation, Observation] | None:
    """A SYN as it came in and as it went out."""
    for row in attempt.of("syn"):
        came, went = row.at(via.name, "in"), row.at(via.name, "out")
        if came and went:
            return came, went
    return None


def _end(seen: Observation) -> tuple[str, int] | None:
    return (seen.packet.dst, seen.packet.tcp.dport) if seen.packet.tcp else None


CAUSES = (
    Cause(
        "stale_connection",
        "The server still holds a connection from the same port",
        ("server.socket",),
        ("unanswered", "silent", "lost_syn_ack"),
        "A bare ACK that does not acknowledge the SYN leaves the server in answer to it, and before the attempts the server had a socket "
        "between these very ends; or PAWSTimewait (before Linux 6.14 PAWSEstab) rises by those ACKs at least: a connection in TIME-WAIT "
        "whose timestamps are later.",
        "A SYN-ACK answers the SYN.",
        rule=_stale_connection,
        accounts_for=(
            Accounts("counter", ("TcpExt.TCPACKSkippedChallenge", "TcpExt.TCPSYNChallenge", "TcpExt.TCPChallengeACK", "Tcp.InErrs")),
            Accounts("counter", ("TcpExt.PAWSTimewait", "TcpExt.PAWSEstab", "TcpExt.TCPACKSkippedTimeWait")),
            Accounts("stray_reset", anywhere=True),  # the client's answers to the ACKs
        ),
    ),
    Cause(
        "stale_translation",
        "Connection tracking translates by an older connection from the same port",
        ("path.forward",),
        ("lost_syn", "silent", "reset", "icmp", "unanswered", "answered_elsewhere"),
        "A managed host on the way lets the SYN out for another end than the rule, evaluated, sends it to that translates new connections, "
        "and the rule's counter does not move. Without a counter: likely.",
        "The rule sends it to where it went, or its counter moves.",
        rule=_stale_translation,
        precedes=("nat_wrong_target", "path_drop", "path_reset", "path_icmp_rejected", "path_icmp_unreachable", "answered_by_middlebox"),
        accounts_for=OF_ANOTHER_MACHINE,
    ),
)
