# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Ports that an ssh or sshd forwards (-L, -R) by a session whose other end is gone."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.socket_records import Listener
from ..._model.socket_subjects import DeadSession
from ..._values.words import endpoint
from ..case import Case
from ..finding import Finding
from . import called
from .needs import LISTENER, SERVER, needs

_GONE = 3  # retransmissions of one segment that a few losses do not explain


@needs(SERVER, LISTENER)
def tunnelled(case: Case, server: Host, listener: Listener) -> Finding | None:
    """An SSH session carries the connections, and its other end is gone: whoever has the listener does not know it yet."""
    pids = {process.pid for process in listener.processes or ()}
    known = (server.after.tunnels if server.after else None) or ()
    carrying = [each for each in known if each.pid in pids and each.local_port != case.listening_port]
    dead = [each for each in carrying if each.unanswered >= _GONE]
    if not dead or len(dead) < len(carrying) or called.got_data(case):
        return None
    session = dead[0]
    end = endpoint(session.address, session.port)
    return Finding(
        "likely",  # it may answer after all
        server.name,
        "server.application",
        f"{session.program} (pid {session.pid}) on {server.name} takes the connections to {case.target} for an SSH session with {end}, "
        "which does not answer any more",
        (
            case.saw(server, "inet_diag", f"data for {end} was repeated {session.unanswered} times, and is not acknowledged"),
            *case.passage(),
        ),
        detail={"program": session.program, "pid": session.pid, "peer": session.address},
        undecided=(f"the same connection of {server.name} some seconds later (ss -tno) would show whether {session.address} answers",),
        subject=DeadSession(session.program, session.pid, session.address),
    )
