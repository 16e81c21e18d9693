# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Servers of a flow that share its address by design, as with anycast, ECMP and direct server return: who got which handshake.

Each has the address on an interface without a wire, and not on the one by which packets come: who sends to it chooses by routes.
"""

from __future__ import annotations

from .._model.host import Host
from .._model.network_records import LOOPBACK
from .case import Case
from .timeline import Attempt

_WITHOUT_WIRE = "dummy"


def leave_to_partners(case: Case) -> None:
    """Judge the handshakes that came to the case's own server; another one's stay with its own case.

    Where all came to other servers, those that came to the first of these are judged as ended there.
    """
    server = case.server
    if server is None or not case.partners or not case.attempts or _came_to(case, server, case.attempts[0]) is None:
        return
    takers = [next((each for each in case.partners if _came_to(case, each, attempt)), None) for attempt in case.attempts]
    left = [attempt for attempt, taker in zip(case.attempts, takers, strict=True) if taker is None]
    if left:
        case.attempts = left
    else:
        case.server = takers[0]
        case.partners = [server, *(each for each in case.partners if each is not takers[0])]
        case.attempts = [attempt for attempt, taker in zip(case.attempts, takers, strict=True) if taker is takers[0]]


def _came_to(case: Case, host: Host, attempt: Attempt) -> bool | None:
    """Whether the SYN of an attempt came in at a host for an address that it has apart from its links; None: it has it not, or there."""
    own = host.interface_of(case.address)
    if own is None:
        return None
    link = host.link(own.interface)
    if own.interface != LOOPBACK and (link is None or link.kind != _WITHOUT_WIRE):
        return None
    return any(row.at(host.name, "in") for row in attempt.of("syn"))
