# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""How many connections each client makes to a listener, so that a run as a whole does it no harm (docs/attempts.md). Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypedDict

from ansible_collections.threeway.handshake.plugins.module_utils._connect.probe import FURTHER

from .options import Options

if TYPE_CHECKING:
    from .plan import Entry

Listener = tuple[str, int]  # the server, or the address that is dialled where no server is named, and the port


class Share(TypedDict):
    """Of one dial of a client; ``further``: where its attempts differ."""

    attempts: int
    further: int


def shares(entries: Iterable[Entry], options: Mapping[str, Options]) -> tuple[dict[tuple[str, int], Share], tuple[str, ...]]:
    """By client and dial; and a sentence for each listener for which clients make fewer attempts than their options ask for.

    ``options``: those of the clients that take part.
    """
    listeners: dict[tuple[str, int], set[Listener]] = defaultdict(set)
    for entry in entries:
        if entry.client in options:
            listeners[entry.client, entry.dial].add((entry.server or entry.address, entry.port))
    asked, dials = Counter[Listener](), Counter[Listener]()
    for (client, _dial), reached in listeners.items():
        for listener in reached:
            asked[listener] += options[client].attempts
            dials[listener] += 1
    found: dict[tuple[str, int], Share] = {}
    for (client, dial), reached in listeners.items():
        most, wanted = options[client].connects, options[client].attempts
        attempts = max(1, min((wanted * most // max(most, asked[each]) for each in reached), default=wanted))
        spare = min((most - asked[each]) // dials[each] for each in reached)
        further = 0 if options[client].sparing else max(0, min(FURTHER, spare))
        found[client, dial] = {"attempts": attempts, "further": further}
    limits = {listener: options[client].connects for (client, _dial), reached in listeners.items() for listener in reached}
    return found, tuple(
        f"{count} connections to {server} port {port} would be made, more than diagnose_connects ({limits[server, port]}): each of the "
        f"{dials[server, port]} clients and flows makes fewer attempts, one at least."
        for (server, port), count in asked.items()
        if count > limits[server, port]
    )
