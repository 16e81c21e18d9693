# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Processes that are stopped: who lets them go on, and how."""

from __future__ import annotations

from .._model.fixes import Fix
from .._model.socket_records import Process
from .make import advice, shell


def going_on(process: Process) -> tuple[str, list[str]]:
    """What lets it go on, as the end of a sentence that says so, and the commands.

    A tracer that has stopped it keeps signals from it (ptrace(2)); one that ends lets go of it, unless it has started it itself, as
    debuggers end what they have started. A process that was stopped before it was traced is stopped then as before.
    """
    cont = shell("kill", "-CONT", process.pid)
    if not process.traced:
        return cont, [cont]
    tracer = process.tracer
    if tracer is None:
        return "find who traces it (TracerPid in its /proc/PID/status, or in that of its container's host), and have that let go of it", []
    who = f"{tracer.name} (pid {tracer.pid})"
    let = f"have {who}, which has stopped it, continue it or let go of it (gdb: detach, then quit)"
    if process.parent == tracer.pid:
        return f"{let}; whoever ends {who} ends it as well", []
    return f"{let}, or end {who}; kill -CONT alone does nothing meanwhile", [shell("kill", tracer.pid), cont]


def let_go_on(host: str, process: Process, why: str = "") -> Fix:
    how, commands = going_on(process)
    summary = f"let {process.name} (pid {process.pid}) on {host} go on: {how}" + ("" if process.traced else ", or restart it")
    return advice("application", host, summary, commands, why=why)
