# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Why a server behind a balancer does not take its connections on a port, as far as the server's own queues and rules tell."""

from __future__ import annotations

from ..._model.firewall_records import Verdict
from ..._model.host import Host
from ..._model.socket_subjects import Backend
from ..case import Case
from .backends import backends

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
    by_tcp = bool(asked) and all(each.verdict == "accept" for each in asked)
    return _by_rules(asked), Backend("closed", port) if by_tcp else None


def _by_rules(asked: list[Verdict]) -> str:
    stopping = next((each.rule for each in asked if each.stops and each.rule), None)
    return f": its firewall stops them by {stopping.name}" if stopping else ""


def _asked(case: Case, front: Host, behind: Host, port: int) -> list[Verdict]:
    """What the server's rules, evaluated, do with the SYNs of the host in front."""
    asked = [each for address, to in backends(case) if to == port for each in behind.rulings.of_syns_to(address, port)]
    return [each for each in asked if front.owns(each.source)]
