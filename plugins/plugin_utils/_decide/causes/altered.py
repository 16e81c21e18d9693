# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Handshakes that complete, altered or slowly."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._wire.tcp_options import TcpOptions

from ..._model.evidence import Host
from ..case import Case, Evidence, Finding, plural
from .catalogue import Accounts, Cause


def _option_altered(case: Case) -> Finding | None:
    if case.server is None:
        return None
    for row in case.rows("syn"):
        sent, got = row.at(case.client.name, "out"), row.at(case.server.name, "in")
        if not (sent and got and sent.packet.tcp and got.packet.tcp):
            continue
        changes = _changes(sent.packet.tcp.options, got.packet.tcp.options)
        if changes:
            return Finding(
                "proven",
                "path",
                "path.forward",
                f"the SYN's options are altered between {case.client.name} and {case.server.name}: {', '.join(changes)}",
                (Evidence("path", "captures", f"the same SYN (ISN {row.packet.tcp.seq if row.packet.tcp else 0}): {', '.join(changes)}"),),
                detail={"changes": changes},
            )
    return None


def _changes(sent: TcpOptions, got: TcpOptions) -> list[str]:
    names = {"mss": "MSS", "wscale": "window scale", "sack_permitted": "SACK", "md5": "MD5", "ao": "TCP-AO", "fast_open": "Fast Open"}
    changes = [
        f"{label} {getattr(sent, name)} -> {getattr(got, name)}"
        for name, label in names.items()
        if getattr(sent, name) != getattr(got, name)
    ]
    if (sent.timestamps is None) != (got.timestamps is None):
        changes.append("timestamps " + ("added" if sent.timestamps is None else "removed"))
    return changes


def _sequence_rewritten(case: Case) -> Finding | None:
    if case.server is None:
        return None
    for row in case.rows("syn"):
        sent, got = row.at(case.client.name, "out"), row.at(case.server.name, "in")
        if sent and got and sent.packet.tcp and got.packet.tcp and sent.packet.tcp.seq != got.packet.tcp.seq:
            return Finding(
                "proven",
                "path",
                "path.forward",
                f"something between {case.client.name} and {case.server.name} rewrites sequence numbers",
                (
                    Evidence(
                        "path",
                        "captures",
                        f"the same SYN has ISN {sent.packet.tcp.seq} at {case.client.name} and {got.packet.tcp.seq} at {case.server.name}",
                    ),
                ),
            )
    return None


def _path_slow(case: Case) -> Finding | None:
    times = sorted(probe.elapsed_ms for probe in case.probes if probe.connected and probe.elapsed_ms is not None)
    once = case.client.saw_everything and all(len(a.of("syn")) == 1 or a.answered_transmission() == 1 for a in case.attempts)
    if not once or not times:
        return None
    middle, inside, outside = times[len(times) // 2], _answer_ms(case), _spans(case, case.client, "out", "in")
    # What connect() takes longer than the packets, the client itself takes: its queues, say, or its load.
    if not outside or outside[len(outside) // 2] - (inside or 0.0) < 500 * min(case.timeout, 2.0):
        return None
    return Finding(
        "likely" if inside is None else "proven",
        "path",
        "path.forward",
        f"the handshake takes {middle:.0f} ms and no packet is lost; the application waits {case.timeout:g} s, the kernel repeats after 1 "
        "s",
        (
            case.saw(case.client, "connect()", f"median {middle:.0f} ms of {plural(len(times), 'attempt')}"),
            *(
                [case.saw(case.server, "capture", f"the SYN is answered within {inside:.1f} ms")]
                if case.server and inside is not None
                else []
            ),
        ),
        detail={"median_ms": middle},
    )


def _answer_ms(case: Case) -> float | None:
    """How long the server took at most to answer a SYN, by its own recording; ``None`` without one."""
    if case.server is None or not case.server.saw_everything:
        return None
    return max(_spans(case, case.server, "in", "out"), default=None)


def _spans(case: Case, host: Host, way: str, back: str) -> list[float]:
    """How many ms a host saw between the SYN that passed it one way and the SYN-ACK that passed it back, in rising order."""
    spans = []
    for attempt in case.attempts:
        syns = [seen.time for row in attempt.of("syn") if (seen := row.at(host.name, way))]
        answers = [seen.time for row in attempt.of("syn_ack") if (seen := row.at(host.name, back))]
        if syns and answers:
            spans.append((min(answers) - min(syns)) * 1000)
    return sorted(spans)


CAUSES = (
    Cause(
        "option_altered",
        "The SYN's options are altered on the way",
        ("path.forward",),
        ("completed",),
        "The same SYN has other options at the server than at the client.",
        "The options are the same.",
        _option_altered,
        accounts_for=(Accounts("altered", ("mss", "wscale", "sack_permitted", "md5", "ao", "fast_open", "timestamps"), any_leg=True),),
    ),
    Cause(
        "sequence_rewritten",
        "Sequence numbers are rewritten on the way",
        ("path.forward",),
        ("completed",),
        "The same SYN has another ISN at the server than at the client.",
        "The ISN is the same.",
        _sequence_rewritten,
        accounts_for=(Accounts("altered", ("sequence number",), any_leg=True),),
    ),
    Cause(
        "path_slow",
        "The way is slow",
        ("path.forward",),
        ("completed",),
        "The median handshake takes half of the flow's timeout, or a second, on the client's wire, the first SYN is the one that is "
        "answered, and the server answers at once.",
        "The time comes from retransmissions.",
        _path_slow,
        accounts_for=(Accounts("slow", ("way",)),),
    ),
)
