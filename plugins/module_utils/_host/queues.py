# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The queues in which netfilter leaves packets to programs (NFQUEUE), and which program reads one.

/proc/net/netfilter/nfnetlink_queue has a queue's number and the netlink port of its reader; /proc/net/netlink has that port's socket.
"""

from __future__ import annotations

from typing import Any

from . import owners

QUEUES = "/proc/net/netfilter/nfnetlink_queue"
_SOCKETS = "/proc/net/netlink"
_NETLINK_NETFILTER = 12


def ports() -> dict[int, int] | None:
    """The netlink port of each queue's reader; None where it may not be read."""
    try:
        lines = _numbers(QUEUES)
    except FileNotFoundError:
        return {}  # that part of netfilter is not even loaded
    except OSError:
        return None
    return {numbers[0]: numbers[1] for numbers in lines if len(numbers) > 1}


def reader(port: int) -> dict[str, Any] | None:
    """The process that has a netlink port of netfilter, as owners.py describes it; None where that is not seen."""
    try:
        with open(_SOCKETS, encoding="ascii", errors="replace") as file:
            rows = [line.split() for line in file]
    except OSError:
        return None
    wanted = [str(_NETLINK_NETFILTER), str(port)]
    inode = next((int(row[-1]) for row in rows if row[1:3] == wanted and row[-1].isdigit()), None)
    if not inode:
        return None
    holders, _why = owners.find([inode])
    return next((process for process in map(owners.describe, holders.get(inode, ())) if process), None)


def _numbers(path: str) -> list[list[int]]:
    with open(path, encoding="ascii", errors="replace") as file:
        return [[int(word) for word in line.split() if word.isdigit()] for line in file]
