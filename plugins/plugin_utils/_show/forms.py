# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A report in all the forms that its directory has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from .._report import document
from . import junit, markdown, metrics, page
from .render import rendered


class Forms:
    """A report's files, made one after the other, report.json first: of a large fleet each takes many megabytes.

    ``captures``: ids of the flows that have one beside the report.
    """

    def __init__(self, report: Mapping[str, Any], captures: Collection[str] = ()) -> None:
        self._report = report
        self._renderers: dict[str, Callable[[Mapping[str, object]], Sequence[bytes]]] = {
            "report.json": lambda shown: [part.encode("ascii") for part in document.parts(shown)],
            "report.html": lambda shown: [page.render(shown, captures).encode("utf-8")],
            "report.md": lambda shown: [markdown.render(shown).encode("utf-8")],
            "junit.xml": lambda shown: [junit.render(shown)],
            "metrics.prom": lambda shown: [metrics.render(shown).encode("utf-8")],
        }
        self.faults: list[str] = []
        """Sentences about faults of ours that keep something of what was made from being shown."""

    def __iter__(self) -> Iterator[tuple[str, Sequence[bytes] | None]]:
        """The name of each file and the parts of its content, or None where all of it cannot be shown."""
        for name, render in self._renderers.items():
            content, faults = rendered(name, render, self._report)
            self.faults.extend(faults)
            yield name, content
