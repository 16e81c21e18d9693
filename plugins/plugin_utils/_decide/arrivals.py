# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The packets of all flows that came in at one host, counted as the host's own counters would."""

from __future__ import annotations

from collections.abc import Sequence

from .._model.host import Host
from .._model.recording import Observation
from .rows import kind_of

SAME_PACKET_S = 0.1  # one packet's observations on the interfaces of one host are closer than this
SAME_OBSERVATION_S = 0.001  # and those of the two recordings of loopback, where a host is client and server, than this
# kind, source, destination, whether the port is the one that it goes "to" or comes "from", the port
Arrival = tuple[str, str, str, str, int]


class Arrivals:
    """Looks into the recording when it is first asked."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._found: dict[Arrival, list[Observation]] | None = None

    def of(self, arrival: Arrival) -> Sequence[Observation]:
        """Each packet once, also where it passes a bridge, a bond or a VLAN."""
        if self._found is None:
            self._found = {}
            last: dict[object, Observation] = {}
            for seen in self._host.observations or ():
                tcp = seen.packet.tcp
                if tcp is None or not (seen.direction == "in" or seen.bridged):
                    continue
                key = (seen.packet.src, tcp.sport, seen.packet.dst, tcp.dport, tcp.flags, tcp.seq, tcp.ack, seen.packet.ip_id)
                before, last[key] = last.get(key), seen
                if before is None or abs(seen.time - before.time) > _apart(before, seen):
                    kind = kind_of(seen.packet)
                    self._found.setdefault((kind, seen.packet.src, seen.packet.dst, "to", tcp.dport), []).append(seen)
                    self._found.setdefault((kind, seen.packet.src, seen.packet.dst, "from", tcp.sport), []).append(seen)
        return self._found.get(arrival, [])


def _apart(one: Observation, other: Observation) -> float:
    """Observations that are further apart than this (seconds) are of two packets."""
    if one.interface != other.interface:
        return SAME_PACKET_S
    return SAME_OBSERVATION_S if one.interface == "lo" else -1.0  # a SYN-ACK may be repeated for two reasons at once
