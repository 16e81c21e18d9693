# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Listeners in containers and other network namespaces of the server, on other ports than the one that is dialled: no rule leads there."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.socket_records import ForeignListener
from ..._model.socket_subjects import Unpublished
from ..case import Case
from .inside import led_nowhere, owner_of


def unpublished(case: Case, server: Host) -> list[ForeignListener]:
    """Those that may be meant, where nothing is known to lead the port on."""
    if not led_nowhere(case, server):
        return []
    return [entry for entry in (server.snapshot.other_namespaces if server.snapshot else None) or () if entry.port != case.listening_port]


def meant(found: list[ForeignListener]) -> Unpublished | None:
    """The one that may be meant, where there is one only."""
    return Unpublished(found[0], owner_of(found[0])) if len({(each.netns, each.port) for each in found}) == 1 else None
