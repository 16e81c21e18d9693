# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which sources the C library asks for what (nsswitch.conf(5)): a name that DNS has is not found where it is not asked."""

from __future__ import annotations

CONFIGURATION = "/etc/nsswitch.conf"
_MOST = 65536  # bytes that are read


def sources(database: str, path: str = CONFIGURATION) -> list[str] | None:
    """The words of a database's line, actions as "[NOTFOUND=return]" among them; None where there is no such line, or no file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(_MOST).splitlines()
    except OSError:
        return None
    for line in lines:
        name, colon, rest = line.partition("#")[0].partition(":")
        if colon and name.strip() == database:
            return rest.replace("[", " [").replace("]", "] ").split()
    return None
