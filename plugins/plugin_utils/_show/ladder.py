# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the ladder diagram of one connection attempt shows; ladder.js draws it.

A column is a vantage point, time runs downwards, a packet is a line from where it was first seen to where it was last seen.
Dashed is what nobody could see; a cross is where a packet vanished, between two hosts or within one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .._report.view import Flow, Observation, Packet, Vantage

ROWS = 40
"""Packets of one attempt that are drawn at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A packet's way in columns; a fraction is a place between two. Seen points come in the order of travel, with their times."""

    packet: Packet
    onward: int
    origin: float
    seen: tuple[tuple[int, float], ...]
    end: float
    doubt: int | None
    """The column where a lost packet should have been seen next; the cross stands at ``end``."""
    stranger: bool
    """Sent by somebody who has no column."""
    lost: bool

    @property
    def start_ms(self) -> float:
        return self.seen[0][1]


def ladder(flow: Flow, attempt: int) -> list[Line]:
    """The lines of that attempt in the order of their times; none where no packet of it was seen."""
    packets = [packet for packet in flow.packets if packet.attempt == attempt and packet.seen]
    vantages = columns(flow)
    lines = [line for packet in packets[:ROWS] if (line := _line(packet, vantages, lost=packet.lost or _vanished(packet, packets, flow)))]
    return sorted(lines, key=lambda line: line.start_ms)


def columns(flow: Flow) -> tuple[Vantage, ...]:
    """The vantage points, and a last column for a server that is not one of them."""
    if any(vantage.role == "server" for vantage in flow.vantages):
        return flow.vantages
    return (
        *flow.vantages,
        Vantage(host=flow.address, role="server", recorded=False, why="no vantage point of its own", offset_ms=None, error_ms=None),
    )


def observations(packet: Packet) -> Iterator[str]:
    """``web1 eth0 out 0.03 ms``"""
    return (f"{item.host} {item.interface} {item.direction} {at(item.t_ms)}" for item in packet.seen)


def _vanished(packet: Packet, packets: list[Packet], flow: Flow) -> bool:
    """Whether this is the packet that the report saw last at that host: its other end never answered it, or it had to be repeated."""
    if packet.kind != flow.leg or flow.status not in ("broken", "undetermined") or flow.last_seen is None:
        return False
    last = packet.seen[-1]
    if last.host != flow.last_seen[0]:
        return False
    answering = {"client", "server"} if last.direction == "out" else {later.sender for later in packets}
    for later in packets:
        if later.t_ms > packet.t_ms:
            if later.sender == packet.sender and later.kind == packet.kind:
                return True
            if later.sender != packet.sender and later.sender in answering and later.transmission == 1:
                return False
    return True


def _line(packet: Packet, vantages: tuple[Vantage, ...], *, lost: bool) -> Line | None:
    columns = {vantage.host: index for index, vantage in reversed(list(enumerate(vantages)))}
    seen = sorted((observation for observation in packet.seen if observation.host in columns), key=lambda observation: observation.t_ms)
    if not seen:
        return None
    sender = _sender(packet, vantages, columns)
    onward = _onward(sender, columns[seen[0].host], columns[seen[-1].host], len(vantages) - 1)
    seen.sort(key=lambda observation: (columns[observation.host] * onward, observation.direction != "in", observation.t_ms))
    latest = seen[0].t_ms
    points = []
    for observation in seen:
        latest = max(latest, observation.t_ms)
        points.append((columns[observation.host], latest))
    origin = points[0][0] - 0.5 * onward if sender is None else sender
    end, doubt = _end(packet, seen[-1], points[-1][0], onward, vantages, lost=lost)
    return Line(packet=packet, onward=onward, origin=origin, seen=tuple(points), end=end, doubt=doubt, stranger=sender is None, lost=lost)


def _sender(packet: Packet, vantages: tuple[Vantage, ...], columns: dict[str, int]) -> int | None:
    if packet.sender in ("client", "server"):
        return next((index for index, vantage in enumerate(vantages) if vantage.role == packet.sender), None)
    return columns.get(packet.sender)


def _onward(sender: int | None, first: int, last: int, final: int) -> int:
    """1 towards the server, -1 towards the client; an unknown sender is drawn beyond the vantage point that saw its packet first."""
    if sender in (0, final):
        return 1 if sender == 0 else -1
    start = first if sender is None else sender
    if last != start:
        return 1 if last > start else -1
    return 1 if last == final else -1


def _end(
    packet: Packet, observation: Observation, last: int, onward: int, vantages: tuple[Vantage, ...], *, lost: bool
) -> tuple[float, int | None]:
    """Where the line ends; for a packet lost between hosts also the next host that would have seen it."""
    goal = 0 if onward < 0 else len(vantages) - 1
    if observation.direction != "out" or last == goal:
        return last, None
    if lost:
        watched = next((column for column in range(last + onward, goal, onward) if vantages[column].recorded), goal)
        return (last + watched) / 2, watched
    return (last if packet.kind in ("arp", "nd", "icmp") else goal), None


def retransmission(packet: Packet) -> str:
    """``retransmission 2``, for packets that a kernel sends again until they are answered; an ACK is not one of them."""
    return f"retransmission {packet.transmission - 1}" if packet.transmission > 1 and packet.kind in ("syn", "syn_ack", "fin") else ""


def at(t_ms: float) -> str:
    """A place on the time axis, always to a tenth of a millisecond."""
    return f"{t_ms / 1000:.4f} s" if abs(t_ms) >= 1000 else f"{t_ms:.2f} ms"
