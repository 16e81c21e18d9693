# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The evidence of other runs, in report directories and in bundles: whoever wrote it may be hostile, so all of it is bounded and typed.

A directory `evidence` has the files of one run, or a directory for each of several, named by its run.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from .._model.records import RecordError
from .._plan.captures import PHASE as CAPTURE
from .._plan.plan import FOLLOW_UP, PHASES, Plan
from .._plan.read import read_answer, read_plan
from .._plan.slices import Run
from .._values.bounds import Bounds, bounds_of
from . import directories
from .json_files import EvidenceError, JsonFiles, host_file

PLAN = "plan.json"
MOST_RUNS = 200
MOST_FILES = 100_000
MOST_BYTES = 2 << 30
_MOST_TRIED = 40
"""Attempts of a dial, for what its client may return; those who asked for more have fewer dials."""
_TOP = "evidence"

Files = Mapping[str, bytes]
"""Content by file name, of one run."""


def read_runs(source: Path | str) -> list[Run]:
    """The runs whose evidence a report directory or a bundle has. EvidenceError, OSError."""
    path = Path(source)
    is_directory = path.is_dir()
    if is_directory and not (path / _TOP).exists():
        raise EvidenceError(f"{path} has no directory {_TOP}: give a report directory, or what report_bundle has written")
    found = _of_directory(path / _TOP) if is_directory else _of_bundle(path)
    runs = [_run(files, str(path)) for _name, files in sorted(found.items()) if PLAN in files]
    if not runs:
        raise EvidenceError(f"{path} has no evidence of a run: give a report directory, or what report_bundle has written")
    return runs


def keep_runs(evidence_dir: Path, runs: list[Run]) -> None:
    """Write the evidence of runs into the directory of another one, which is clear of others. OSError."""
    for run in runs:
        files = JsonFiles(evidence_dir / run.plan.run)
        files.clear()
        for name, content in documents(run).items():
            files.write(name, content)


def documents(run: Run) -> dict[str, dict[str, Any]]:
    """The files of a run, by name."""
    phases = {host: list(answers) for host, answers in run.answers.items()}
    plan = {"started": run.started, "controller": run.controller, "phases": phases, **run.plan.to_json()}
    answers = {host_file(host, phase): dict(answer) for host, by_phase in run.answers.items() for phase, answer in by_phase.items()}
    return {PLAN: plan, **answers}


def clear_runs(evidence_dir: Path) -> None:
    """Remove what `keep_runs` has written. OSError."""
    try:
        with directories.private(evidence_dir) as directory:
            names = [name for name in os.listdir(directory) if not name.endswith(".json")]
    except FileNotFoundError:
        return
    for name in names:
        if (evidence_dir / name / PLAN).is_file() and not (evidence_dir / name).is_symlink():
            JsonFiles(evidence_dir / name).clear()
            os.rmdir(evidence_dir / name)


def _run(files: Files, source: str) -> Run:
    try:
        plan, started, controller = read_plan(_document(files[PLAN], Bounds(MOST_BYTES, 10_000_000, 10)))
    except RecordError as error:
        raise EvidenceError(f"{source} cannot be read: {error}") from error
    answers: dict[str, dict[str, dict[str, Any]]] = {}
    for host in sorted(plan.parties()):
        bounds = _bounds(plan, host)
        for phase in (*PHASES, *FOLLOW_UP, CAPTURE):
            content = files.get(host_file(host, phase))
            if content is not None:
                answers.setdefault(host, {})[phase] = _answer(content, bounds, plan.run, host, phase)
    return Run(plan=plan, started=started, controller=controller, source=source, answers=answers)


def _answer(content: bytes, bounds: Bounds, run: str, host: str, phase: str) -> dict[str, Any]:
    """What cannot be read costs that host's part only."""
    try:
        return read_answer(_document(content, bounds), run, host, phase)
    except RecordError as error:
        heading = {"run": run, "host": host, "phase": phase, "seconds": 0.0, "at": None, "controller": ""}
        return {**heading, "failure": {"kind": "malformed", "message": str(error)}, "evidence": None}


def _bounds(plan: Plan, host: str) -> Bounds:
    dials = sum(entry.client == host for entry in plan.entries)
    pairs = sum(host in (entry.server, *entry.via) for entry in plan.entries)
    return bounds_of({"dials": [{"attempts": _MOST_TRIED}] * dials, "pairs": [None] * pairs})


def _document(content: bytes, bounds: Bounds) -> dict[str, Any]:
    """RecordError."""
    try:
        text = content.decode("utf-8")
        if why := bounds.exceeded_by(text):
            raise RecordError(why)
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"it is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise RecordError("it is not what this collection writes")
    return found


class _Budget:
    """How much may still be read of a source."""

    def __init__(self, source: Path) -> None:
        self.source, self.files, self.bytes = source, MOST_FILES, MOST_BYTES

    def take(self, size: int) -> None:
        """EvidenceError."""
        self.files, self.bytes = self.files - 1, self.bytes - size
        if self.files < 0 or self.bytes < 0:
            raise EvidenceError(f"{self.source} has more than {MOST_FILES} files or {MOST_BYTES} bytes of evidence, and cannot be read")


def _of_directory(evidence: Path) -> dict[str, Files]:
    budget = _Budget(evidence)
    with directories.any_owner(evidence) as directory:
        names = sorted(os.listdir(directory))
    if PLAN in names:
        return {"": _files(evidence, names, budget)}
    inner = [name for name in names if not name.endswith(".json") and (evidence / name).is_dir() and not (evidence / name).is_symlink()]
    return {name: _files(evidence / name, sorted(os.listdir(evidence / name)), budget) for name in inner[:MOST_RUNS]}


def _files(path: Path, names: list[str], budget: _Budget) -> Files:
    found = {}
    with directories.any_owner(path) as directory:
        for name in names:
            if name.endswith(".json"):
                found[name] = directories.read(directory, name, budget.bytes)
                budget.take(len(found[name]))
    return found


def _of_bundle(path: Path) -> dict[str, Files]:
    budget = _Budget(path)
    found: dict[str, dict[str, bytes]] = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                budget.take(member.size)
                parts = PurePosixPath(member.name).parts
                if member.isreg() and len(parts) == 3 and parts[0] == _TOP and parts[2].endswith(".json"):
                    content = archive.extractfile(member)
                    found.setdefault(parts[1], {})[parts[2]] = content.read() if content else b""
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise EvidenceError(f"{path} is no bundle of this collection: {error}") from error
    return dict(sorted(found.items())[:MOST_RUNS])


def bundle(files: Mapping[str, bytes], time: int) -> bytes:
    """Files as one compressed archive, with nothing in it of who made it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), time, 0o600
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
