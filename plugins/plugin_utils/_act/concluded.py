# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The reports that a remediation goes by: that of a diagnosis, and with it the drift report of the same run, where there is one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._decide.verdict import decide
from .._remediate.interrupted import changes
from .._remediate.run import Remediation
from .._store.evidence_files import EvidenceFiles
from .._store.json_files import JsonFiles
from .._store.remediation_files import BEFORE, RemediationFiles
from .._values.times import iso


def reported(report_dir: Path) -> dict[str, Any]:
    """The report in a report directory. EvidenceError, OSError."""
    return _with_drift(JsonFiles(report_dir).read("report.json"), report_dir)


def concluded(files: RemediationFiles, name: str) -> dict[str, Any]:
    """That of a diagnosis in between, which nobody is shown: as it was kept, or else from its evidence. EvidenceError, OSError."""
    try:
        return files.report(name)
    except FileNotFoundError:
        evidence = EvidenceFiles(files.turn_dir(name), files.report(BEFORE)["run"])
        plan, started = evidence.plan()
        finished = iso(time.time())
        report = decide(plan, evidence.answers(plan), started, finished).report
        files.keep_report(name, _with_drift(report, evidence.report_dir))
        return files.report(name)


def interrupted(report_dir: Path, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The outcomes of the changes of a run that was interrupted; [] where it had begun none. EvidenceError, OSError."""
    files = RemediationFiles(str(report_dir))
    try:
        remediation = Remediation.from_json(files.state())
    except FileNotFoundError:
        return []
    if not remediation.run.startswith(f"{report['run']}-"):
        return []

    def of_batch(what: str) -> dict[str, dict[str, Any]]:
        found = {host: files.of_host(host, what, remediation.turn) for host in remediation.batch}
        return {host: each for host, each in found.items() if each}

    return changes(remediation, report, of_batch("applied"), of_batch("settled"), time.time())


def _with_drift(report: Mapping[str, Any], report_dir: Path) -> dict[str, Any]:
    drift = JsonFiles(report_dir).read_if_there("drift.json")
    return {**report, "drift": drift} if drift and drift.get("run") == report["run"] else dict(report)
