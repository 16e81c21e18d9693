# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Connection tracking zones: a packet belongs to the connection that its SYN opened only if both are in one zone (nf_ct_key_equal)."""

from __future__ import annotations

import typing as t

from .evaluation import Evaluation, UnsupportedError
from .packet import NO_ZONE, Packet
from .ruleset import Facts


def look_up(packet: Packet, facts: Facts, evaluation: Evaluation, translates: bool, early: t.Callable[[Packet], bool]) -> None:
    """Conntrack looks for the packet's connection: what its SYN opened in another zone is not found, which changes the packet's state.

    `early` shows a SYN to the rules that come before conntrack.
    """
    if packet.state != "established":
        return
    syn = opening(packet, facts)
    try:
        met = early(syn)
    except UnsupportedError:
        if packet.zone != NO_ZONE:
            raise
        return  # what happened to the SYN is another question
    if not met and packet.zone == NO_ZONE:
        return
    untracked = syn.tracking is not None and syn.tracking.state == "untracked"
    way = "reply" if packet.kind == "syn_ack" else "original"
    if untracked or syn.zone.of(way) == packet.zone.of(way):
        return
    if translates and evaluation.choose(f"whether its SYN, which may be translated, was tracked in zone {syn.zone.id}"):
        return
    # Conntrack may pick connections up at an ACK, and never at a SYN-ACK.
    picked_up = packet.kind == "ack" and facts.sysctl("net.netfilter.nf_conntrack_tcp_loose") != "0"
    packet.opened_in, packet.state = syn.zone, "new" if picked_up else "invalid"


def opening(packet: Packet, facts: Facts) -> Packet:
    """The SYN of the packet's connection, as it passes this host, as far as the packet shows."""
    back, ends = packet.kind == "syn_ack", packet.ends
    source, source_port, destination, port = (ends[2], ends[3], ends[0], ends[1]) if back else ends
    syn = Packet("syn", source, destination)
    syn.rewrite(source_port=source_port, destination_port=port)
    syn.direction = {"in": "out", "out": "in"}.get(packet.direction, packet.direction) if back else packet.direction
    arrives, leaves = (packet.oif, packet.iif) if back else (packet.iif, packet.oif)
    if back and syn.direction == "out":
        leaves = facts.link(facts.route(destination, source)["interface"] or "")
    syn.iif = None if syn.direction == "out" else arrives
    syn.oif = None if syn.direction == "in" else leaves
    syn.has_socket = syn.direction == "out"
    return syn
