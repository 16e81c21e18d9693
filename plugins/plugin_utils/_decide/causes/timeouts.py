# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""How long each side tries: the application, the client's kernel, the server's kernel."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._connect.schedule import syn_ack
from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Tcp, TcpFlags

from ..._model.host import Host
from ..._model.network_subjects import Late
from ..._values.words import plural
from .. import retries
from ..case import Case
from ..finding import Finding
from ..rows import Row
from ..timeline import Attempt
from .catalogue import Accounts, Cause
from .needs import SERVER, needs

_MODULUS = 1 << 32
_RETRIES = "net.ipv4.tcp_synack_retries"


def _syn_retries_too_low(case: Case) -> Finding | None:
    """The first SYN-ACK that the server sent arrives, and too late; after a lost one, a later one that arrives proves nothing."""
    late, lost = [], 0
    for attempt in case.subject:
        probe, waited = attempt.probe, (attempt.probe.elapsed_ms or 0.0) / 1000
        answers = [seen.time - probe.started for row in attempt.of("syn_ack") if (seen := row.at(case.client.name, "in"))]
        if probe.errno == "ETIMEDOUT" and waited < case.timeout - 0.05 and answers and min(answers) > waited:
            late.append((min(answers), waited, len(answers)))
            lost += not _first_answer_arrives(case, attempt)
    if not late:
        return None
    needed, waited, _count = min(late)
    retries = case.client.sysctl("net.ipv4.tcp_syn_retries")
    return Finding(
        "likely" if lost else "proven",
        case.client.name,
        "client.socket",
        f"{case.client.name} gives up after {waited:.2f} s (tcp_syn_retries={retries}), before the answer comes after {needed:.2f} s",
        (
            case.saw(case.client, "connect()", f"ETIMEDOUT after {waited * 1000:.0f} ms, {plural(len(late), 'attempt')}"),
            case.saw(case.client, "sysctl net.ipv4.tcp_syn_retries", str(retries)),
            case.saw(case.client, "capture", f"{plural(sum(count for *_times, count in late), 'SYN-ACK')} arrived all the same"),
            *(case.passage() if lost else ()),
        ),
        leg="syn_ack",
        detail={"waited_ms": round(waited * 1000, 1), "needed_ms": round(needed * 1000, 1)},
        undecided=("a recording of the first SYN-ACKs on both ends would distinguish a slow way from lost packets",) if lost else (),
        subject=Late(needed),
    )


def _first_answer_arrives(case: Case, attempt: Attempt) -> bool:
    """Whether the first SYN-ACK that the server sent is known to have come to the client."""
    sent = [(seen.time, row) for row in attempt.of("syn_ack") if case.server and (seen := row.at(case.server.name, "out"))]
    if not sent:
        return False
    _time, first = min(sent, key=lambda each: each[0])
    return first.at(case.client.name, "in") is not None


def _connect_timeout_too_short(case: Case) -> Finding | None:
    late = [probe.late_ms for probe in case.probes if probe.late_ms is not None and probe.late_errno is None]
    if case.outcome.kind not in ("late", "lost_syn") or not late:
        return None
    repeated = any((attempt.answered_transmission() or 1) > 1 for attempt in case.subject)
    why = "its first SYN was not answered" if repeated else "the way is that slow"
    seen = case.observation("syn_ack", case.client, "in")
    return Finding(
        "proven" if seen and not repeated else "likely",
        case.client.name,
        "client.socket",
        f"the application on {case.client.name} waits {case.timeout:g} s, the handshake takes {min(late) / 1000:.2f} s ({why})",
        (
            case.saw(case.client, "connect()", f"completed {min(late):.0f} ms after it began, the timeout is {case.timeout * 1000:.0f} ms"),
            *(
                [case.saw(case.client, "capture", f"the SYN-ACK arrived on {seen.interface} after the application had given up")]
                if seen
                else []
            ),
            *([case.saw(case.client, "retry schedule", _chances(case))] if repeated else []),
        ),
        leg="syn_ack",
        detail={"timeout_ms": case.timeout * 1000, "needed_ms": min(late), "retransmitted": repeated},
        subject=Late(min(late) / 1000),
    )


