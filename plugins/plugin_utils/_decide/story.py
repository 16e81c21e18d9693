# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The timeline of a flow in the report's words: each packet, and where it was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Packet, TcpFlags

from .case import Case
from .rows import OPENING, Row
from .timeline import Attempt

MAX_ROWS = 200  # per flow: a person reads the first few attempts
LABELS = {"syn": "SYN", "syn_ack": "SYN-ACK", "ack": "ACK", "rst": "RST", "fin": "FIN", "data": "data", "icmp": "ICMP error"}


def timeline(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Rows of all attempts, each attempt's time counted from its first packet, in milliseconds of the client's clock."""
    rows: list[dict[str, Any]] = []
    for case in cases:
        for attempt in case.attempts:
            start = min((attempt.when(seen) for row in attempt.rows for seen in row.seen), default=0.0)
            rows += [_row(case, attempt, row, start) for row in attempt.everything]
    return rows[:MAX_ROWS]


def _row(case: Case, attempt: Attempt, row: Row, start: float) -> dict[str, Any]:
    def ms(time: float) -> float:
        return round((time - start) * 1000, 3)

    return {
        "attempt": attempt.probe.attempt,
        "t_ms": ms(attempt.when(row.everywhere[0])),
        "packet": row.kind,
        "label": LABELS[row.kind],
        "detail": describe(row.packet),
        "from": row.sender,
        "transmission": row.transmission,
        "seen": [
            {"host": seen.host, "interface": seen.interface, "direction": seen.direction, "t_ms": ms(attempt.when(seen))}
            for seen in row.everywhere
        ],
        "lost": is_lost(case, attempt, row),
    }


def is_lost(case: Case, attempt: Attempt, row: Row) -> bool:
    """Whether a packet left one end and the recording at the other end, which misses nothing, has not got it."""
    fronted = case.server_owns(case.address) is False and not attempt.count("syn", case.server.name if case.server else "", "in")
    if row.kind == "icmp" or fronted:
        return False  # not meant for the other end, or answered by whoever stands in front of it
    heard = attempt.hears(case.client.name, "out") and (case.server is None or attempt.hears(case.server.name, "in"))
    if row.kind not in OPENING and not heard:
        return False
    if row.sender == "client":
        return case.server is not None and case.server.saw_everything and row.at(case.server.name, "in") is None
    recorded = attempt.when(row.seen[0]) < (case.client.recorded_until or 0.0)
    return case.client.saw_everything and recorded and row.at(case.client.name, "in") is None


def describe(packet: Packet) -> str:
    """The numbers of a packet that matter in a handshake."""
    tcp = packet.tcp
    if tcp is None:
        message = packet.icmp
        return f"from {packet.src}: type {message.type} code {message.code}" if message else ""
    parts = [f"seq {tcp.seq}"]
    if tcp.flags & TcpFlags.ACK:
        parts.append(f"ack {tcp.ack}")
    parts.append(f"win {tcp.window}")
    options = tcp.options
    if options.mss is not None:
        parts.append(f"mss {options.mss}")
    if options.wscale is not None:
        parts.append(f"wscale {options.wscale}")
    for present, name in (
        (options.sack_permitted, "sack"),
        (options.md5 is not None, "md5"),
        (options.ao is not None, "tcp-ao"),
        (tcp.flags & 0xC0 == 0xC0, "ecn"),
    ):
        if present and tcp.flags & TcpFlags.SYN:
            parts.append(name)
    return " ".join([*parts, f"ttl {packet.ttl}"])
