# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A transaction's journal: one line of JSON for each step, on the disk before the step after it begins.

States, each with the steps that may follow::

    planned -> armed -> confirmed
        |        '----> restoring -> restored
        |                  |  ^
        |                  v  |
        '-> (forgotten)   failed

A transaction that was planned and never armed has changed nothing and is forgotten. docs/guard.md tells the whole protocol.
"""

from __future__ import annotations

import json
import os
import time
import typing as t

from ._disk import sync_directory

PLANNED, ARMED, CONFIRMED, RESTORING, RESTORED, FAILED = "planned", "armed", "confirmed", "restoring", "restored", "failed"
STATES = (PLANNED, ARMED, CONFIRMED, RESTORING, RESTORED, FAILED)
FINISHED = (CONFIRMED, RESTORED)
CHANGED = "changed"  # a note, not a state: what was found to differ from what had been saved


class Journal:
    """The journal in a transaction's directory."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, "journal")

    def append(self, step: str, **more: t.Any) -> dict[str, t.Any]:
        """Write a line and return it; when this returns, it survives the loss of power. Raises OSError."""
        line = {"step": step, "time": time.time(), **more}
        new = not os.path.exists(self._path)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with open(descriptor, "r+b") as stream:
            stream.seek(_whole(stream.read()))
            stream.truncate()
            stream.write(json.dumps(line).encode("ascii") + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        if new:
            sync_directory(os.path.dirname(self._path))
        return line

    def lines(self) -> list[dict[str, t.Any]]:
        """All lines in order; none when there is no journal. A line that was being written when the power failed does not count."""
        try:
            with open(self._path, "rb") as stream:
                content = stream.read()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in content[: _whole(content)].splitlines()]

    def state(self) -> str:
        """The last step that is a state. A transaction without a journal has not been planned completely: that is V(planned), too."""
        return next((line["step"] for line in reversed(self.lines()) if line["step"] in STATES), PLANNED)

    def last(self, step: str) -> dict[str, t.Any] | None:
        """The last line of that step."""
        return next((line for line in reversed(self.lines()) if line["step"] == step), None)


def _whole(content: bytes) -> int:
    """The length of the complete lines."""
    return content.rfind(b"\n") + 1
