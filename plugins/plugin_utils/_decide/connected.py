# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The outcome of an attempt whose connect() succeeded, which says nothing about the server's end."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import TcpFlags

from .._model.host import Host
from .._model.socket_records import TakenHandshake
from .case import Case, literal_is_loopback
from .outcome import Outcome
from .rows import Row
from .timeline import Attempt
from .translation import led_away, may_be_translated
from .vantages import came_to, first, furthest, half_open, loss_after, seen_at, taken_by_stand_in, way_of, wire_syns


def connected(case: Case, attempt: Attempt) -> Outcome:
    """connect() succeeded: did the server's end complete as well?"""
    client, server, probe = case.client, case.server, attempt.probe
    if client is server and not wire_syns(case, attempt) and _publishes(client, case) is not False:
        return Outcome("completed")  # with a container of its own, whose port it publishes to itself as well
    if client.saw_everything and not wire_syns(case, attempt) and not client.translates("postrouting") and not case.encapsulated:
        return Outcome("diverted", "syn", "client.firewall", client.name, row=first(attempt.of("syn")))
    owns = case.server_owns(case.address)
    # Of several servers, any may have the address, and so may a host on the way that takes connections for them.
    in_front = bool(case.partners) or any(via.owns(case.address) is not False for via in case.vias)
    another = owns is False or (owns is None and in_front)
    if server is None or (another and not came_to(server, attempt)):
        return Outcome("completed")  # with whatever stands in front of the server
    recognisable = attempt.isn is not None or case.server_owns(case.address)  # behind NAT only the ISN identifies the SYN
    if server.saw_everything and recognisable and not came_to(server, attempt):
        renamed = any(host.translates("postrouting") is not False for host in (client, *case.vias))
        escaped = may_be_translated(case) or (attempt.isn is None and renamed)
        # A server that has the address as well may have taken it where nobody recorded.
        unwatched = any(partner.owns(case.address) is not False and not partner.saw_everything for partner in case.partners)
        if (escaped or unwatched) and not led_away(case):
            return Outcome("completed")
        return Outcome("answered_elsewhere", "syn", "path.forward", "path", row=first(attempt.of("syn_ack")))
    acknowledgements = [row for kind in ("ack", "fin", "data") for row in attempt.of(kind, "client")]
    taken = seen_at(acknowledgements, (server, "in"))
    known = client.saw_everything and attempt.isn is not None and attempt.hears(client.name, "out")
    heard = server.saw_everything and attempt.hears(server.name, "in")
    if heard and not taken and (known or half_open(case, attempt)):
        if known and not seen_at(acknowledgements, (client, "out")):
            return Outcome("lost_ack", "ack", "client.firewall", client.name)
        if not _had_time(attempt, acknowledgements, client, server):
            return Outcome("completed")
        forward = [(host, way) for host, way in way_of(case, back=False) if attempt.hears(host.name, way)]
        return loss_after(case, "lost_ack", "ack", "path.forward", furthest(acknowledgements, forward), forward, acknowledgements)
    if half_open(case, attempt):
        return Outcome("ignored_ack", "ack", None, server.name, last_seen=taken)
    if probe.peer == "reset":
        return Outcome("reset_after", None, "server.application", server.name, row=first(attempt.of("rst", "server")))
    if taken and _disowned(attempt, server):
        return Outcome("ignored_ack", "ack", None, server.name, last_seen=taken)
    return recovered(case, attempt) or Outcome("completed")


def stood_in(case: Case, attempt: Attempt) -> Outcome | None:
    """Whether it was a temporary listener that took the connection: by its ends there, or because nothing else would have."""
    server = case.server
    if server is None or server.temporary_listeners is None:
        return None
    by_end = taken_by_stand_in(case, attempt)
    # Behind an address that is not the server's own, the ends may be others; what was taken there of nobody known is taken for it.
    by_place = server.stands_in(case.address, case.port) or (case.server_owns(case.address) is False and bool(_of_nobody(case, server)))
    if not (by_end or by_place):
        return None
    return Outcome("stood_in", None, "server.socket", server.name, last_seen=seen_at(attempt.of("ack", "client"), (server, "in")))


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


def _publishes(host: Host, case: Case) -> bool | None:
    """Whether a host's rules send what it dials on an address of its own to a machine on one of its bridges, as for published ports of
    containers; None where they send it away and it is not known what bridges there are."""
    asked = ("syn", "out", case.address, case.port)
    verdicts = [verdict for firewalls in host.verdicts.snapshots.values() for firewall in firewalls for verdict in firewall.verdicts]
    ours = [verdict for verdict in verdicts if (verdict.packet, verdict.direction, verdict.destination, verdict.port) == asked]
    targets = {verdict.rewritten.destination if verdict.rewritten else case.address for verdict in ours}
    snapshot = host.snapshot
    if snapshot is None or snapshot.links is None or snapshot.addresses is None:
        away = targets and not any(literal_is_loopback(target) or host.owns(target) for target in targets)
        return None if away else False
    bridges = {link.name for link in snapshot.links if link.kind == "bridge"}
    networks = [entry.network for entry in snapshot.addresses if entry.interface in bridges]
    return bool(targets) and all(any(ipaddress.ip_address(target) in network for network in networks) for target in targets)


def _disowned(attempt: Attempt, server: Host) -> bool:
    """Whether the server answers the ACK as one of no connection: with an RST that has its number, before any other (RFC 9293)."""
    reset = next((row.packet.tcp for row in attempt.of("rst", "server") if row.at(server.name, "out")), None)
    numbers = {row.packet.tcp.ack for row in attempt.of("ack", "client")[:1] if row.packet.tcp}
    return reset is not None and not reset.flags & TcpFlags.ACK and reset.seq in numbers


def recovered(case: Case, attempt: Attempt) -> Outcome | None:
    """Completed only after a retransmission: what happened to the first SYN, or the first SYN-ACK?"""
    syns = [row for row in attempt.of("syn") if row.at(case.client.name, "out")]
    if len(syns) < 2 or case.server is None or not (case.client.saw_everything and case.server.saw_everything):
        return None
    initial, second = syns[:1], syns[1]
    first_answer = first(attempt.of("syn_ack"))
    if attempt.answered_transmission() == 1 and first_answer and first_answer.at(case.client.name, "in"):
        return None  # slow, not lost
    arrived = seen_at(initial, (case.server, "in"))
    forward, back = way_of(case, back=False), way_of(case, back=True)
    if not arrived:
        return replace(loss_after(case, "lost_syn", "syn", "path.forward", furthest(initial, forward), forward, initial), recovered=True)
    answers = [row for row in attempt.of("syn_ack") if (seen := row.at(case.server.name, "out")) and 0 <= seen.time - arrived.time < 0.5]
    if not answers:
        return Outcome("unanswered", "syn", None, case.server.name, last_seen=arrived, recovered=True)
    taken = seen_at(answers, (case.client, "in"))
    if not taken:
        return replace(loss_after(case, "lost_syn_ack", "syn_ack", "path.return", furthest(answers, back), back, answers), recovered=True)
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
