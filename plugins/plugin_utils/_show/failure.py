# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A failed task in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._values.text import NAME, clean, wrap

_SAID = ("stderr", "module_stderr", "stdout", "module_stdout")


def sentence(what: str, host: str, task: str, result: Mapping[str, Any], width: int) -> str:
    """``db1 failed: Start the queue: non-zero return code (no such file)``, in lines of at most so many columns."""
    message = clean(result.get("msg") or "no reason is given")
    last = next((lines[-1] for name in _SAID if (lines := str(result.get(name) or "").split("\n")) and lines[-1].strip()), "")
    said = f" ({clean(last)})" if last and last not in message else ""
    return "\n".join(wrap(f"{clean(f'{host} {what}'.strip(), 2 * NAME)}: {clean(task, NAME)}: {message}{said}", width, "", "    "))
