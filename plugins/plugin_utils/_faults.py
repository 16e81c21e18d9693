# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""An exception that nobody foresaw, as a sentence for the user."""

from __future__ import annotations

import posixpath
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")
_OURS = "/handshake/plugins/"


def fault(error: Exception) -> str:
    """The kind of the exception and the line of the collection that raised it; its text may hold what a host sent, and is left out."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _OURS in frame.filename]
    at = f" at {posixpath.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return f"this is a fault of the collection, please report it: {type(error).__name__}{at}"


def contained(instead: Callable[[str], U], work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | U:
    """What ``work`` returns; where it fails in a way that nobody foresaw, what ``instead`` makes of that sentence.

    For work on one host, one flow or one file, whose failure must not cost the others.
    """
    try:
        return work(*arguments, **named)
    except Exception as error:
        return instead(fault(error))
