# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Servers that close some of the connections at once and keep others, as one of several processes that share a port may."""

from __future__ import annotations

from ..._model.socket_records import Process
from ..._model.socket_subjects import HangsUp, Sharing
from ..._values.words import plural
from ..case import Case
from ..finding import Finding

_FIRST = 1  # the process of which others are that have left theirs


def closes_some(case: Case, made: int, closed: int) -> Finding:
    """`made` connections, of which the server closed `closed`."""
    sharing = _sharing(case)
    named = [f"{each.name} (pid {each.pid})" for each in sharing]
    host = case.server.name if case.server else "path"
    return Finding(
        "likely",
        host,
        "server.application",
        f"the handshake with {case.target} completes, and the server closes {closed} of {plural(made, 'connection')} at once, without a "
        "byte"
        + (f": {' and '.join(named)} share the port, and each of them gets some" if len(named) > 1 else "")
        + (f": {named[0]} listens there" if len(named) == 1 else ""),
        (
            case.saw(case.client, "probe", f"closed without a byte, {closed} of {plural(made, 'attempt')}"),
            *([case.saw(case.server, "inet_diag", f"{len(named)} programs listen there")] if case.server and len(named) > 1 else []),
            *case.passage(),
        ),
        detail={"closed": closed, "made": made, "pids": [each.pid for each in sharing]},
        undecided=(f"the {'logs of both' if len(named) > 1 else 'log of the application'} would show why",),
        subject=Sharing(sharing) if len(sharing) > 1 else HangsUp(sharing[0], said=False) if sharing else None,
    )


def _sharing(case: Case) -> tuple[Process, ...]:
    """A process of each program that listens there. Workers of one program have one parent, or are it; leaving theirs makes a program of
    its own."""
    found: dict[int, Process] = {}
    for listener in case.listeners_on_port() or ():
        process = next(iter(listener.processes or ()), None)
        if process is not None and case.mismatch(listener) is None:
            found.setdefault(process.parent if process.parent and process.parent != _FIRST else process.pid, process)
    heads = {process.pid for process in found.values()}
    return tuple(process for head, process in found.items() if head == process.pid or head not in heads)
