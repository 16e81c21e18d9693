# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find the processes that wait for connections on a listening socket by epoll, from /proc/PID/fdinfo (proc(5), epoll(7)).

A server's first process often only holds the socket that its workers accept from, and one that is at its own limit of connections
holds it without waiting on it.
"""

from __future__ import annotations

import os
import re
import typing as t

MOST_PROCESSES, MOST_FILES = 64, 2000
_EPOLL = "anon_inode:[eventpoll]"
_WATCHED = re.compile(r"^tfd:.* events: *([0-9a-f]+) .*\bino:([0-9a-f]+)", re.MULTILINE)
_IN = 0x1  # EPOLLIN


def attach(listeners: t.Iterable[dict[str, t.Any]]) -> None:
    """Set `pollers` of each listener, by its `processes`: None where none of these uses epoll, or too much would have to be read."""
    for one in listeners:
        one["pollers"] = None
        pids = [process["pid"] for process in one["processes"] or ()]
        if not pids or len(pids) > MOST_PROCESSES:
            continue
        try:
            watched = {pid: _watched(pid) for pid in pids}
        except OSError:  # it is gone, or may not be looked at
            continue
        if any(inodes is not None for inodes in watched.values()):
            one["pollers"] = [pid for pid in pids if one["inode"] in (watched[pid] or ())]


def _watched(pid: int) -> set[int] | None:
    """The inodes of the files that a process watches for input; None when it has no epoll file. Raises OSError."""
    files = os.listdir(f"/proc/{pid}/fd")
    if len(files) > MOST_FILES:
        raise OSError(f"process {pid} has {len(files)} files open")
    epolls = [file for file in files if os.readlink(f"/proc/{pid}/fd/{file}") == _EPOLL]
    found: set[int] = set()
    for file in epolls:
        with open(f"/proc/{pid}/fdinfo/{file}", encoding="ascii", errors="replace") as lines:
            found.update(int(inode, 16) for events, inode in _WATCHED.findall(lines.read()) if int(events, 16) & _IN)
    return found if epolls else None
