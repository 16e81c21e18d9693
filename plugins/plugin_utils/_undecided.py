# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What would decide, where the evidence did not: sentences for the report's ``undecided``."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.threeway.handshake.plugins.plugin_utils._case import FATES, Case, Finding
from ansible_collections.threeway.handshake.plugins.plugin_utils._causes._catalogue import Cause
from ansible_collections.threeway.handshake.plugins.plugin_utils._evidence import Host

# The fates whose packet came into a host, or was handed down by its TCP, and did not come out: the packet, and whether that is the client.
_VANISHED = {
    "unsent": ("SYN", True),
    "unanswered": ("SYN", False),
    "ignored_syn_ack": ("SYN-ACK", True),
    "ignored_ack": ("final ACK", False),
}
_ELSEWHERE = "recordings at further places on the way (the flow's via) would tell more"
_NEXT = {
    "reset": "a recording at the machine that has the address, and at those on the way (the flow's via), would tell who sent the RST",
    "icmp": "the machine that sent the error would tell why",
    "refused_locally": "the client's routing rules, firewall and security-module logs would tell",
    "reset_after": "the application's log at the server would tell",
    "late": "recordings at further places on the way (the flow's via) would tell where the time goes",
}


def undecided(answers: Sequence[tuple[Case, Sequence[tuple[Cause, Finding]]]], status: str, client: Host) -> list[str]:
    """What would decide, where the evidence did not."""
    if status == "ok":
        return []
    sentences: list[str] = []
    for case, explained in answers:
        if explained and explained[0][1].certainty != "proven":
            sentences += [sentence for _cause, finding in explained for sentence in finding.undecided]
        elif not explained and case.fate.kind != "completed":
            sentences.append(_would_decide(case))
    if not answers:
        sentences.append(f"no handshake was tried: {client.name} must be reachable for Ansible, with Python on it")
    return list(dict.fromkeys(sentences))


def _would_decide(case: Case) -> str:
    blind = [host.name for host in (case.client, case.server) if host is not None and not host.saw_everything]
    if blind:
        return f"a recording on {' and '.join(blind)} would tell how far the packets come: run with become"
    if case.server is None:
        return f"a recording at {case.address} would tell whether the SYN arrives: name the machine in the flow's servers if you manage it"
    inside = _VANISHED.get(case.fate.kind)
    if inside is not None:
        packet, at_client = inside
        where = case.client.name if at_client else case.server.name
        logs = "its firewall, tc, BPF and security-module logs would tell"
        return f"the {packet} vanishes inside {where}, and none of the known causes shows: {logs}"
    return f"{FATES[case.fate.kind]}, and none of the known causes shows: {_NEXT.get(case.fate.kind, _ELSEWHERE)}"
