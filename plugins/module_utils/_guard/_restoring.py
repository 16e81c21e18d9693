# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Carrying a restore out, and what is left of a transaction at its end: its journal."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import typing as t

from . import _state
from ._alarm import clear_alarm
from ._base import GuardError, Json, Run
from ._disk import StoredBlobs, locked, sync_directory
from ._journal import CHANGED, FAILED, FINISHED, PLANNED, RESTORED, RESTORING, Journal

SAVED, RESERVE, JOURNAL = "saved.json", "reserve", "journal"
_ATTEMPTS, _PAUSE = 3, 1.0  # seconds; a lock of xtables or a service that is being started passes
_LOCK_PATIENCE = 600.0


def carry_out(base: str, transaction: str, run: Run, booting: bool = False) -> str | None:
    """Restore the host unless the transaction is confirmed, and return the state then; None for one that has changed nothing, or is gone.

    May be repeated at any time, and after any interruption. Raises GuardError when the transaction's files are damaged, OSError.
    """
    directory = os.path.join(base, transaction)
    with locked(base, _LOCK_PATIENCE):
        journal = Journal(directory)
        state = journal.state()
        if state == PLANNED:
            forget(directory, run)
            return None
        if state not in FINISHED and (booting or state != FAILED):  # what has failed is tried again when somebody asks for it
            with contextlib.suppress(OSError):  # room for the journal and the drafts of files
                os.unlink(os.path.join(directory, RESERVE))
            _restore(journal, directory, run, booting)
        if journal.state() in FINISHED:
            tidy(directory, run)
        return journal.state()


def load(directory: str) -> tuple[Json, StoredBlobs]:
    """What a transaction saved. GuardError when it cannot be read."""
    try:
        with open(os.path.join(directory, SAVED), "rb") as stream:
            return json.loads(stream.read()), StoredBlobs(directory)
    except (OSError, ValueError) as error:
        raise GuardError(f"{directory}/{SAVED} cannot be read: {error}") from error


def note_differences(journal: Journal, saved: Json, run: Run) -> dict[str, list[str]]:
    """Write to the journal what is not as it was saved, and return it. What cannot be compared is no reason to stop."""
    try:
        found = _state.differences(saved, run)
        journal.append(CHANGED, what=sorted(found))
    except Exception as error:  # what is on the host now was not made for us
        found = {}
        _append(journal, CHANGED, what=None, why=str(error) if isinstance(error, (GuardError, OSError)) else repr(error))
    return found


def tidy(directory: str, run: Run) -> None:
    """Remove the alarm of a finished transaction and all that it saved; its journal stays. May be repeated."""
    clear_alarm(os.path.basename(directory), run)
    names = sorted(name for name in os.listdir(directory) if name != JOURNAL)
    for name in names:
        os.unlink(os.path.join(directory, name))
    if names:
        sync_directory(directory)


def forget(directory: str, run: Run) -> None:
    """Remove a transaction altogether. May be repeated."""
    clear_alarm(os.path.basename(directory), run)
    if os.path.isdir(directory):
        with contextlib.suppress(FileNotFoundError):  # without its journal a directory counts for nothing
            os.unlink(os.path.join(directory, JOURNAL))
        shutil.rmtree(directory)
        sync_directory(os.path.dirname(directory))


def _restore(journal: Journal, directory: str, run: Run, booting: bool) -> None:
    try:
        saved, blobs = load(directory)
    except GuardError as error:
        _append(journal, RESTORING, booting=booting)
        _append(journal, FAILED, why=str(error))
        return
    note_differences(journal, saved, run)
    _append(journal, RESTORING, booting=booting)
    notes = [line["what"] for line in journal.lines() if line["step"] == CHANGED]  # of an interrupted restore, too
    rereading = any(what is None or "files" in what for what in notes)
    failure: Exception | None = None
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE)
        try:
            _state.restore(saved, blobs, run, booting, rereading)
            os.sync()
            journal.append(RESTORED)
            return
        except (GuardError, OSError) as error:
            failure = error
    _append(journal, FAILED, why=str(failure))


def _append(journal: Journal, step: str, **more: t.Any) -> None:
    """On a full disk the restore goes on without its line."""
    with contextlib.suppress(OSError):
        journal.append(step, **more)
