# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A bundle: the evidence of a report with other names and addresses, and the report that is decided from it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._bundle.compare import differing
from .._bundle.evidence import pseudonymous, pseudonyms_for
from .._decide.verdict import decide_views
from .._plan.slices import Run, merge
from .._show.forms import Forms
from .._store import directories
from .._store.run_sources import bundle, documents, read_runs
from .._values.times import moment
from .merging import new_run

_FOR_PEOPLE = ("report.json", "report.html", "report.md")


@dataclass(frozen=True)
class Bundled:
    """What was made."""

    content: bytes
    counts: dict[str, int]
    differing: list[str]
    """The flows, by their identity in the original, that are decided otherwise from the bundle."""


def bundled(report_dir: Path, finished: str) -> Bundled:
    """The bundle of a report directory. EvidenceError, OSError."""
    runs = read_runs(report_dir)
    pseudonyms = pseudonyms_for(runs, secrets.token_bytes(32))
    others = [pseudonymous(run, pseudonyms) for run in runs]
    identity = new_run()
    report = _decided(others, identity, finished)
    files = {
        f"evidence/{run.plan.run}/{name}": json.dumps(document).encode("ascii")
        for run in others
        for name, document in documents(run).items()
    }
    files.update((name, b"".join(content)) for name, content in Forms(report) if name in _FOR_PEOPLE and content is not None)
    time = moment(finished)
    packed = bundle(files, int(time.timestamp()) if time else 0)
    return Bundled(packed, report["summary"], differing(_decided(runs, identity, finished), report, pseudonyms))


def keep(file: Path, content: bytes) -> None:
    """Write a bundle, readable by its owner only. OSError."""
    with directories.any_owner(file.parent) as directory:
        directories.replace(directory, file.name, content, durable=True)


def _decided(runs: Sequence[Run], identity: str, finished: str) -> dict[str, Any]:
    merged = merge(runs, identity)
    return decide_views(merged.plan, merged.views, merged.started, finished, keep_all=False).report
