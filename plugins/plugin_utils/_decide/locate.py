# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Follow the packets of an attempt from vantage point to vantage point: how far did the handshake come?"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import TcpFlags

from .._model.host import Host
from .._model.network_records import LOOPBACK
from .._model.recording import Observation
from .._model.socket_records import TakenHandshake
from .case import Case
from .outcome import OUTCOMES, Leg, Outcome
from .rows import Row
from .timeline import Attempt

# connect() reports these only when somebody answered, or when nobody did; any other error without an ICMP message is the client's own.
_ANSWERS = ("ECONNREFUSED", "ECONNRESET", "ETIMEDOUT")
Vantage = tuple[Host, str]  # a host and a direction there


_WITHOUT_A_WORD = ("lost_syn", "silent")


def locate(case: Case) -> None:
    """Find the outcome of each attempt, and the one that the rules are to explain first: the most frequent failure.

    Where an ICMP error answers some attempts, it speaks for those that vanished without a word.
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
        return _told(case, attempt)
    if probe.connected:
        return _stood_in(case, attempt) or _connected(case, attempt)
    if probe.late_ms is not None and probe.late_errno is None:
        retried = _recovered(case, attempt)
        if retried:
            return replace(retried, recovered=False)  # a retransmission completed it, but after the application had given up
        return Outcome("late", "syn_ack", None, case.client.name, row=_first(attempt.of("syn_ack")))
    if not _left_client(case, attempt):
        return _kept(case, attempt)
    if case.server is not None and _refused_later(case, attempt):
        outcome = _connected(case, attempt)
        return Outcome("ignored_ack", "ack", None, case.server.name) if outcome.completed else outcome
    if probe.final_errno == "ECONNRESET" and _seen_at(attempt.of("ack", "client"), (case.client, "out")):
        return Outcome(
            "reset_after", None, "server.application", case.server.name if case.server else "path", row=_first(attempt.of("rst"))
        )
    icmp = _icmp_answer(case, attempt)
    if icmp:
        return icmp
    refusal = _first([row for row in attempt.of("rst", "server") if _answers(case, row)])
    if refusal or probe.final_errno in ("ECONNREFUSED", "ECONNRESET"):
        return Outcome("reset", "syn", None, case.server.name if case.server else "path", last_seen=_last(refusal), row=refusal)
    return _follow(case, attempt)


def _told(case: Case, attempt: Attempt) -> Outcome:
    """Of a handshake that somebody else made, who tells its result and not its port: no packet is known to be one of it."""
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
    """Whether a SYN went out on a wire; without a recording at the client, what errno and ICMP tell of it."""
    probe = attempt.probe
    if _wire_syns(case, attempt) or probe.via:  # others saw it
        return True
    if case.client.saw_everything:
        # Translated to another port, a SYN escapes the recorder; then only an answer tells that it left.
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


def _wire_syns(case: Case, attempt: Attempt) -> list[Row]:
    """SYNs that left the client; on the loopback interface only when the address dialled is the client's own."""
    own = case.client.owns(case.address) or case.client is case.server
    return [row for row in attempt.of("syn") if (seen := row.at(case.client.name, "out")) and (own or seen.interface != LOOPBACK)]


def _kept(case: Case, attempt: Attempt) -> Outcome:
    """Nothing left the client. ETIMEDOUT is the kernel's word for its own silence: it accepted the connect and gave up."""
    refused = attempt.probe.final_errno not in (None, "ETIMEDOUT")
    return Outcome("refused_locally" if refused else "unsent", "syn", None, case.client.name)


def _refused_later(case: Case, attempt: Attempt) -> bool:
    """Whether the client had acknowledged the SYN-ACK, and it was that packet about which an ICMP error came."""
    if attempt.isn is None or not attempt.probe.final_errno or not _seen_at(attempt.of("ack", "client"), (case.client, "out")):
        return False
    quotes = [row.packet.icmp.quote for row in attempt.of("icmp") if row.packet.icmp and row.at(case.client.name, "in")]
    return any(quote is not None and quote.seq == (attempt.isn + 1) & 0xFFFFFFFF for quote in quotes)


