# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Why a server behind a balancer does not take its connections on a port, as far as the server's own queues and rules tell."""

from __future__ import annotations

from ..._model.firewall_records import Verdict
from ..._model.host import Host
from ..._model.socket_subjects import Backend
from ..case import Case
from .backends import syns_at

Because = tuple[str, Backend | None]
"""What is added to the sentence that it does not take them, and what is amiss, if that is known."""


def unanswered(case: Case, front: Host, behind: Host, port: int) -> Because:
    """It says nothing: its queue is full, or rules drop the SYNs."""
    full = next((each for each in (behind.after.listeners_on if behind.after else {}).get(port, ()) if each.full), None)
    if full:
        return f", where {full.recv_q} connections wait for accept(), and {full.send_q} may", Backend("not_accepting", port)
    return _by_rules(_asked(case, front, behind, port)), None


def refused(case: Case, front: Host, behind: Host, port: int) -> Because:
    """Rules reject the SYNs, or else TCP does, for lack of a listener."""
    asked = _asked(case, front, behind, port)
    by_tcp = bool(asked) and all(each is not None and each.accepts for each in asked)
    return _by_rules(asked), Backend("closed", port) if by_tcp else None


def _by_rules(asked: list[Verdict | None]) -> str:
    """Where they stop each of the SYNs."""
    stopping = [each.rule for each in asked if each is not None and each.stops and each.rule]
    return f": its firewall stops them by {stopping[0].name}" if stopping and len(stopping) == len(asked) else ""


def _asked(case: Case, front: Host, behind: Host, port: int) -> list[Verdict | None]:
    """What the server's rules, evaluated, do with the SYNs of the host in front as they came, now or else before; None: not asked."""
    return [
        behind.verdicts.on(syn) or behind.verdicts.on(syn, "before")
        for source, address, to in syns_at(case, front, behind)
        for syn in [("syn", "in", source, address, to)]
        if to == port
    ]
