# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Routing tables for advice."""

from __future__ import annotations

from .._model.host import Host

_NUMBERS = range(100, 250)  # below those that the kernel has by itself


def free_table(host: Host | None) -> int | None:
    """A routing table that the host has no rule and no route for: a route and a rule that are added then change nothing for others.

    None where it is not known which tables are in use, as those of VRFs, which one rule leads to all together.
    """
    snapshot = host.snapshot if host else None
    if snapshot is None or snapshot.rules is None or snapshot.links is None or any(link.vrf for link in snapshot.links):
        return None
    taken = {rule.table for rule in snapshot.rules} | {route.table for route in snapshot.routes or ()}
    return next((number for number in _NUMBERS if number not in taken), None)