def _chances(case: Case) -> str:
    """How many SYNs the application waits for, by the client's kernel."""
    schedule = retries.syns((case.client.snapshot.sysctls if case.client.snapshot else None) or {})
    count = schedule.within(case.timeout)
    times = ", ".join(f"{moment:g}" for moment in schedule.sent[: count + 1])
    return f"SYNs are sent {times} s after the first one: a timeout of {case.timeout:g} s leaves room for {plural(count, 'SYN')}"


@needs(SERVER)
def _synack_retries_too_low(case: Case, server: Host) -> Finding | None:
    """The server forgets a half-open connection before the ACK comes, and answers that with an RST (reqsk_timer_handler())."""
    waits = [wait for attempt in case.attempts if (wait := _refused_late(server, attempt))]
    retries = server.sysctl(_RETRIES)
    if not waits or retries is None:
        return None
    try:
        schedule = syn_ack({_RETRIES: str(retries)})
    except DecodeError:
        return None
    # Whatever restarted its timer: without another SYN-ACK for so long, the half-open connection is gone.
    longest, unanswered = max(waits)
    if unanswered < schedule.gives_up - schedule.sent[-1]:
        return None
    return Finding(
        "proven" if longest >= schedule.gives_up else "likely",
        server.name,
        "server.backlog",
        f"{server.name} gives up after {schedule.gives_up:g} s (tcp_synack_retries={retries}), and the final ACK comes {longest:.2f} s "
        "after its SYN-ACK",
        (
            *case.passage(),
            case.saw(
                server,
                "capture",
                f"the ACK arrives {longest:.2f} s after the SYN-ACK, and an RST answers it, {plural(len(waits), 'attempt')}",
            ),
            case.saw(server, f"sysctl {_RETRIES}", f"{retries}: half-open connections are kept for {schedule.gives_up:g} s"),
        ),
        leg="ack",
        detail={"needed_s": round(longest, 3), "gives_up_s": schedule.gives_up, "retries": retries},
        subject=Late(longest),
    )


def _refused_late(server: Host, attempt: Attempt) -> tuple[float, float] | None:
    """How long after its first and its last SYN-ACK, in seconds, the ACK came that the server answered as one of no connection."""
    refused = {
        row.packet.tcp.seq
        for row in attempt.of("rst", "server")
        if row.packet.tcp and not row.packet.tcp.flags & TcpFlags.ACK and row.at(server.name, "out")
    }
    for row in attempt.of("ack", "client"):
        came, tcp = row.at(server.name, "in"), row.packet.tcp
        if came is None or tcp is None or tcp.ack not in refused:
            continue
        answers = [seen for answer in attempt.of("syn_ack") if (seen := answer.at(server.name, "out")) and _acknowledged(tcp, answer)]
        sent = [seen.time for seen in answers if seen.time < came.time]
        return (came.time - min(sent), came.time - max(sent)) if sent else None
    return None


def _acknowledged(ack: Tcp, answer: Row) -> bool:
    return answer.packet.tcp is not None and (answer.packet.tcp.seq + 1) % _MODULUS == ack.ack


CAUSES = (
    Cause(
        "connect_timeout_too_short",
        "The application gives up before the handshake can complete",
        ("client.socket",),
        ("late", "lost_syn"),
        "The SYN-ACK reaches the client after the flow's timeout, and no SYN was repeated. Where one was: likely.",
        "No SYN-ACK reaches the client.",
        rule=_connect_timeout_too_short,
        accounts_for=(Accounts("slow", anywhere=True, any_leg=True),),
    ),
    Cause(
        "syn_retries_too_low",
        "The kernel gives up before the answer comes",
        ("client.socket",),
        ("ignored_syn_ack", "lost_syn", "silent"),
        "connect() fails with ETIMEDOUT before the flow's timeout, and a SYN-ACK reaches the client later.",
        "No SYN-ACK ever reaches the client.",
        rule=_syn_retries_too_low,
        accounts_for=(Accounts("slow", anywhere=True, any_leg=True),),
    ),
    Cause(
        "synack_retries_too_low",
        "The server gives up before the final ACK comes",
        ("server.backlog",),
        ("reset_after", "ignored_ack"),
        "The final ACK reaches the server later after the SYN-ACK than tcp_synack_retries has it wait, and the server answers it with an "
        "RST, as one that belongs to no connection. Later than its last wait alone makes it likely.",
        "The ACK comes in time.",
        rule=_synack_retries_too_low,
        precedes=("application_closes",),
        accounts_for=(Accounts("slow", anywhere=True, any_leg=True),),
    ),
)
