# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""From which of its addresses a client sends, and which one was to be expected."""

from __future__ import annotations

from .case import Case


def declared_beside(case: Case, source: str) -> str | None:
    """Another address of the interface that has ``source``, one that the inventory gives the client while it does not give it this one."""
    own = case.client.interface_of(source)
    if own is None or case.declared.has(case.client.name, source) or case.client is case.server:
        return None
    beside = [entry.address for entry in (case.client.snapshot.addresses if case.client.snapshot else None) or ()]
    same = [address for address in beside if (entry := case.client.interface_of(address)) and entry.interface == own.interface]
    return next((address for address in same if (":" in address) == (":" in source) and case.declared.has(case.client.name, address)), None)
