# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which protocols beside TCP and UDP programs of this network namespace speak themselves, such as VRRP, by their raw sockets (raw(7))."""

from __future__ import annotations

_FILES = ("/proc/net/raw", "/proc/net/raw6")
_MOST = 1 << 20  # bytes that are read


def protocols() -> list[int]:
    """Numbers of IP protocols; the files have them in place of local ports. OSError."""
    found = set()
    for path in _FILES:
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                lines = file.read(_MOST).splitlines()[1:]
        except FileNotFoundError:  # a kernel without IPv6
            continue
        for words in (line.split() for line in lines):
            if len(words) > 1:
                found.add(int(words[1].rpartition(":")[2], 16))
    return sorted(found)
