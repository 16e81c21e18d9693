# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A report in all the forms that its directory has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .._report import document
from . import junit, markdown, metrics, page
from .render import rendered


@dataclass(frozen=True)
class Forms:
    """Per file its content, or None where a fault of ours keeps all of it from being shown; and sentences about such faults."""

    files: dict[str, bytes | None]
    faults: list[str]


def forms(report: Mapping[str, Any], captures: Collection[str] = ()) -> Forms:
    """report.json first. ``captures``: ids of the flows that have one beside the report."""
    renderers: dict[str, Callable[[Mapping[str, object]], str | bytes]] = {
        "report.json": document.render,
        "report.html": partial(page.render, captures=captures),
        "report.md": markdown.render,
        "junit.xml": junit.render,
        "metrics.prom": metrics.render,
    }
    done = Forms({}, [])
    for name, render in renderers.items():
        content, faults = rendered(name, render, report)
        done.files[name] = content.encode("utf-8") if isinstance(content, str) else content
        done.faults.extend(faults)
    return done
