# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Where the controller keeps a remediation: what is to be done on each host, the outcome, and a journal that outlives the run."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._report import document
from . import directories
from .json_files import EvidenceError, JsonFiles, host_file

_STATE = "state.json"
_VERDICTS = "verdicts.json"
BEFORE = "before"


class RemediationFiles(JsonFiles):
    """The directory C(remediate) in a report directory, and C(remediate.jsonl) beside it."""

    def __init__(self, report_dir: str) -> None:
        self.report_dir = Path(report_dir)
        super().__init__(self.report_dir / "remediate")

    def begin(self) -> None:
        """Nothing of an earlier run stays but the journal. OSError."""
        self.clear()
        with directories.private(self.directory) as directory:
            for name in os.listdir(directory):
                if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                    shutil.rmtree(self.directory / name)

    def state(self, run: str | None = None) -> dict[str, Any]:
        """What is known between the steps of a run. EvidenceError, also where it is another run's."""
        found = self.read(_STATE)
        if run is not None and found.get("run") != run:
            raise EvidenceError(f"another run uses {self.report_dir} at the same time: give each a remediate_report_dir of its own")
        return found

    def keep_state(self, state: Mapping[str, Any]) -> None:
        self.write(_STATE, state)

    def keep_host(self, host: str, what: str, content: Mapping[str, Any]) -> None:
        """Write an C(order), or what a host made of it: C(preview), C(applied) or C(settled)."""
        self.write(host_file(host, what), content)

    def of_host(self, host: str, what: str, turn: int) -> dict[str, Any] | None:
        """What was kept for a host in this turn. EvidenceError."""
        found = self.read_if_there(host_file(host, what))
        return found if found is not None and found.get("turn") == turn else None

    def keep_verdicts(self, turn: int, verdicts: Mapping[str, Mapping[str, Any]]) -> None:
        """Write what is to happen to each host's changes."""
        self.write(_VERDICTS, {"turn": turn, "hosts": verdicts})

    def verdicts(self, turn: int) -> dict[str, Any]:
        """What `keep_verdicts` wrote in this turn; {} where the run did not get so far. EvidenceError."""
        found = self.read_if_there(_VERDICTS) or {}
        return dict(found["hosts"]) if found.get("turn") == turn else {}

    def turn_dir(self, name: str) -> str:
        """The report directory of a diagnosis in between."""
        return str(self.directory / name)

    def keep_report(self, name: str, report: Mapping[str, Any]) -> None:
        """Write the report of a diagnosis in between. OSError."""
        with directories.private(self.directory / name, make=True) as directory:
            directories.replace(directory, "report.json", document.render(report).encode("utf-8"))

    def report(self, name: str) -> dict[str, Any]:
        """The report of a diagnosis in between. EvidenceError, OSError."""
        return JsonFiles(self.directory / name).read("report.json")

    def note(self, run: str, step: str, **about: Any) -> None:
        """Add a line to the journal; it is on the disk when this returns. OSError."""
        line = json.dumps({"time": round(time.time(), 3), "run": run, "step": step, **about}) + "\n"
        with directories.private(self.report_dir) as directory:
            journal = os.open(
                "remediate.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory
            )
            try:
                os.write(journal, line.encode("ascii"))
                os.fsync(journal)
            finally:
                os.close(journal)
