# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Describe a transaction, for people and for remediate: its state and times, what to do if another run left it behind, and failures."""

from __future__ import annotations

import contextlib
import errno
import os
import time
import typing as t

from .._commands import Run
from .alarm import is_alarm_set
from .base import GuardError
from .journal import ARMED, FAILED, RESTORED, RESTORING, Journal
from .record import standing


def about(directory: str, run: Run) -> dict[str, t.Any]:
    """The transaction of a directory. Raises OSError."""
    journal, name = Journal(directory), os.path.basename(directory)
    (state, damage), armed = standing(directory), journal.last(ARMED) or {}
    guarded = state in (ARMED, RESTORING) and is_alarm_set(directory, name, run)
    return {
        "transaction": name,
        "state": state,
        "damage": damage,
        "armed": armed.get("time"),
        "deadline": armed.get("deadline"),
        "guard": armed.get("by"),
        "guarded": guarded,
        "advice": _advice(state, guarded, armed) if state in (ARMED, RESTORING, FAILED) else None,
        "others": (journal.last(RESTORED) or {}).get("others") or None,
        "journal": journal.lines(),
    }


def clock(seconds: float) -> str:
    """A time of day for people."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@contextlib.contextmanager
def sentences(failing: str) -> t.Iterator[None]:
    """Let every failure be a sentence that begins so."""
    try:
        yield
    except GuardError as error:
        raise GuardError(f"{failing}: {error}") from error  # pylint: disable=bad-exception-cause  # does not follow imports
    except OSError as error:
        full = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or str(error)
        raise GuardError(f"{failing}: {full}{f' ({error.filename})' if error.filename else ''}") from error


def _advice(state: str, guarded: bool, armed: t.Mapping[str, t.Any]) -> str:
    """What to do about a transaction that is open."""
    since = f"; it was armed at {clock(armed['time'])}" if "time" in armed else ""
    if state == FAILED:
        return f"mend what kept it from being restored and restore it, or forget it{since}"
    if not guarded:
        return f"nothing is left that would restore it by itself: restore it{since}"
    due = f" and is restored by itself at {clock(armed['deadline'])}" if since and state == ARMED and "deadline" in armed else ""
    return f"confirm it, restore it or wait{since}{due}"
