# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A limit of time for what a task waits for, and the end of what it has started meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

_AGAIN = 5.0
"""Seconds after which it is raised again, should something on the way have swallowed it."""


class TimeIsUp(BaseException):
    """Not an Exception: connection plugins catch those, and try again."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp inside after so many seconds (0: never), when the processes that were started inside have been ended.

    For the main thread of a process that nothing else is going on in, such as a task of Ansible. A limit of its own (the keyword `timeout`
    of a task) stays in force.
    """
    if not seconds:
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TimeIsUp

    begun = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        if left and left <= seconds:  # the other limit comes first
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, left, interval)
        yield
    except TimeIsUp:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for pid in _descendants(os.getpid()):
            with suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        remaining = left - (time.monotonic() - begun)
        if left and (remaining > 0 or left > seconds):  # else the other limit is what ended this
            signal.setitimer(signal.ITIMER_REAL, max(0.001, remaining), interval)


def _descendants(pid: int) -> list[int]:
    """The processes that this one has started, and those that they have, as far as they still belong to it."""
    found: list[int] = []
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            found += [int(child), *_descendants(int(child))]
    return found
