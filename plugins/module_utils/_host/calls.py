# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Connections that programs on our ports have begun themselves, and that nobody has answered so far: those of proxies and balancers."""

from __future__ import annotations

import typing as t

from .._wire.netlink import unpack
from . import owners
from .inet_diag import ANSWER, WHAT, dump, ends_of

MOST, MOST_PORTS = 16, 256
_SYN_SENT = 1 << 2
_SECONDS = 0.5

Record = t.Dict[str, t.Any]


def read(listeners: t.Sequence[t.Mapping[str, t.Any]]) -> list[Record]:
    """By program, source and destination, how many there are; the most frequent ones first.

    Those of a process that the program has started are its own: socat and others have one for each connection. What systemd has started
    serves others, too.
    """
    programs = {process["pid"]: process["name"] for each in listeners for process in each["processes"] or ()}
    ends: dict[int, tuple[str, str, int]] = {}
    ports: dict[int, int] = {}
    for body in dump(_SYN_SENT, []):
        state, local, local_port, remote, remote_port = ends_of(body)
        inode = unpack(ANSWER, body, WHAT)[-1]
        if state == "SYN_SENT" and inode:  # /proc/net/tcp has all sockets
            ends[inode], ports[inode] = (local, remote, remote_port), local_port
    if not ends or not programs:
        return []
    callers = {**owners.children_of(set(programs) - {1}), **{pid: pid for pid in programs}}
    holders, _why = owners.find(ends, (), _SECONDS, callers)
    found: dict[tuple[int, tuple[str, str, int]], list[int]] = {}
    for inode, pids in holders.items():
        if pids[0] in callers:
            found.setdefault((callers[pids[0]], ends[inode]), []).append(ports[inode])
    names = ("program", "pid", "source", "address", "port", "count", "local_ports")
    most = sorted(found.items(), key=lambda one: (-len(one[1]), one[0]))[:MOST]
    return [dict(zip(names, (programs[pid], pid, *these, len(own), sorted(own)[:MOST_PORTS]))) for (pid, these), own in most]
