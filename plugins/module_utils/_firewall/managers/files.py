# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read the files of managers, with bounds: a host may have anything in them."""

from __future__ import annotations

from ..._host import plain_files

LARGEST = 4 * 1024 * 1024


def lines(path: str) -> list[str] | None:
    """A file's lines, None when it is not there, not to be read, no plain file, or larger than any that people write."""
    text = content(path)
    return None if text is None else text.splitlines()


def content(path: str) -> str | None:
    try:
        return plain_files.whole(path, LARGEST)
    except OSError:
        return None
