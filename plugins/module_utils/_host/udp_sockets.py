# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find who has a port by UDP where nobody listens on it by TCP: a service may speak the other protocol."""

from __future__ import annotations

import contextlib
import typing as t

from . import owners, proc_tcp
from .inet_diag import address_of

FILES = ("/proc/thread-self/net/udp", "/proc/thread-self/net/udp6")  # with the lines of /proc/net/tcp
_UNCONNECTED = 7  # TCP_CLOSE: it has no peer, and takes what comes from anybody
MOST = 16


def read(ports: t.Collection[int]) -> list[dict[str, t.Any]]:
    """The sockets that take datagrams of anybody on `ports`, each with its process; None where that may not be seen."""
    found = [entry for entry in _entries() if entry.local_port in ports and entry.state == _UNCONNECTED and entry.inode][:MOST]
    pids = owners.find({each.inode for each in found}, {each.uid for each in found})[0] if found else {}
    processes = [next(iter(pids.get(each.inode, ())), None) for each in found]
    return [
        {
            "port": each.local_port,
            "address": address_of(each.family, each.local.ljust(16, b"\0"))[1],
            "process": owners.describe(pid) if pid else None,
        }
        for each, pid in zip(found, processes)
    ]


def _entries() -> t.Iterator[proc_tcp.Entry]:
    for path in FILES:
        with contextlib.suppress(OSError), open(path, encoding="ascii", errors="replace") as file:
            yield from proc_tcp.entries(file)
