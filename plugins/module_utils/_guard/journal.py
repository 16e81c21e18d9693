# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A transaction's journal: one line of JSON for each step, on disk before the next step begins.

States, each with the steps that may follow::

    planned -> armed -> confirmed
        |        '----> restoring -> restored
        |                  |  ^
        |                  v  |
        '-> (forgotten)   failed

A transaction that was planned and never armed has changed nothing and is forgotten. docs/guard.md describes the whole protocol.

A journal may be damaged like every other file. Damage is reported, never guessed around: `_record` decides what is done then.
"""

from __future__ import annotations

import json
import math
import os
import time
import typing as t

from .base import Json
from .disk import read_file, remove, sync_directory

PLANNED, ARMED, CONFIRMED, RESTORING, RESTORED, FAILED = "planned", "armed", "confirmed", "restoring", "restored", "failed"
STATES = (PLANNED, ARMED, CONFIRMED, RESTORING, RESTORED, FAILED)
FINISHED = (CONFIRMED, RESTORED)
CHANGED = "changed"  # a note, not a state: what was found to differ from what had been saved
MADE = "made"  # a note, not a state: the changes are complete, and what they made is known
DAMAGED = "damaged"  # a note, not a state: this journal replaces one that could not be read
JOURNAL, ASIDE = "journal", "journal.damaged"

_STEPS = (*STATES, CHANGED, MADE, DAMAGED)
_MOST_BYTES = 1 << 20
_MOST_TEXT = 4000  # characters of a reason: as many files as there are may each have one
_LAST_TIME = 1e11  # seconds since the epoch
_TEXTS, _TIMES, _LISTS = ("by", "why"), ("time", "deadline"), ("what", "wanted")

Line = t.Dict[str, t.Any]


class Journal:
    """The journal in a transaction's directory."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._path = os.path.join(directory, JOURNAL)

    def append(self, step: str, **more: t.Any) -> Line:
        """Write a line and return it; when this returns, it survives the loss of power. Raises OSError.

        A damaged journal is moved aside first; its intact lines begin the new one.
        """
        intact, damage = self.read()
        if damage:
            aside = os.path.join(self._directory, ASIDE)
            remove(aside)
            os.rename(self._path, aside)
            for line in (*intact, _line(DAMAGED, why=damage)):
                self._write(line)
        return self._write(_line(step, **more))

    def _write(self, line: Line) -> Line:
        new = not os.path.exists(self._path)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "r+b") as stream:
            stream.seek(_whole(stream.read()))
            stream.truncate()
            stream.write(json.dumps(line).encode("ascii") + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        if new:
            sync_directory(self._directory)
        return line

    def read(self) -> tuple[list[Line], str | None]:
        """The intact lines in order, and a sentence about the damage, if there is any.

        No journal has no lines. A line that was being written when the power failed does not count, and is no damage.
        """
        try:
            content = read_file(self._path, _MOST_BYTES)
        except FileNotFoundError:
            return [], None
        except ValueError as error:
            return [], f"{self._path} {error}"
        except OSError as error:
            return [], f"{self._path} cannot be read: {error.strerror}"
        lines, damage = [], None
        for number, text in enumerate(content[: _whole(content)].split(b"\n")[:-1], 1):
            line = _parsed(text)
            if line is None:
                damage = damage or f"{self._path} is damaged: line {number} is not a step of a transaction: {text[:60]!r}"
            else:
                lines.append(line)
        return lines, damage

    def lines(self) -> list[Line]:
        """The intact lines in order."""
        return self.read()[0]

    def last(self, step: str) -> Line | None:
        """The last intact line of that step."""
        return next((line for line in reversed(self.lines()) if line["step"] == step), None)


def _line(step: str, **more: t.Any) -> Line:
    bounded = {name: value[:_MOST_TEXT] if isinstance(value, str) else value for name, value in more.items()}
    return {"step": step, "time": time.time(), **bounded}


def _parsed(text: bytes) -> Line | None:
    """The line, or None when it cannot have been written by `append`."""
    try:
        line = json.loads(text.decode("ascii"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or line.get("step") not in _STEPS or "time" not in line:
        return None
    right = (
        all(_is_time(line[name]) for name in _TIMES if name in line)
        and all(isinstance(line[name], str) for name in _TEXTS if name in line)
        and all(line[name] is None or _is_texts(line[name]) for name in _LISTS if name in line)
    )
    return line if right else None


def _is_time(value: Json) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value < _LAST_TIME


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _whole(content: bytes) -> int:
    """The length of the complete lines."""
    return content.rfind(b"\n") + 1
