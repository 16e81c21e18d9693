# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the run's own attempts may have brought about: connections that are taken at first and turned away from some time on."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.socket_subjects import Refusal
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from ..logged import ours
from .catalogue import Accounts, Cause
from .listener_names import process_of
from .losses import beside_each_other
from .needs import SERVER, needs

_REFUSED = ("reset", "reset_after", "icmp")
_CHANCE = 0.1


def _turned_away(case: Case) -> Finding | None:
    """All attempts are taken until one of them is not, and from then on none is."""
    ends = zip((probe.started for probe in case.probes), (outcome.completed for outcome in case.outcomes), strict=True)
    taken = [completed for _time, completed in sorted(ends)]
    first = taken.index(False) if False in taken else 0
    if not first or any(taken[first:]) or len(taken) - first < 2:
        return None
    refused = case.outcome.kind in _REFUSED
    host = case.server.name if case.server else "path"
    return Finding(
        "likely" if refused and beside_each_other(taken) <= _CHANCE else "possible",
        host,
        "server.application",
        f"{case.target} takes the first {plural(first, 'connection')} of this run and none of the {len(taken) - first} after "
        f"{'it' if first == 1 else 'them'}: our own attempts may have caused it, where silent connections are counted (max_connect_errors, "
        "PerSourcePenalties, fail2ban, start limits)",
        (case.saw(case.client, "connect()", f"in the order of time: {first} completed, then {len(taken) - first} did not"),),
        detail={"taken": first, "turned_away": len(taken) - first},
        undecided=("the same again after some minutes, with diagnose_attempts=1, would show whether it is their number",),
    )


_REASONS = {
    "max_startups": "more connections are waiting for authentication than its MaxStartups lets in",
    "penalty": "of what came from that address before (PerSourcePenalties)",
    "tcp_wrappers": "TCP wrappers refuse the client (/etc/hosts.allow, /etc/hosts.deny)",
}


@needs(SERVER)
def _service_refuses(case: Case, server: Host) -> Finding | None:
    """The kernel made the connections, and the service that took them ended them, which its own log says."""
    unused = [
        probe for probe in case.probes if probe.connected and (probe.ended or (probe.awaited_ms is not None and probe.peer == "open"))
    ]
    said = [record for record in ours(case, server, "turned_away") if record.state in _REASONS]
    if not said or not unused:
        return None
    listener, why = case.listener(), said[0].state or ""
    return Finding(
        "proven" if len(said) >= len(unused) == len(case.probes) else "likely",
        server.name,
        "server.application",
        f"{process_of(listener) if listener and listener.processes else server.name} takes the connections to {case.target} and turns them "
        f"away, since {_REASONS[why]}",
        (case.saw(case.client, "probe", f"{plural(len(unused), 'connection')} of {len(case.probes)} of no use"), *case.passage()),
        detail={"why": why, "lines": len(said), "unused": len(unused)},
        subject=Refusal(why, said[0].process),
    )


CAUSES = (
    Cause(
        "service_refuses",
        "The service turns the client away",
        ("server.application",),
        ("completed", "reset_after"),
        "The journal has a line of the very service for each connection of the flow: by both ends, that sshd drops it (MaxStartups, "
        "PerSourcePenalties), or by the client's address, that TCP wrappers refuse it; and no connection is of use. For some: likely.",
        "A connection is of use.",
        rule=_service_refuses,
        precedes=("application_hangs_up", "application_silent", "application_closes"),
        accounts_for=(Accounts("closed_unused", any_leg=True),),
    ),
    Cause(
        "turned_away",
        "Connections are turned away after the first ones, perhaps for our own attempts",
        ("server.application",),
        ("reset", "reset_after", "icmp", "unanswered", "lost_syn", "lost_syn_ack", "ignored_ack", "silent"),
        "Not provable: the first attempts complete, and none of the later ones does. Likely where they are refused, and chance has it so "
        "one time in ten at most.",
        "An attempt completes behind one that does not.",
        rule=_turned_away,
        precedes=("application_closes",),
    ),
)
