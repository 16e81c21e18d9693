# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What would decide, where the evidence did not: sentences for the report's ``undecided``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._model.host import Host
from .._model.prose import Prose, Wording
from . import causes
from .case import Case
from .causes.listener_options import signed_session
from .explain import Explanation
from .outcome import OUTCOMES

# Outcomes whose packet came into a host, or was handed down by its TCP, and did not come out: the packet, and whether that is the client.
_VANISHED = {
    "unsent": ("SYN", True),
    "unanswered": ("SYN", False),
    "ignored_syn_ack": ("SYN-ACK", True),
    "ignored_ack": ("final ACK", False),
}
_ELSEWHERE = "recordings at further places on the way (the flow's via) would show more"
_NEXT = {
    "reset": "a recording at the machine that has the address, and at those on the way (the flow's via), would show who sent the RST",
    "icmp": "the machine that sent the error would show why",
    "refused_locally": "the client's routing rules, firewall and security-module logs would show why",
    "reset_after": "the application's log at the server would show why",
    "late": "recordings at further places on the way (the flow's via) would show where the time goes",
}


def undecided(answers: Sequence[tuple[Case, Explanation]], status: str, client: Host, user: str | None = None) -> list[Wording]:
    """What would decide, where the evidence did not."""
    if status == "ok":
        return []
    sentences: list[Wording] = []
    for case, explained in answers:
        if explained.decisive and explained.decisive[1].certainty != "proven":
            sentences += [sentence for _cause, finding in explained.causes for sentence in finding.undecided]
        elif not explained.causes and case.outcome.kind != "completed":
            sentences += [Prose(_would_decide(case)), *map(Prose, _could_not_see(case))]
    if not answers:
        sentences.append(Prose(_untried(client, user)))
    return list(dict.fromkeys(sentences))


def _untried(client: Host, user: str | None) -> str:
    if client.gap:
        return f"no handshake was tried, because {client.name} {client.gap.phrase}: {client.gap.remedy}"
    parts = ("probes", f"probes as user {user}")
    why = next((absence.why for absence in client.absent if absence.what in parts), None)
    return f"no handshake was tried: {client.name} reported none" + (f" ({why})" if why else "")


def _blind(host: Host) -> str:
    """Why there is no whole recording of a host, and what to do about it."""
    if host.incomplete:
        return f"that of {host.name} is not whole ({host.incomplete})"
    if host.gap:
        return f"{host.name} {host.gap.phrase}: {host.gap.remedy}"
    if host.snapshot and host.snapshot.root is False:
        return f"run with become as root on {host.name}"
    why = next((absence.why for absence in host.absent if absence.what == "recording"), None)
    return f"{host.name} did not record" + (f" ({why})" if why else ", set diagnose_record")


def _could_not_see(case: Case) -> Iterator[str]:
    """The parts that causes of such an outcome need, and that a host did not return although it returned others."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for cause in causes.CATALOGUE:
        for part in cause.parts if case.outcome.kind in cause.outcomes else ():
            host = part.lacking(case)
            if host is not None and host.snapshot is not None and part.part != "recording":
                lacking.setdefault((host.name, part.part), []).append(cause.code)
    for (name, what), codes in lacking.items():
        yield f"could not see the {what} of {name}: without them, causes such as {', '.join(sorted(codes)[:5])} cannot be determined"


def _would_decide(case: Case) -> str:
    blind = [host for host in (case.client, case.server) if host is not None and not host.saw_everything]
    if blind:
        names = " and ".join(host.name for host in blind)
        return f"a recording on {names} would show how far the packets come: {'; '.join(dict.fromkeys(map(_blind, blind)))}"
    if case.server is None:
        return f"a recording at {case.address} would show whether the SYN arrives: name the machine in the flow's servers if you manage it"
    if session := signed_session(case):
        return (
            f"only signed connections are taken on port {case.port} of {case.server.name}, and the probe cannot sign: the one between "
            f"{session.local} and {session.remote} is established, so that the peers' own handshake works"
        )
    if case.outcome.kind == "ignored_ack" and not case.hears(case.server, "in"):
        return f"{case.server.name} waits for the final ACK on a port of which none is recorded: {_ELSEWHERE}"
    inside = _VANISHED.get(case.outcome.kind)
    if inside is not None:
        packet, at_client = inside
        where = case.client.name if at_client else case.server.name
        logs = "its firewall, tc, BPF and security-module logs would show it"
        return f"the {packet} vanishes inside {where}, and none of the known causes shows: {logs}"
    return f"{OUTCOMES[case.outcome.kind]}, and none of the known causes shows: {_NEXT.get(case.outcome.kind, _ELSEWHERE)}"
