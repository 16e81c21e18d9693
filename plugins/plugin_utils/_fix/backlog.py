# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The queues of a listening socket: who empties them, and how long they may be."""

from __future__ import annotations

from .._decide.case import Fix
from .._model.evidence import Host, Listener, Process
from .application import longer_backlog
from .make import advice, shell
from .service import restarted
from .sysctl import saved, setting, sysctls

SOMAXCONN = "net.core.somaxconn"
_ENOUGH = 4096  # the kernel's own default since 5.4


def unblocked(server: Host, process: Process | None, listener: Listener, limit: str) -> Fix:
    """Restart who does not accept, with room for more where it is the kernel that cuts the backlog; a listener asks for it only once."""
    why = f"{listener.recv_q} connections wait for accept(), and the queue has room for {listener.send_q}"
    stopped = process is not None and process.state in ("T", "t")
    line = "" if limit == SOMAXCONN else longer_backlog(process, listener.port)
    slow = f"if it is only slow, raise {limit} (now {listener.send_q}){line}"
    if process and process.unit:
        cut = limit == SOMAXCONN and not stopped and listener.send_q < _ENOUGH
        first = (setting(SOMAXCONN, _ENOUGH),) if cut else ()
        cont = f" (it is stopped: kill -CONT {process.pid} lets it go on)" if stopped else ""
        more = f", with {SOMAXCONN}={_ENOUGH}" if cut else "" if stopped else f"; {slow}"
        summary = f"restart {process.unit} on {server.name}{cont}{more}"
        return restarted(server, process.unit, summary, why=why, first=first, saves=saved(SOMAXCONN) if cut else None)
    if process and stopped:
        commands = [shell("kill", "-CONT", process.pid)]
        summary = f"let {process.name} (pid {process.pid}) go on: kill -CONT {process.pid}, or restart it"
        return advice("application", server.name, summary, commands, why=why)
    return advice("application", server.name, f"find out why the application does not accept; {slow}", why=why)


def with_cookies(server: Host, summary: str, why: str) -> Fix:
    """SYN cookies do without a queue while it is full."""
    return sysctls(server, {"net.ipv4.tcp_syncookies": 1}, summary, why=why)
