# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Where on the way a packet was lost."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_records import LOOPBACK
from ..._model.recording import Observation
from ..case import Case
from .icmp import answer_of, meaning_of, quoting

LOSSES = ("lost_syn", "lost_syn_ack", "lost_ack")
PACKETS = {"lost_syn": "SYN", "lost_syn_ack": "SYN-ACK", "lost_ack": "final ACK"}


def packet_of(case: Case) -> str:
    """The packet that was lost, or that an ICMP error answers, in words."""
    return PACKETS.get(case.outcome.kind, "SYN")


def swallower(case: Case) -> Host | None:
    """The managed host on the way that took the packet in and did not let it out: not even to a bridge of its own."""
    return None if kept(case) else next((via for via in case.vias if via.name == case.outcome.host), None)


def kept(case: Case) -> tuple[Host, Observation] | None:
    """The managed host whose IP sent the lost packet by lo, or by a bridge of whose ports none did, and the packet there."""
    outcome, seen = case.outcome, case.outcome.last_seen
    if outcome.kind not in LOSSES or seen is None or not (seen.on_bridge or seen.interface == LOOPBACK):
        return None
    host = next((host for host in case.hosts if host.name == outcome.host), None)
    return (host, seen) if host else None


def inside(case: Case) -> Host | None:
    """The managed host that the packet did not leave: it was taken in there, or sent to itself."""
    found = kept(case)
    return found[0] if found else swallower(case)


def kept_unasked(case: Case, address: str) -> bool:
    """Whether the packet did not come to where it matters who has the address: a managed host sends it to another one, or kept it, or
    answered it, without requests for the address that stayed unanswered."""
    sent = [case.sent_on_by(host) for host in (case.client, *case.vias)]
    if any(each and each.rewritten and each.rewritten.destination != case.address for each in sent):
        return True
    row = case.outcome.row
    answered = next((via for via in case.vias if row and row.at(via.name, "out") and not row.at(via.name, "in")), None)
    host = case.client if case.outcome.local else swallower(case) or answered
    entry = host.neighbour(address, None) if host else None
    return host is not None and not host.unanswered_requests(address) and not (entry and entry.unresolved)


def forbidden(case: Case) -> bool:
    """Whether somebody on the way says that the packet, or the answer to it, is not allowed, which is none of the reasons for which it
    cannot be delivered."""
    answer = answer_of(case)
    said = [(answer.meaning, answer.offender)] if answer else []
    said += [(meaning_of(case, row)[0], row.packet.src) for row, _seen in quoting(case)]
    return any(meaning == "rejected" and not case.is_end(source) for meaning, source in said)
