# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The attempts of a case that ended with its outcome, and their packets: nearly every rule asks for the same few."""

from __future__ import annotations

from collections.abc import Sequence

from .._model.recording import Observation
from .rows import Row
from .timeline import Attempt


class Affected:
    """Some attempts, all packets of which are known."""

    def __init__(self, attempts: list[Attempt]) -> None:
        self.attempts = attempts
        self._rows: dict[tuple[str, str | None], list[Row]] = {}
        self._seen: dict[tuple[str, str, str, str | None], list[Observation]] = {}

    def rows(self, kind: str, sender: str | None = None) -> Sequence[Row]:
        """Their packets of a kind."""
        found = self._rows.get((kind, sender))
        if found is None:
            found = self._rows[kind, sender] = [row for attempt in self.attempts for row in attempt.of(kind, sender)]
        return found

    def seen(self, kind: str, host: str, direction: str, sender: str | None = None) -> Sequence[Observation]:
        """Those of them that were seen at a host."""
        key = kind, host, direction, sender
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = [seen for row in self.rows(kind, sender) if (seen := row.at(host, direction))]
        return found