def _icmp_answer(case: Case, attempt: Attempt) -> Outcome | None:
    """An ICMP error about the SYN, seen at the client, told by the socket's error queue, or seen leaving the server."""
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
    forward = _way(case, back=False)
    syn = _furthest(attempt.of("syn"), forward)
    # Where no server is known, whoever answers has it.
    arrived = _came(case.server, attempt) or _half_open(case, attempt) if case.server else bool(attempt.of("syn_ack"))
    if not arrived:
        return _lost("lost_syn", "syn", "path.forward", syn, forward, attempt.of("syn"))
    back = _way(case, back=True)
    syn_ack = _furthest(attempt.of("syn_ack"), back)
    if syn_ack is not None and back[syn_ack][0] is not case.client and case.client.observations is None:
        return Outcome("silent", "syn_ack", None, "path", last_seen=_seen_at(attempt.of("syn_ack"), back[syn_ack]))
    if syn_ack is None:
        last = _seen_at(attempt.of("syn"), (case.server, "in")) if case.server else None
        if case.server and case.server.saw_everything and last:
            return Outcome("unanswered", "syn", None, case.server.name, last_seen=last)
        return Outcome("silent", None, None, "path", last_seen=last)
    if back[syn_ack][0] is case.client and back[syn_ack][1] == "in":
        last = _seen_at(attempt.of("syn_ack"), back[syn_ack])
        return Outcome("ignored_syn_ack", "syn_ack", None, case.client.name, last_seen=last)
    return _lost("lost_syn_ack", "syn_ack", "path.return", syn_ack, back, attempt.of("syn_ack"))


def _stood_in(case: Case, attempt: Attempt) -> Outcome | None:
    """Whether it was a temporary listener that took the connection: by its ends there, or because nothing else would have."""
    server = case.server
    if server is None or server.temporary_listeners is None:
        return None
    by_end = case.taken_by_stand_in(attempt)
    # Behind an address that is not the server's own, the ends may be others; what was taken there of nobody known is taken for it.
    by_place = server.stands_in(case.address, case.port) or (case.server_owns(case.address) is False and bool(_of_nobody(case, server)))
    if not (by_end or by_place):
        return None
    return Outcome("stood_in", None, "server.socket", server.name, last_seen=_seen_at(attempt.of("ack", "client"), (server, "in")))


def _of_nobody(case: Case, server: Host) -> list[TakenHandshake]:
    """The handshakes that a host's temporary listeners took and that no client of the run made with the very ends of theirs."""

    def found() -> list[TakenHandshake]:
        made = {
            (probe.local_address, probe.local_port, probe.address, probe.port)
            for host in case.fleet.hosts.values()
            for probe in host.probes
        }
        taken = (server.temporary_listeners.taken if server.temporary_listeners else None) or ()
        return [each for each in taken if (each.remote, each.remote_port, each.address, each.port) not in made]

    return case.fleet.once(("taken of nobody", server.name), found)


def _publishes(host: Host, case: Case) -> bool:
    """Whether a host's rules send what it dials of its own to a machine on one of its bridges: that is what containers are behind."""
    snapshot = host.snapshot
    bridges = {link.name for link in (snapshot.links if snapshot else None) or () if link.kind == "bridge"}
    own = [entry for entry in (snapshot.addresses if snapshot else None) or () if entry.interface in bridges]
    networks = [ipaddress.ip_interface(f"{entry.address}/{entry.prefix}").network for entry in own]
    asked = ("syn", "out", case.address, case.port)
    verdicts = [verdict for firewalls in host.rulings.snapshots.values() for firewall in firewalls for verdict in firewall.verdicts]
    ours = [verdict for verdict in verdicts if (verdict.packet, verdict.direction, verdict.destination, verdict.port) == asked]
    targets = {verdict.rewritten.destination if verdict.rewritten else case.address for verdict in ours}
    return bool(targets) and all(any(ipaddress.ip_address(target) in network for network in networks) for target in targets)


