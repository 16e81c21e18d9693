# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which handshakes of a capture somebody asks for."""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

from .segment import endpoints


class Wanted(NamedTuple):
    """Which handshakes are of interest, and how many of them are listed."""

    client: Any = None
    """An ipaddress network."""
    server: Any = None
    port: int | None = None
    since: float | None = None
    until: float | None = None
    failed: bool = False
    """Whether only those are listed that did not complete."""
    limit: int = 100

    def has(self, pair: bytes, time_ns: int) -> bool:
        """The choice for a handshake that begins at that time."""
        if not (self.since or float("-inf")) * 1e9 <= time_ns <= (float("inf") if self.until is None else self.until) * 1e9:
            return False
        if self.port is not None and int.from_bytes(pair[-2:], "big") != self.port:
            return False
        if self.client is None and self.server is None:
            return True
        client, _port, server, _port = endpoints(pair)
        ends = ((self.client, client), (self.server, server))
        return all(network is None or ipaddress.ip_address(address) in network for network, address in ends)
