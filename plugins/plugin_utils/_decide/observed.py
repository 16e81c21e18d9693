# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What an entry of the report says of its evidence: attempts, vantage points, clocks, and what could not be seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from .._model.host import Host
from .._model.probe_records import CAPTURED, Probe
from .._model.prose import unwrapped
from .._plan.plan import PHASES, Entry
from . import blocked
from .case import Case
from .causes.fronts import where_they_end
from .causes.further import contradictions
from .unasked import unasked
from .unreached import unreached


def attempts_document(probes: Sequence[Probe], whole: bool) -> dict[str, Any]:
    """What the client experienced; with ``whole`` of each attempt."""
    times = [probe.elapsed_ms for probe in probes if probe.connected and probe.elapsed_ms is not None]
    errors = Counter(_error(probe) for probe in probes if not probe.connected and probe.stage != CAPTURED)
    return {
        "attempts": len(probes),
        "connected": sum(probe.connected for probe in probes),
        "errors": dict(sorted(errors.items())),
        "connect_ms": round(median(times), 3) if times else None,
        "detail": [
            {
                "attempt": probe.attempt,
                "address": probe.address,
                "outcome": probe.outcome,
                "errno": probe.final_errno,
                "elapsed_ms": probe.elapsed_ms,
                "late_ms": probe.late_ms,
                "local_port": probe.local_port,
            }
            for probe in (probes[:100] if whole else ())
        ],
    }


def connected_document(elapsed_ms: Sequence[float]) -> dict[str, Any]:
    """The same of attempts that all connected, and how long they took."""
    count = len(elapsed_ms)
    return {"attempts": count, "connected": count, "errors": {}, "connect_ms": round(median(elapsed_ms), 3), "detail": []}


def _error(probe: Probe) -> str:
    """None is the error of an attempt that was still waiting, or of one whose error sshd did not report."""
    return probe.final_errno or ("ETIMEDOUT" if probe.outcome == "timeout" else "unknown")


def parties(entry: Entry) -> list[tuple[str, str]]:
    ends = [(entry.server, "server")] if entry.server and entry.server != entry.client else []
    return [(entry.client, "client"), *((via, "via") for via in entry.via), *ends]


_UNRECORDED = ("recording", "this host", *(f"phase {phase}" for phase in PHASES))  # absent parts without which there is no recording


def vantage_document(host: Host, role: str) -> dict[str, Any]:
    why = next((absence.why for absence in host.absent if absence.what in _UNRECORDED), None)
    return {"host": host.name, "role": role, "recorded": host.observations is not None, "why": unwrapped(host.incomplete or why)}


def clocks_document(cases: Sequence[Case]) -> dict[str, dict[str, float | None]]:
    """The tightest estimate of each host's clock against the client's."""
    clocks = [item for case in cases for attempt in case.attempts for item in attempt.clocks.items()]
    best = sorted(clocks, key=lambda item: float("inf") if item[1].error is None else item[1].error, reverse=True)
    return {
        host: {"offset_ms": round(clock.offset * 1000, 3), "error_ms": None if clock.error is None else round(clock.error * 1000, 3)}
        for host, clock in best
    }


def not_observed(hosts: Sequence[Host], status: str, explained: blocked.Answers) -> list[str]:
    """What could not be seen, where what was seen contradicts what was evaluated, and how far no packet of what is broken came."""
    absent = [f"{host.name}: {absence.what}: {absence.why}" for host in hosts for absence in host.absent]
    contradicted = [sentence for case, each in explained for sentence in contradictions(case, [finding for _cause, finding in each.causes])]
    ends = [sentence for case, _each in explained if (sentence := where_they_end(case))]
    further = [sentence for case, each in explained if status == "broken" and (sentence := unreached(case, each))]
    unwell = [(case, each.decisive[1] if each.decisive else None) for case, each in explained if status != "ok"]
    beside = [sentence for case, decisive in unwell for sentence in unasked(case, decisive, connects=status == "degraded")]
    return list(dict.fromkeys([*beside, *absent, *ends, *contradicted, *further]))
