# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Carry out a restore, and clean up a transaction at its end, except for its journal."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t

from .._commands import Run
from . import state as _state
from .alarm import clear_alarm
from .base import GuardError, Json
from .disk import StoredBlobs, locked, remove, sync_directory
from .journal import CHANGED, DAMAGED, FAILED, FINISHED, JOURNAL, PLANNED, RESTORED, RESTORING, Journal
from .record import ENDED, SAVED, SAVING, load, load_made, mark_final, standing

RESERVE = "reserve"
_ATTEMPTS, _PAUSE = 3, 1.0  # seconds; a lock of xtables or a service that is being started passes
_LOCK_PATIENCE = 600.0


def carry_out(base: str, transaction: str, run: Run, booting: bool = False) -> str | None:
    """Restore the host unless the transaction is confirmed, and return the state then; None for one that has changed nothing, or is gone.

    May be repeated at any time, and after any interruption. Raises GuardError when the transaction's files are damaged, OSError.
    """
    directory = os.path.join(base, transaction)
    with locked(base, _LOCK_PATIENCE):
        if not os.path.isdir(directory):
            return None
        state = standing(directory).state
        if state == PLANNED:
            forget(directory, run)
            return None
        if state not in (*FINISHED, ENDED) and (booting or state != FAILED):  # what has failed is tried again when somebody asks for it
            with contextlib.suppress(OSError):  # room for the journal and the drafts of files
                os.unlink(os.path.join(directory, RESERVE))
            _restore(directory, run, booting)
            state = standing(directory).state
        if state in (*FINISHED, ENDED):
            tidy(directory, run)
        return state


def note_differences(journal: Journal, saved: Json, blobs: StoredBlobs, run: Run) -> dict[str, list[str]]:
    """Write to the journal what is not as it was saved, and return it. What cannot be compared is no reason to stop."""
    try:
        found = _state.differences(saved, blobs, run)
        journal.append(CHANGED, what=sorted(found))
    except Exception as error:  # what is on the host now was not made for us
        found = {}
        _append(journal, CHANGED, what=None, why=str(error) if isinstance(error, (GuardError, OSError)) else repr(error))
    return found


def tidy(directory: str, run: Run) -> None:
    """Remove the alarm of a finished transaction and all that it saved; its journal stays, and says how it ended. May be repeated."""
    state, journal = standing(directory).state, Journal(directory)
    if state in FINISHED and journal.last(state) is None:
        remove(os.path.join(directory, RESERVE))  # room for the line
        journal.append(state)
    clear_alarm(os.path.basename(directory), run)
    _empty(directory, keep=JOURNAL)


def forget(directory: str, run: Run) -> None:
    """Remove a transaction altogether. May be repeated."""
    clear_alarm(os.path.basename(directory), run)
    if os.path.isdir(directory):
        _empty(directory)
        os.rmdir(directory)
        sync_directory(os.path.dirname(directory))


def _empty(directory: str, keep: str | None = None) -> None:
    """What was saved goes first: without it, nobody restores the host any more, whatever else is still there."""
    names = [name for name in os.listdir(directory) if name != keep]
    first = [name for name in (SAVED, SAVING) if name in names]
    for name in first:
        remove(os.path.join(directory, name))
    if first:
        sync_directory(directory)
    for name in names:
        remove(os.path.join(directory, name))
    if names:
        sync_directory(directory)


def _restore(directory: str, run: Run, booting: bool) -> None:
    journal = Journal(directory)
    try:
        saved, blobs = load(directory)
    except GuardError as error:
        _append(journal, RESTORING, booting=booting)
        _append(journal, FAILED, why=str(error))
        return
    note_differences(journal, saved, blobs, run)
    _append(journal, RESTORING, booting=booting)
    notes = [line.get("what") for line in journal.lines() if line["step"] == CHANGED]  # of an interrupted restore, too
    rereading = any(what is None or "files" in what for what in notes) or journal.last(DAMAGED) is not None
    made = load_made(directory)
    failure: Exception | None = None
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE)
        try:
            others = _state.restore(saved, made, blobs, run, booting, rereading)
            os.sync()
            mark_final(directory, RESTORED)
            _append(journal, RESTORED, others={name: lines for name, lines in others._asdict().items() if lines})
            return
        except (GuardError, OSError) as error:
            failure = error
    _append(journal, FAILED, why=str(failure))


def _append(journal: Journal, step: str, **more: t.Any) -> None:
    """On a full disk the restore goes on without its line."""
    with contextlib.suppress(OSError):
        journal.append(step, **more)
