# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The connections by which ssh(1) and sshd(8) carry what they take on our ports (-L, -R), and whether the other end still answers."""

from __future__ import annotations

import typing as t

from .._wire.netlink import unpack
from . import owners
from .inet_diag import ANSWER, WHAT, dump, ends_of, repeated

PROGRAMS = ("ssh", "sshd", "sshd-session")
MOST = 8
_ESTABLISHED = 1 << 1
_SECONDS = 0.5

Record = t.Dict[str, t.Any]


def carry(listeners: t.Sequence[t.Mapping[str, t.Any]]) -> dict[int, str]:
    """The processes that may, by name."""
    processes = (process for each in listeners for process in each["processes"] or ())
    return {process["pid"]: process["name"] for process in processes if process["name"] in PROGRAMS}


def read(listeners: t.Sequence[t.Mapping[str, t.Any]]) -> list[Record]:
    """``unanswered``: how often the kernel has repeated the oldest data that the other end has not acknowledged; 0: all is."""
    programs = carry(listeners)
    ends: dict[int, tuple[str, int, int, int]] = {}
    for body in dump(_ESTABLISHED, []):
        state, _local, local_port, remote, port = ends_of(body)
        inode = unpack(ANSWER, body, WHAT)[-1]
        if state == "ESTABLISHED" and inode:
            ends[inode] = remote, port, local_port, repeated(body)
    holders, _why = owners.find(ends, (), _SECONDS, programs)
    names = ("program", "pid", "address", "port", "local_port", "unanswered")
    found = [(programs[pid], pid, *ends[inode]) for inode, pids in holders.items() for pid in pids if pid in programs]
    return [dict(zip(names, each)) for each in sorted(found)][:MOST]
