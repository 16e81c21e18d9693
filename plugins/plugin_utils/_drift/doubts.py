# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What speaks against a state as a baseline: handshakes that cannot work in it, or will not after a reboot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .._plan.orders import STAND_INS
from .parts import Part
from .state import PACKETS, STOPPED, State


def doubts(state: State, mine: Iterable[Part]) -> Iterator[str]:
    """Sentences without the host. ``mine``: its parts in the handshakes."""
    if state.listeners is not None:
        served = {part.entry.port for part in mine if part.role == "server"}
        for port in sorted(served - {listener.port for listener in state.listeners}):
            yield f"nobody listens on port {port}"
    for verdict in state.firewall or ():
        known = not {verdict.source, verdict.destination} & set(STAND_INS.values())
        if verdict.verdict in STOPPED and known:
            packet = PACKETS.get(verdict.packet, verdict.packet)
            by = f" by {verdict.decided_by}" if verdict.decided_by else ""
            yield f"the {packet} from {verdict.source} to {verdict.destination} is stopped: {verdict.verdict}{by}"
    for route in state.routes or ():
        if route.error or route.type not in ("unicast", "local"):
            yield f"there is no way to {route.to} ({route.error or route.type})"
    for change in state.reboot or ():
        yield f"a reboot would change {change.kind} {change.name} from {change.now or 'empty'} to {change.then or 'empty'}"
