# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a report is concluded from: the evidence of this run, or that of several others together."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .._decide.decided import Decided
from .._plan.plan import Plan
from .._plan.slices import Run, View, merge
from .._store import runs
from .._store.evidence_files import EvidenceFiles
from .._store.json_files import EvidenceError, JsonFiles
from .._store.run_sources import clear_runs, keep_runs, read_runs
from .._values.times import iso


@dataclass(frozen=True)
class RunEvidence:
    """The plan, and what its hosts returned."""

    plan: Plan
    views: Sequence[View]
    started: str
    decided: Decided | None = None
    """What this run has decided by the same evidence before."""


def own(files: EvidenceFiles, keep: str) -> RunEvidence:
    """That of a run. ``keep``: of which flows it keeps all. EvidenceError, OSError."""
    plan, started = files.plan()
    known = files.take_decided(files.digest(plan, keep))
    return RunEvidence(plan, [View(plan.entries, files.answers(plan))], started, Decided.from_json(known) if known else None)


def merged(report_dir: Path, sources: Sequence[str]) -> RunEvidence:
    """That of the runs of other report directories and bundles; it is copied to this one. EvidenceError, OSError."""
    if not sources:
        raise EvidenceError("no reports of other runs are given to be merged: give their directories as merge_reports")
    if any(Path(source).resolve() == report_dir.resolve() for source in sources):
        raise EvidenceError(f"it is one of those to be merged: give the merged report a directory of its own, not {report_dir}")
    found = distinct([run for source in sources for run in read_runs(source)])
    identity = new_run()
    runs.take(report_dir, identity, iso(time.time()))
    evidence = report_dir / "evidence"
    clear_runs(evidence)
    JsonFiles(evidence).clear()
    keep_runs(evidence, found)
    together = merge(found, identity)
    return RunEvidence(together.plan, together.views, together.started)


def distinct(found: list[Run]) -> list[Run]:
    """The same, unless one run is given twice. EvidenceError."""
    known: dict[str, Run] = {}
    for run in found:
        other = known.setdefault(run.plan.run, run)
        if other is not run:
            raise EvidenceError(f"{other.source} and {run.source} both have the evidence of run {run.plan.run}: give one of them")
    return found


def new_run() -> str:
    """The identity of a run that begins now."""
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
