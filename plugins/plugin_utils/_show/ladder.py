# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The ladder diagram of one connection attempt as inline SVG.

A column is a vantage point, time runs downwards, a packet is a line from where it was first seen to where it was last seen.
Dashed is what nobody could see; a cross is where a packet vanished, between two hosts or within one.
Time is not to scale: the gap between two events grows with its logarithm, so that 30 microseconds and a retransmission a second
later both read well; the axis tells the figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from .._report.view import Flow, Observation, Packet, Vantage
from .._values.text import clip
from .words import duration

ROWS = 40
"""Packets of one attempt that are drawn at most."""

_AXIS, _LEFT, _RIGHT, _TOP = 10, 175, 110, 92
_WIDTH = 860
"""What the gaps between columns share, as far as each stays within its own bounds."""
_KINDS = frozenset({"syn", "syn_ack", "ack", "rst", "fin", "icmp", "arp", "nd"})
_PAUSE_MS = 100.0
"""From this long on, a pause is marked as such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
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


@dataclass(frozen=True, slots=True)
class _Canvas:
    """Where columns and times stand on the page."""

    width: float
    gap: float
    heights: dict[float, float]
    pauses: list[tuple[float, float]]
    bottom: float

    def x(self, column: float) -> float:
        return _LEFT + self.gap * column


def ladder(flow: Flow, attempt: int) -> Markup:
    """The SVG of that attempt; nothing where no packet of it was seen."""
    packets = [packet for packet in flow.packets if packet.attempt == attempt and packet.seen]
    vantages = _columns(flow)
    lines = [line for packet in packets[:ROWS] if (line := _line(packet, vantages, lost=packet.lost or _vanished(packet, packets, flow)))]
    if not lines:
        return Markup()
    lines.sort(key=lambda line: line.start_ms)
    canvas = _canvas(lines, len(vantages))
    width, height = canvas.width, canvas.bottom + 30
    parts = [
        Markup('<svg class="ladder" role="img" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}">').format(width, height),
        Markup("<title>{}</title>").format(f"Ladder diagram of attempt {attempt + 1}: {_spoken(lines)}"),
        *(_column(canvas.x(index), vantage, height) for index, vantage in enumerate(vantages)),
        *(Markup('<text class="pause" x="{}" y="{:.0f}">{} later</text>').format(_AXIS, y, duration(pause)) for y, pause in canvas.pauses),
        *(_drawn(line, canvas) for line in lines),
        Markup("</svg>"),
    ]
    return Markup("").join(parts)


def observations(packet: Packet) -> Iterator[str]:
    """``web1 eth0 out 0.03 ms``"""
    return (f"{item.host} {item.interface} {item.direction} {at(item.t_ms)}" for item in packet.seen)


def _columns(flow: Flow) -> tuple[Vantage, ...]:
    """The vantage points, and a last column for a server that is none."""
    if any(vantage.role == "server" for vantage in flow.vantages):
        return flow.vantages
    return (
        *flow.vantages,
        Vantage(host=flow.address, role="server", recorded=False, why="no vantage point of its own", offset_ms=None, error_ms=None),
    )


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


def _line(packet: Packet, vantages: tuple[Vantage, ...], *, lost: bool) -> _Line | None:
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
    return _Line(packet=packet, onward=onward, origin=origin, seen=tuple(points), end=end, doubt=doubt, stranger=sender is None, lost=lost)


def _sender(packet: Packet, vantages: tuple[Vantage, ...], columns: dict[str, int]) -> int | None:
    if packet.sender in ("client", "server"):
        return next((index for index, vantage in enumerate(vantages) if vantage.role == packet.sender), None)
    return columns.get(packet.sender)


def _onward(sender: int | None, first: int, last: int, final: int) -> int:
    """1 towards the server, -1 towards the client; a stranger stands on the far side of who saw its packet first."""
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


def _canvas(lines: list[_Line], columns: int) -> _Canvas:
    starts = {line.start_ms for line in lines}
    heights: dict[float, float] = {}
    pauses: list[tuple[float, float]] = []
    y, before = float(_TOP), None
    for t_ms in sorted({t_ms for line in lines for _column, t_ms in line.seen}):
        if before is not None:
            pause = t_ms - before
            step = min(4 + 9 * math.log10(1 + pause / 0.02), 40)
            step = max(step, 26) if t_ms in starts else step
            if pause >= _PAUSE_MS:
                step += 14
                pauses.append((y + step / 2 + 4, pause))
            y += step
        heights[t_ms] = y
        before = t_ms
    gap = min(max(_WIDTH / max(columns - 1, 1), 200), 640)
    return _Canvas(_LEFT + gap * (columns - 1) + _RIGHT, gap, heights, pauses, y)


def _column(x: float, vantage: Vantage, height: float) -> Markup:
    note = vantage.role if vantage.recorded else f"{vantage.role}, not recorded"
    told = vantage.host if vantage.recorded else f"{vantage.host}: {vantage.why or 'not recorded'}"
    return Markup(
        '<g class="column{kind}"><title>{told}</title><rect x="{left:.0f}" y="8" width="170" height="42" rx="7"/>'
        '<text class="host" x="{x:.0f}" y="26">{host}</text><text class="role" x="{x:.0f}" y="42">{note}</text>'
        '<line x1="{x:.0f}" y1="50" x2="{x:.0f}" y2="{bottom:.0f}"/></g>'
    ).format(
        kind="" if vantage.recorded else " unseen",
        told=told,
        left=x - 85,
        x=x,
        host=clip(vantage.host, 22),
        note=clip(note, 28),
        bottom=height - 8,
    )


def _drawn(line: _Line, canvas: _Canvas) -> Markup:
    packet = line.packet
    points = [(canvas.x(column), canvas.heights[t_ms]) for column, t_ms in line.seen]
    origin, end = canvas.x(line.origin), canvas.x(line.end)
    (x, y), (last_x, last_y) = points[0], points[-1]
    parts = [
        Markup('<g class="packet {}"><title>{}</title>').format(packet.kind if packet.kind in _KINDS else "other", _told(packet)),
        Markup('<text class="time" x="{}" y="{:.0f}">{}</text>').format(_AXIS, y + 4, at(line.start_ms)),
    ]
    if origin != x:
        parts.append(_stroke([(origin, y), (x, y)], "guess"))
    if line.stranger:
        parts.append(Markup('<circle cx="{:.0f}" cy="{:.0f}" r="4"/>').format(origin, y))
    if len(points) > 1:
        parts.append(_stroke(points, "seen"))
    tip = last_y
    if end != last_x:
        tip = last_y + 6
        parts.append(_stroke([(last_x, last_y), (end, tip)], "guess"))
    if line.doubt is not None and abs(line.doubt - line.seen[-1][0]) > 1:
        parts.append(_stroke([(last_x + 12 * line.onward, tip), (canvas.x(line.doubt) - 12 * line.onward, tip)], "doubt"))
    if line.lost:
        parts.append(_cross(end, tip))
    else:
        way = [(origin, y), *points, (end, tip)]
        parts.append(_head(next((point for point in reversed(way) if point[0] != end), (origin, y)), (end, tip)))
    room = canvas.width - origin if line.onward > 0 else origin - _AXIS - 60
    parts += [_label(line, origin, y, room), Markup("</g>")]
    return Markup("").join(parts)


def _label(line: _Line, x: float, y: float, room: float) -> Markup:
    packet = line.packet
    again = f" {told}" if (told := retransmission(packet)) else ""
    origin = f"from {packet.sender} " if line.stranger and packet.sender not in packet.detail else ""
    label = clip(packet.label, 32)
    letters = int((room - 8 * len(label + again)) / 6.5)
    return Markup(
        '<text class="label" x="{:.0f}" y="{:.0f}" text-anchor="{}"><tspan class="what">{}</tspan>{}<tspan class="more"> {}</tspan></text>'
    ).format(
        x + 9 * line.onward,
        y - 6,
        "start" if line.onward > 0 else "end",
        label,
        Markup('<tspan class="again">{}</tspan>').format(again) if again else "",
        clip(origin + packet.detail, min(max(letters, 0), 80)),
    )


def _stroke(points: list[tuple[float, float]], kind: str) -> Markup:
    return Markup('<polyline class="{}" points="{}"/>').format(kind, " ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def _head(start: tuple[float, float], end: tuple[float, float]) -> Markup:
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    corners = [(end[0] - 10 * math.cos(angle + side), end[1] - 10 * math.sin(angle + side)) for side in (0.4, -0.4)]
    return Markup('<polygon points="{}"/>').format(" ".join(f"{x:.1f},{y:.1f}" for x, y in (end, *corners)))


def _cross(x: float, y: float) -> Markup:
    return Markup('<path class="cross" d="M{:.1f} {:.1f}l14 14m0 -14l-14 14"><title>lost here</title></path>').format(x - 7, y - 7)


def _told(packet: Packet) -> str:
    """A packet in words, for the tooltip and for those who cannot see the picture."""
    return f"{packet.label} {packet.detail}".strip() + ": " + ", ".join(observations(packet)) + ("; then lost" if packet.lost else "")


def retransmission(packet: Packet) -> str:
    """``retransmission 2``, for packets that a kernel sends again until they are answered; an ACK is not one of them."""
    return f"retransmission {packet.transmission - 1}" if packet.transmission > 1 and packet.kind in ("syn", "syn_ack", "fin") else ""


def at(t_ms: float) -> str:
    """A place on the time axis, always to a tenth of a millisecond."""
    return f"{t_ms / 1000:.4f} s" if abs(t_ms) >= 1000 else f"{t_ms:.2f} ms"


def _spoken(lines: list[_Line]) -> str:
    return ", then ".join(f"{line.packet.label}{' lost' if line.lost else ''}" for line in lines[:12])
