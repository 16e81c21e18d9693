# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Listeners on ports that the kernel chooses, which send a few full segments to whoever connects: the far end of `path_sizes`."""

from __future__ import annotations

import contextlib
import socket
import typing as t

from .temporary_listeners import TemporaryListeners

BYTES = 12000
"""That each end sends after a first byte: at least one segment of any usual size, and no more than a first window of usual ones."""


class PathListeners(TemporaryListeners):
    """`Worker` of `_record.detached`."""

    def __init__(self, addresses: t.Iterable[str]) -> None:
        super().__init__([(address, 0) for address in addresses])

    def _note(self, connection: socket.socket, peer: t.Any) -> None:
        super()._note(connection, peer)
        with contextlib.suppress(OSError):
            send(connection)


def send(connection: socket.socket) -> int:
    """A byte in a packet of its own, which shows that small ones pass, and then BYTES; how many the kernel took. OSError."""
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection.send(b"\0") + connection.send(bytes(BYTES))
