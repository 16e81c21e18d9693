# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Reads a report, and puts one into its directory: every file whole or not at all, readable by its owner only."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .._report.document import SCHEMA
from .._report.read import view
from .._values.text import file_name
from . import directories
from .json_files import EvidenceError, JsonFiles


def read(path: Path | str) -> tuple[Path, dict[str, Any]]:
    """The path and the document of a report, given the file or its directory. EvidenceError, OSError."""
    file = Path(path)
    file = file / "report.json" if file.is_dir() else file
    real = file.resolve()
    report = JsonFiles(real.parent, shared=True).read(real.name)
    if report.get("schema") != SCHEMA:
        raise EvidenceError(f"its schema is {str(report.get('schema'))[:80]!r}, where a report of this collection has {SCHEMA}")
    return file, report


def write(report_dir: Path | str, files: Iterable[tuple[str, Sequence[bytes] | None]], captures: Mapping[str, bytes]) -> list[Path]:
    """Write the files of a report, in parts, and its captures (flow id -> pcapng); return which were written.

    The directory is made 0700 where it does not exist; files are 0600. A file of that name is replaced in one step, so that
    a reader sees the old one or the new one. Of the report that was there before, files that are None now are removed, and captures that
    are not replaced: what lies beside a report belongs to it. OSError where the directory cannot be written to, or not by us alone.
    """
    top = Path(report_dir)
    written = []
    kept = {f"{file_name(flow)}.pcapng": capture for flow, capture in captures.items()}
    with directories.private(top, make=True) as directory:
        outdated = _captures_of(directory) - kept.keys() if (top / "captures").is_dir() else set()
        for name, content in files:
            if content is None:
                _remove(directory, name)
            else:
                directories.replace(directory, name, content, durable=True)
                written.append(top / name)
    if kept or outdated:
        with directories.private(top / "captures", make=True) as directory:
            for name, capture in kept.items():
                directories.replace(directory, name, capture, durable=True)
                written.append(top / "captures" / name)
            for name in outdated:
                _remove(directory, name)
    return written


def publish(path: Path | str, content: bytes) -> None:
    """Replace a file that everybody may read, in a directory of any owner, in one step. OSError."""
    file = Path(path)
    with directories.any_owner(file.parent) as directory:
        directories.replace(directory, file.name, content, mode=0o644)


def _remove(directory: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def _captures_of(directory: int) -> set[str]:
    """The capture files that a report written earlier may have beside it."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        earlier = json.loads(directories.read(directory, "report.json"))
        if isinstance(earlier, dict):
            return {f"{file_name(flow.id)}.pcapng" for flow in view(earlier).flows}
    return set()
