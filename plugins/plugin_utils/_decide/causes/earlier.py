# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Connections of the client with the server that others made earlier, as either end has them after the attempts."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.socket_records import Socket
from ..case import Case

End = tuple[str, int]


def at_client(case: Case) -> list[Socket]:
    """Those of the client with the address and port that are dialled."""
    return [each for each in _sockets(case.client) if (each.remote, each.remote_port) == (case.address, case.port)]


def at_server(case: Case, server: Host) -> list[Socket]:
    """Those that the server holds of the port, with whomever."""
    return [each for each in _sockets(server) if is_held(each) and each.local_port == case.listening_port]


def is_held(each: Socket) -> bool:
    return each.state == "ESTABLISHED"


def near(each: Socket) -> End:
    """The end of the host that has it."""
    return each.local, each.local_port


def far(each: Socket) -> End:
    """The other end."""
    return each.remote, each.remote_port


def _sockets(host: Host) -> tuple[Socket, ...]:
    return tuple((host.after.sockets if host.after else None) or ())
