# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Handshakes that complete, altered or slowly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.threeway.handshake.plugins.module_utils._wire.tcp_options import TcpOptions

from ..._model.host import Host
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from .catalogue import Accounts, Cause
from .needs import SERVER, needs


@needs(SERVER)
def _option_altered(case: Case, server: Host) -> Finding | None:
    """On either way, of the SYN and of the SYN-ACK: what is called normal is only remarked."""
    ways = {"syn": (case.client, server), "syn_ack": (server, case.client)}
    found = [(kind, *altered) for kind, (here, there) in ways.items() if (altered := _altered(case, kind, here, there))]
    if not found:
        return None
    kind, number, changes = max(found, key=lambda each: bool(_wrong(case, each[2])))
    wrong = _wrong(case, changes)
    changed = ", ".join(change.text for change in wrong or changes)
    packet = "SYN" if kind == "syn" else "SYN-ACK"
    ends = f"between {case.client.name} and {server.name}"
    return Finding(
        "proven",
        "path",
        "path.forward" if kind == "syn" else "path.return",
        f"the {packet}'s options are altered {ends}: {changed}" + ("" if wrong else ", as is normal on the way (diagnose_normal)"),
        (Evidence("path", "captures", f"the same {packet} (ISN {number}): {', '.join(change.text for change in changes)}"),),
        detail={"changes": [change.text for change in changes], "kinds": [change.kind for change in changes]},
        remark=not wrong,
    )


def _wrong(case: Case, changes: Sequence[_Change]) -> list[_Change]:
    return [change for change in changes if change.kind not in case.normal]


class _Change(NamedTuple):
    kind: str
    """Of ALTERATIONS, or of what may never be altered."""
    text: str


def _altered(case: Case, kind: str, here: Host, there: Host) -> tuple[int, list[_Change]] | None:
    """The number of the first packet of a kind that was altered on its way, and how: what is wrong stands before what is normal."""
    found = []
    for row in case.rows(kind):
        sent, got = row.at(here.name, "out"), row.at(there.name, "in")
        if not (sent and got and sent.packet.tcp and got.packet.tcp):
            continue
        if kind == "syn_ack" and sent.packet.tcp.seq != got.packet.tcp.seq:
            continue  # of another sender, which answers in the server's place
        if changes := _changes(sent.packet.tcp.options, got.packet.tcp.options, case.family):
            found.append((sent.packet.tcp.seq, changes))
    return max(found, key=lambda each: bool(_wrong(case, each[1])), default=None)


_LEAST_MTU = 1280  # what IPv6 demands of every link (RFC 8200, 5), and tunnels fall back to
_HEADERS = {4: 40, 6: 60}


def _changes(sent: TcpOptions, got: TcpOptions, family: int) -> list[_Change]:
    changes = []
    if sent.mss != got.mss:
        lowered = sent.mss is not None and got.mss is not None and _LEAST_MTU - _HEADERS[family] <= got.mss < sent.mss
        changes.append(_Change("mss_lowered" if lowered else "mss_changed", f"MSS {sent.mss} -> {got.mss}"))
    others = {
        "wscale": ("window_scale_changed", "window scale"),
        "sack_permitted": ("sack_changed", "SACK"),
        "fast_open": ("fast_open_changed", "Fast Open"),
        "md5": ("md5_changed", "MD5"),
        "ao": ("ao_changed", "TCP-AO"),
    }
    for name, (kind, label) in others.items():
        if getattr(sent, name) != getattr(got, name):
            changes.append(_Change(kind, f"{label} {getattr(sent, name)} -> {getattr(got, name)}"))
    if (sent.timestamps is None) != (got.timestamps is None):
        changes.append(_Change("timestamps_changed", "timestamps " + ("added" if sent.timestamps is None else "removed")))
    return changes


@needs(SERVER)
def _sequence_rewritten(case: Case, server: Host) -> Finding | None:
    for row in case.rows("syn"):
        sent, got = row.at(case.client.name, "out"), row.at(server.name, "in")
        if sent and got and sent.packet.tcp and got.packet.tcp and sent.packet.tcp.seq != got.packet.tcp.seq:
            return Finding(
                "proven",
                "path",
                "path.forward",
                f"something between {case.client.name} and {server.name} rewrites sequence numbers",
                (
                    Evidence(
                        "path",
                        "captures",
                        f"the same SYN has ISN {sent.packet.tcp.seq} at {case.client.name} and {got.packet.tcp.seq} at {server.name}",
                    ),
                ),
                remark="sequence_rewritten" in case.normal,
            )
    return None


def _path_slow(case: Case) -> Finding | None:
    times = sorted(probe.elapsed_ms for probe in case.probes if probe.connected and probe.elapsed_ms is not None)
    once = case.client.saw_everything and all(len(a.of("syn")) == 1 or a.answered_transmission() == 1 for a in case.attempts)
    if not once or not times:
        return None
    middle, inside, outside = times[len(times) // 2], _answer_ms(case), _spans(case, case.client, "out", "in")
    # What connect() takes longer than the packets, the client itself takes: its queues, say, or its load.
    if not outside or outside[len(outside) // 2] - (inside or 0.0) < slow_ms(case.timeout):
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


def slow_ms(timeout: float) -> float:
    """From how many ms on a handshake is slow for an application that waits ``timeout`` seconds: half of that, or of two seconds."""
    return 500 * min(timeout, 2.0)


@needs(SERVER)
def _answer_ms(case: Case, server: Host) -> float | None:
    """How long the server took at most to answer a SYN, by its own recording; ``None`` without one."""
    return max(_spans(case, server, "in", "out"), default=None) if server.saw_everything else None


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
        "The options of the handshake are altered on the way",
        ("path.forward", "path.return"),
        ("completed",),
        "The same SYN, or SYN-ACK, has other options where it arrives than where it was sent. What diagnose_normal names is a remark only, "
        "which by default is an MSS that was lowered to what an MTU of 1280 or more leaves room for.",
        "The options are the same.",
        rule=_option_altered,
        accounts_for=(Accounts("altered", ("mss", "wscale", "sack_permitted", "md5", "ao", "fast_open", "timestamps"), any_leg=True),),
    ),
    Cause(
        "sequence_rewritten",
        "Sequence numbers are rewritten on the way",
        ("path.forward",),
        ("completed",),
        "The same SYN has another ISN at the server than at the client.",
        "The ISN is the same.",
        rule=_sequence_rewritten,
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
        rule=_path_slow,
        accounts_for=(Accounts("slow", ("way",)),),
    ),
)
