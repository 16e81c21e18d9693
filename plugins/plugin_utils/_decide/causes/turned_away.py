# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the run's own attempts may have brought about: connections that are taken at first and turned away from some time on."""

from __future__ import annotations

from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from .catalogue import Cause
from .losses import beside_each_other

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
        undecided=("the same again after some minutes, with diagnose_attempts=1, would tell whether it is their number",),
    )


CAUSES = (
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
