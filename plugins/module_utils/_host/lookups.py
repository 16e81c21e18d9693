# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which nameservers programs on our ports are asking: the C library connects a UDP socket to each that it asks (res_send of resolver(3)).

Servers that look up their clients' names do that before they say a word.
"""

from __future__ import annotations

import socket
import typing as t

from .._wire.addresses import canonical
from . import owners
from .proc_tcp import entries

MOST = 16
_TABLES = ("/proc/thread-self/net/udp", "/proc/thread-self/net/udp6")
_DOMAIN = 53
_SECONDS = 0.5

Record = t.Dict[str, t.Any]


def read(listeners: t.Sequence[t.Mapping[str, t.Any]]) -> list[Record]:
    """By program and nameserver, how many such sockets there are. Processes that a program has started are its own, but for systemd's."""
    programs = {process["pid"]: process["name"] for each in listeners for process in each["processes"] or ()}
    asked = {inode: address for table in _TABLES for inode, address in _asking(table)}
    if not asked or not programs:
        return []
    askers = {**owners.children_of(set(programs) - {1}), **{pid: pid for pid in programs}}
    holders, _why = owners.find(asked, (), _SECONDS, askers)
    found: dict[tuple[int, str], int] = {}
    for inode, pids in holders.items():
        if pids[0] in askers:
            whose = askers[pids[0]], asked[inode]
            found[whose] = found.get(whose, 0) + 1
    most = sorted(found.items(), key=lambda one: (-one[1], one[0]))[:MOST]
    return [{"program": programs[pid], "pid": pid, "nameserver": nameserver, "count": count} for (pid, nameserver), count in most]


def _asking(table: str) -> t.Iterator[tuple[int, str]]:
    """(inode, nameserver) of the sockets that are connected to somebody's port 53; the table looks like that of TCP."""
    for entry in entries(owners.text_of(table).splitlines()):
        if entry.remote_port == _DOMAIN and entry.inode:
            yield entry.inode, canonical(socket.inet_ntop(entry.family, entry.remote))
