# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Hosts on the way that translate what a host dials to that host's own address."""

from __future__ import annotations

from ..._model.firewall_records import DESTINATION_NAT
from ..._model.host import Host
from ..._model.rule_records import Rule
from ..case import Case
from .traversals import Place, judged


def turned_back(case: Case, host: Host) -> tuple[Host, Rule] | None:
    """Who sends the client's SYN back to it, with its source as it was, and by which rule."""
    for via in case.vias if host is case.client else ():
        verdict = judged(case, Place(via, "syn", "forward", "path.forward"))
        target, rule = (verdict.rewritten, verdict.last_to(*DESTINATION_NAT)) if verdict and not verdict.stops else (None, None)
        if verdict and target and rule and target.source == verdict.source and host.owns(target.destination) is True:
            return via, rule
    return None
