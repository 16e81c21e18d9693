# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Whether a packet is stopped for the way back to its source: rules ask for it as `fib saddr` and `-m rpfilter`."""

from __future__ import annotations

import typing as t

from .packet import Packet
from .ruleset import Facts


class Symmetric:
    """A host's facts, but that the way back to a packet's source is the one that it came."""

    def __init__(self, facts: Facts, packet: Packet) -> None:
        self._facts, self._source, self._arrived = facts, packet.source, packet.iif.name if packet.iif else None

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._facts, name)

    def route(
        self, destination: bytes, source: bytes | None = None, mark: int = 0, iif: str | None = None, oif: str | None = None
    ) -> dict[str, t.Any]:
        """The kernel's answer, or what it would be."""
        answer = self._facts.route(destination, source, mark, iif, oif)
        if destination != self._source or iif is not None:
            return answer
        return {**answer, "error": None, "type": "unicast", "interface": self._arrived, "multipath": None}


def other_way(packet: Packet, facts: Facts) -> dict[str, t.Any] | None:
    """{came_by, leaves_by} where what is sent to its source leaves by another interface than that by which it came, or (null) by none."""
    if packet.iif is None or packet.direction == "out":
        return None
    answer = facts.route(packet.source, packet.destination if facts.owns(packet.destination) else None)
    leaves = None if answer["error"] or answer["type"] != "unicast" else answer["interface"]
    ways = [leaves, *(each.get("interface") for each in answer.get("multipath") or ())]
    if packet.iif.name in ways or (packet.iif.master is not None and packet.iif.master in ways):
        return None
    return {"came_by": packet.iif.name, "leaves_by": leaves}
