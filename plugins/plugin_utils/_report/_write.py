# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Puts a report into its directory: every file whole or not at all, readable by its owner only."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.threeway.handshake.plugins.plugin_utils._report import _html, _json, _junit, _markdown, _metrics
from ansible_collections.threeway.handshake.plugins.plugin_utils._report._text import file_name
from ansible_collections.threeway.handshake.plugins.plugin_utils._report._view import view


def write(report_dir: Path | str, report: Mapping[str, object], captures: Mapping[str, bytes]) -> list[Path]:
    """Write every format of the report and the captures (flow id -> pcapng) and return the files, report.json first.

    The directory is made 0700 where it does not exist; files are 0600. A file of that name is replaced in one step, so that
    a reader sees the old one or the new one. Captures of the report that was there before are removed unless they are replaced:
    a capture beside a report belongs to it. OSError where the directory cannot be written to.
    """
    directory = Path(report_dir)
    files: dict[str, str | bytes] = {
        "report.json": _json.render(report),
        "report.html": _html.render(report, captures),
        "report.md": _markdown.render(report),
        "junit.xml": _junit.render(report),
        "metrics.prom": _metrics.render(report),
    }
    for flow, capture in captures.items():
        files[f"captures/{file_name(flow)}.pcapng"] = capture
    outdated = _captures_of(directory / "report.json") - files.keys()
    written = []
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(path, content if isinstance(content, bytes) else content.encode("utf-8"))
        written.append(path)
    for name in outdated:
        (directory / name).unlink(missing_ok=True)
    return written


def _captures_of(report: Path) -> set[str]:
    """The capture files that a report written earlier may have beside it."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        earlier = json.loads(report.read_bytes())
        if isinstance(earlier, dict):
            return {f"captures/{file_name(flow.id)}.pcapng" for flow in view(earlier).flows}
    return set()


def _replace(path: Path, content: bytes) -> None:
    handle, draft = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
