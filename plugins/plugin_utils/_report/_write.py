# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Puts a report into its directory: every file whole or not at all, readable by its owner only."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .. import _directories
from . import _html, _json, _junit, _markdown, _metrics
from ._render import rendered
from ._text import file_name
from ._view import view


@dataclass(frozen=True)
class Written:
    """The files of a report, report.json first, and sentences about what a fault of ours keeps out of them."""

    files: list[Path]
    faults: list[str]


def write(report_dir: Path | str, report: Mapping[str, Any], captures: Mapping[str, bytes]) -> Written:
    """Write every format of the report and the captures (flow id -> pcapng).

    The directory is made 0700 where it does not exist; files are 0600. A file of that name is replaced in one step, so that
    a reader sees the old one or the new one. Captures of the report that was there before are removed unless they are replaced:
    a capture beside a report belongs to it. OSError where the directory cannot be written to, or not by us alone.
    """
    top = Path(report_dir)
    forms: dict[str, Callable[[Mapping[str, object]], str | bytes]] = {
        "report.json": _json.render,
        "report.html": partial(_html.render, captures=captures),
        "report.md": _markdown.render,
        "junit.xml": _junit.render,
        "metrics.prom": _metrics.render,
    }
    done = Written([], [])
    files = {f"{file_name(flow)}.pcapng": capture for flow, capture in captures.items()}
    with _directories.private(top, make=True) as directory:
        outdated = _captures_of(directory) - files.keys()
        for name, render in forms.items():
            content, faults = rendered(name, render, report)
            done.faults.extend(faults)
            if content is None:
                _remove(directory, name)  # that of an earlier run
            else:
                _directories.replace(directory, name, content if isinstance(content, bytes) else content.encode("utf-8"), durable=True)
                done.files.append(top / name)
    if files or outdated:
        with _directories.private(top / "captures", make=True) as directory:
            for name, capture in files.items():
                _directories.replace(directory, name, capture, durable=True)
                done.files.append(top / "captures" / name)
            for name in outdated:
                _remove(directory, name)
    return done


def _remove(directory: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def _captures_of(directory: int) -> set[str]:
    """The capture files that a report written earlier may have beside it."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        earlier = json.loads(_directories.read(directory, "report.json"))
        if isinstance(earlier, dict):
            return {f"{file_name(flow.id)}.pcapng" for flow in view(earlier).flows}
    return set()