def _connected(case: Case, attempt: Attempt) -> Outcome:
    """connect() succeeded: did the server's end complete as well?"""
    client, server, probe = case.client, case.server, attempt.probe
    if client is server and not _wire_syns(case, attempt) and _publishes(client, case):
        return Outcome("completed")  # with a container of its own, whose port it publishes to itself as well
    if client.saw_everything and not _wire_syns(case, attempt) and not client.translates("postrouting"):
        return Outcome("diverted", "syn", "client.firewall", client.name, row=_first(attempt.of("syn")))
    owns = case.server_owns(case.address)
    # Of several servers, any may have the address, and so may a host on the way that takes connections for them.
    in_front = bool(case.partners) or any(via.owns(case.address) is not False for via in case.vias)
    another = owns is False or (owns is None and in_front)
    if server is None or (another and not _came(server, attempt)):
        return Outcome("completed")  # with whatever stands in front of the server
    recognisable = attempt.isn is not None or case.server_owns(case.address)  # behind NAT only the ISN tells the SYN
    if server.saw_everything and recognisable and not _came(server, attempt):
        renamed = any(host.translates("postrouting") is not False for host in (client, *case.vias))
        escaped = case.may_be_translated or (attempt.isn is None and renamed)
        if escaped and not case.led_away:
            return Outcome("completed")
        return Outcome("answered_elsewhere", "syn", "path.forward", "path", row=_first(attempt.of("syn_ack")))
    acknowledgements = [row for kind in ("ack", "fin", "data") for row in attempt.of(kind, "client")]
    taken = _seen_at(acknowledgements, (server, "in"))
    known = client.saw_everything and attempt.isn is not None
    if server.saw_everything and not taken and (known or _half_open(case, attempt)):
        if known and not _seen_at(acknowledgements, (client, "out")):
            return Outcome("lost_ack", "ack", "client.firewall", client.name)
        if not _had_time(attempt, acknowledgements, client, server):
            return Outcome("completed")
        forward = _way(case, back=False)
        return _lost("lost_ack", "ack", "path.forward", _furthest(acknowledgements, forward), forward, acknowledgements)
    if _half_open(case, attempt):
        return Outcome("ignored_ack", "ack", None, server.name, last_seen=taken)
    if probe.peer == "reset":
        return Outcome("reset_after", None, "server.application", server.name, row=_first(attempt.of("rst", "server")))
    if taken and _disowned(attempt, server):
        return Outcome("ignored_ack", "ack", None, server.name, last_seen=taken)
    return _recovered(case, attempt) or Outcome("completed")


def _came(server: Host, attempt: Attempt) -> bool:
    """Whether a SYN came to the server: it recorded one, or the SYN-ACK that it sent itself, for captures have gaps that nobody counts."""
    own = (row for row in attempt.of("syn_ack", "server") if row.at(server.name, "out") and not row.at(server.name, "in"))
    return _seen_at(attempt.of("syn"), (server, "in")) is not None or next(own, None) is not None


def _disowned(attempt: Attempt, server: Host) -> bool:
    """Whether the server answers the ACK as one of no connection: with an RST that has its number, before any other (RFC 9293)."""
    reset = next((row.packet.tcp for row in attempt.of("rst", "server") if row.at(server.name, "out")), None)
    numbers = {row.packet.tcp.ack for row in attempt.of("ack", "client")[:1] if row.packet.tcp}
    return reset is not None and not reset.flags & TcpFlags.ACK and reset.seq in numbers


