# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Small questions that the detectors share."""

from __future__ import annotations

from collections.abc import Iterator

from ..._model.host import Host
from ..._model.recording import Observation
from ..case import Case
from ..rows import Row
from ..timeline import Attempt

Key = tuple[int, int]


def key(attempt: Attempt) -> Key:
    """What identifies an attempt: its dial and its number."""
    return attempt.probe.dial, attempt.probe.attempt


def each_host(case: Case) -> list[Host]:
    """The hosts of a case, one that is client and server once."""
    return list({host.name: host for host in case.hosts}.values())


def owner(case: Case, address: str) -> str:
    """The name of the host of the flow that has an address, or ``path``."""
    return next((host.name for host in case.hosts if host.owns(address)), "path")


def at(row: Row, host: Host, direction: str) -> list[Observation]:
    """Every observation of a packet in one direction at a host, on whichever interface; what a bridge takes in comes in."""
    return [seen for seen in row.seen if seen.host == host.name and (seen.direction == direction or (direction == "in" and seen.bridged))]


def outermost(host: Host, interface: str) -> str:
    """The bridge, bond or team that an interface is a part of, or itself."""
    for _level in range(4):
        link = host.link(interface)
        if link is None or not link.master or link.vrf:
            break
        interface = link.master
    return interface


def pairs(case: Case) -> Iterator[tuple[Attempt, Row]]:
    for attempt in case.attempts:
        for row in attempt.rows:
            yield attempt, row
