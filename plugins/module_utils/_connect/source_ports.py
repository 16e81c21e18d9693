# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Source ports from all over the ephemeral range: the kernel takes neighbours for connections to one place, and what is dropped on the way
by source port, as by a stateless filter or one of several ways, would look like total loss or like health."""

from __future__ import annotations

import errno
import random
import socket
from typing import Iterable

RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"
TRIES = 8  # ports of one attempt, before the kernel is left the choice
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
_TAKEN = (errno.EADDRINUSE, errno.EACCES, errno.EPERM)  # by another socket; not for us, by a security module or a cgroup's program


def ephemeral() -> list[int]:
    """What the kernel takes source ports from in this network namespace, in order; none where that cannot be read."""
    low, high = _range()
    reserved = {port for first, last in _reserved() for port in range(first, min(last, high) + 1)}
    return [port for port in range(low, high + 1) if port not in reserved]


def ephemeral_of(ports: Iterable[int]) -> set[int]:
    """Those of some ports that belong to it, without the list of all: snapshots ask for the few that have a listener."""
    low, high = _range()
    reserved = _reserved()
    return {port for port in ports if low <= port <= high and not any(first <= port <= last for first, last in reserved)}


def spread(count: int, usable: list[int]) -> list[tuple[int, ...]]:
    """For each of `count` attempts ports to try in turn, from a part of the usable ones of its own; in no order.

    An attempt has none where there are fewer ports than attempts.
    """
    width = len(usable) / max(1, count)
    parts = []
    for number in range(count):
        part = usable[int(number * width) : int((number + 1) * width)]
        parts.append(tuple(random.sample(part, min(len(part), TRIES))))
    random.shuffle(parts)  # so that what is lost for a while does not look like a range of ports
    return parts


def bind(sock: socket.socket, family: int, source: str | None, ports: tuple[int, ...]) -> None:
    """Bind to the first of the ports that is free, else to `source` alone, else not at all. OSError: the source cannot be had."""
    for port in ports:
        try:
            sock.bind((source or _ANY[socket.AddressFamily(family)], port))
        except OSError as error:
            if error.errno not in _TAKEN:
                break
        else:
            return
    if source:
        sock.bind((source, 0))


def _range() -> tuple[int, int]:
    """Both ends belong to it; where it is unknown, it is empty."""
    try:
        with open(RANGE, encoding="ascii") as file:
            low, high = map(int, file.read().split())
    except (OSError, ValueError):
        return 1, 0
    return low, high


def _reserved() -> list[tuple[int, int]]:
    """As bitmap_parselist() reads them: 8080,9000-9010."""
    try:
        with open(RESERVED, encoding="ascii") as file:
            parts = [part.partition("-") for part in file.read(65536).strip().split(",") if part]
        return [(int(first), int(last or first)) for first, _dash, last in parts]
    except (OSError, ValueError):
        return []
