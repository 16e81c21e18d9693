# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Captures that a user brings become evidence: of the hosts where they were made, or of nameless points on the path (docs/captures.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._capture.selected import Selected, select

from .._plan.captured import aligned, attempts, common_time, covering, recording
from .._plan.captures import PHASE, CaptureFile
from .._plan.plan import Plan
from .._store.evidence_files import EvidenceFiles


def keep(files: EvidenceFiles, plan: Plan, started: str, captures: Sequence[CaptureFile], only: bool) -> Plan:
    """Write the evidence of captures, and return the plan with the points on the path that they add. CaptureError, EvidenceError, OSError.

    `only`: no host was asked, and the captures' own handshakes are the attempts.
    """
    ports = {entry.port for entry in plan.entries}
    clients = {entry.client for entry in plan.entries}
    read = [(each, select(each.path, ports, ())) for each in sorted(captures, key=lambda each: each.host not in clients)]
    by_host: dict[str, list[tuple[CaptureFile, Selected]]] = defaultdict(list)
    for capture, selected in read:
        by_host[capture.host or capture.point].append((capture, selected))
    points = [name for name in by_host if name not in plan.parties()]
    plan = replace(plan, entries=tuple(_with_points(entry, points) for entry in plan.entries))
    by_one_clock = aligned(read)
    window = common_time(by_one_clock)
    probes = attempts(plan, by_one_clock, window) if only else {}
    for host in sorted({*plan.parties(), *by_host} if only else by_host):
        evidence: dict[str, Any] = {"absent": []}
        if host in by_host:
            evidence = recording(host, by_host[host], plan, None if only and not covering(by_host[host], window) else window)
        if only:
            evidence["probes"] = probes.get(host, [])
            _say_what_is_missing(evidence, host in by_host, host in {entry.client for entry in plan.entries})
        files.keep(host, PHASE, evidence)
    files.keep_plan(plan, started)
    return plan


def _with_points(entry: Any, points: Sequence[str]) -> Any:
    """A point on the path is known to lie between client and server, but not on which side of hosts on the way or of other points."""
    return entry if entry.via or len(points) != 1 else replace(entry, via=(points[0],))


def _say_what_is_missing(evidence: dict[str, Any], captured: bool, client: bool) -> None:
    if not captured:
        evidence["absent"].append({"what": "recording", "why": "the diagnosis goes by captures only, and none of them is of this host"})
    if client and not evidence["probes"]:
        evidence["absent"].append({"what": "probes", "why": "the captures have no SYN of its flows"})