def _recovered(case: Case, attempt: Attempt) -> Outcome | None:
    """Completed only after a retransmission: what befell the first SYN, or the first SYN-ACK?"""
    syns = [row for row in attempt.of("syn") if row.at(case.client.name, "out")]
    if len(syns) < 2 or case.server is None or not (case.client.saw_everything and case.server.saw_everything):
        return None
    first, second = syns[:1], syns[1]
    first_answer = _first(attempt.of("syn_ack"))
    if attempt.answered_transmission() == 1 and first_answer and first_answer.at(case.client.name, "in"):
        return None  # slow, not lost
    arrived = _seen_at(first, (case.server, "in"))
    forward, back = _way(case, back=False), _way(case, back=True)
    if not arrived:
        return replace(_lost("lost_syn", "syn", "path.forward", _furthest(first, forward), forward, first), recovered=True)
    answers = [row for row in attempt.of("syn_ack") if (seen := row.at(case.server.name, "out")) and 0 <= seen.time - arrived.time < 0.5]
    if not answers:
        return Outcome("unanswered", "syn", None, case.server.name, last_seen=arrived, recovered=True)
    taken = _seen_at(answers, (case.client, "in"))
    if not taken:
        return replace(_lost("lost_syn_ack", "syn_ack", "path.return", _furthest(answers, back), back, answers), recovered=True)
    if attempt.when(taken) < attempt.when(second.seen[0]):
        return Outcome("ignored_syn_ack", "syn_ack", None, case.client.name, last_seen=taken, recovered=True)
    return None  # the SYN-ACK was on its way when the SYN was repeated


def _had_time(attempt: Attempt, rows: Sequence[Row], sender: Host, receiver: Host) -> bool:
    """Whether the receiver recorded long enough after a packet was sent to see it arrive: two round trips of this attempt."""
    sent = min((attempt.when(seen) for row in rows if (seen := row.at(sender.name, "out"))), default=None)
    offset = attempt.clocks[receiver.name].offset if receiver.name in attempt.clocks else 0.0
    if sent is None or receiver.recorded_until is None:
        return True
    round_trip = (attempt.probe.elapsed_ms or 0.0) / 1000
    return receiver.recorded_until - offset - sent > max(0.2, 2 * round_trip)


def _half_open(case: Case, attempt: Attempt) -> bool:
    """Whether the server still holds the attempt in SYN-RECV when the recorder is stopped."""
    snapshot = case.server.after if case.server else None
    half_open = {(entry.remote, entry.remote_port) for entry in (snapshot.sockets if snapshot else None) or () if entry.state == "SYN_RECV"}
    return bool(half_open & case.client_endpoints(attempt))


def _way(case: Case, back: bool) -> list[Vantage]:
    """The vantage points in the order in which a packet passes them; hosts without a recording are left out."""
    ends = [(case.client, "out"), *((via, way) for via in case.vias for way in (("other",) if via.point else ("in", "out")))]
    if case.server is not None:
        ends.append((case.server, "in"))
    if back:
        ends = [(host, {"in": "out", "out": "in"}.get(way, way)) for host, way in reversed(ends)]
    return [(host, way) for host, way in ends if host.observations is not None]


def _furthest(rows: Sequence[Row], way: Sequence[Vantage]) -> int | None:
    """The last place on the way where any of the packets was seen."""
    return max((place for place, vantage in enumerate(way) if _seen_at(rows, vantage)), default=None)


def _lost(kind: str, leg: Leg, segment: str, place: int | None, way: Sequence[Vantage], rows: Sequence[Row]) -> Outcome:
    """A loss behind ``place``. Only a vantage point behind it that saw everything, and did not see the packet, proves the loss."""
    if place is None or place + 1 >= len(way):
        missing = place is None and any(host.saw_everything for host, direction in way[-1:])
        return Outcome("silent", leg if missing else None, None, "path")
    here, beyond = way[place][0], way[place + 1][0]
    last = _seen_at(rows, way[place])
    if not beyond.saw_everything:
        return Outcome("silent", None, None, "path", last_seen=last)
    swallowed = here is beyond
    row = next((row for row in rows if row.at(here.name, way[place][1])), None)
    return Outcome(kind, leg, segment, here.name if swallowed else "path", between=(here.name, beyond.name), last_seen=last, row=row)


def _seen_at(rows: Sequence[Row], vantage: Vantage) -> Observation | None:
    return next((seen for row in rows if (seen := row.at(vantage[0].name, vantage[1]))), None)


def _at(row: Row, host: Host | None, direction: str) -> Observation | None:
    return row.at(host.name, direction) if host else None


def _first(rows: Sequence[Row]) -> Row | None:
    return rows[0] if rows else None


def _last(row: Row | None) -> Observation | None:
    return row.seen[-1] if row and row.seen else None
