# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Whether address translation on the way sends a case's SYN to another end than it was sent to."""

from __future__ import annotations

from .._model.host import Host
from .case import Case


def translated_on_the_way(case: Case) -> bool:
    """Whether rules of the client or of a managed host on the way, evaluated, send the SYN to another end, where recorders do not
    look for it."""
    return any(case.sent_on_by(host) for host in (case.client, *case.vias))


def surely_untranslated(case: Case) -> bool:
    """Whether the client and all managed hosts on the way are known to leave the SYN's end as it is."""
    return all(_leaves_end(case, host, "output" if host is case.client else "prerouting") for host in (case.client, *case.vias))


def sent_elsewhere(case: Case) -> tuple[str, int] | None:
    """Where the client's own recording has the SYNs of the handshakes go that are asked about, where that is not where it dialled, for each
    of them: whatever led them there did so ahead of the wire."""
    ends: set[tuple[str, int]] = set()
    for attempt in case.subject:
        sent = next((seen for row in attempt.of("syn") if (seen := row.at(case.client.name, "out"))), None)
        end = (sent.packet.dst, sent.packet.tcp.dport) if sent and sent.packet.tcp else None
        if end is None or end == (attempt.probe.address, attempt.probe.port):
            return None
        ends.add(end)
    return min(ends, default=None)


def _leaves_end(case: Case, host: Host, hook: str) -> bool:
    if host is case.client and sent_elsewhere(case):
        return False
    return rules_leave_end(case, host, hook)


def rules_leave_end(case: Case, host: Host, hook: str) -> bool:
    """Whether the host's rules, as far as they go, leave the SYN's end as it is."""
    if host.translates(hook) is False:
        return True
    asked = [verdict for verdict in host.verdicts.of_syns(case.sources_at(host), *case.end_at(host)) if verdict.of(case.uid)]
    evaluated = bool(asked) and all(verdict.accepts for verdict in asked)
    return evaluated and case.sent_on_by(host) is None


def led_away(case: Case) -> bool:
    """Whether such rules send it to an address that is neither the server's nor that of another managed host, which may forward it."""
    sent = [(host, case.sent_on_by(host)) for host in (case.client, *case.vias)]
    targets = [(host, verdict.rewritten.destination) for host, verdict in sent if verdict and verdict.rewritten]
    onward = [via for host, target in targets for via in case.vias if via is not host and via.owns(target)]
    if any(via.translates("prerouting") is not False for via in onward):
        return False
    return any(case.server_owns(target) is False for _host, target in targets)


def may_be_translated(case: Case) -> bool:
    """Whether a managed host on the way may send the SYN to a port that no recorder selects, and the server did accept connections."""
    unknown = any(via.translates("prerouting") is not False for via in case.vias)
    return translated_on_the_way(case) or (unknown and case.server is not None and case.server.delta("Tcp", "PassiveOpens") != 0)
