# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Where to look for programs: the restorer, which has no session, must find those with which the state was saved."""

from __future__ import annotations

import os

from .base import GuardError
from .places import opened, real_directory

USUAL = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


def search_path() -> str:
    """The usual directories, and after them those of this session's PATH in which root alone can put programs."""
    further = [each for each in os.environ.get("PATH", "").split(":") if os.path.isabs(each) and _is_roots(each)]
    return ":".join(dict.fromkeys([*USUAL.split(":"), *further]))


def _is_roots(directory: str) -> bool:
    try:
        with opened(real_directory(directory)):
            return True
    except (GuardError, OSError):
        return False
