# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The queues of a listening socket: who empties them, and how long they may be."""

from __future__ import annotations

from dataclasses import dataclass

from .._decide.case import Fix
from .._model.evidence import Host, Listener, Process
from .application import longer_backlog, more_connections
from .make import advice, shell
from .service import restarted
from .sysctl import saved, setting, sysctls

SOMAXCONN = "net.core.somaxconn"
_ENOUGH = 4096  # the kernel's own default since 5.4


@dataclass(frozen=True)
class Accepting:
    """Who is to accept connections (None: not known), by name, and what keeps it from that, in words that go on a sentence.

    ``kind``: stopped, descriptors, hung, not_waiting (it holds the socket, and does not watch it), or empty where nothing was seen.
    """

    process: Process | None
    name: str
    state: str = ""
    kind: str = ""


def unblocked(server: Host, who: Accepting, listener: Listener, limit: str, held: str = "") -> Fix:
    """Restart who does not accept, with room for more where it is the kernel that cuts the backlog; a listener asks for it only once.

    One that has no descriptor left, or has stopped asking for connections, is at a limit of its own: no queue is long enough then.
    """
    process, stopped = who.process, who.kind == "stopped"
    why = f"{listener.recv_q} connections wait for accept(), and the queue has room for {listener.send_q}"
    if who.kind in ("descriptors", "not_waiting"):
        return _own_limit(server, who, why, held)
    if process and who.kind == "hung":
        summary = f"find out for what {who.name} waits in the kernel (/proc/{process.pid}/stack, dmesg): it cannot be ended before"
        return advice("application", server.name, summary, [shell("cat", f"/proc/{process.pid}/stack")], why=why)
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


def _own_limit(server: Host, who: Accepting, why: str, held: str) -> Fix:
    """Fewer connections, or a higher limit of the application's; a longer queue only lets them wait."""
    line, whose = more_connections(who.process), f" ({held})" if held else ""
    unit = who.process.unit if who.process else None
    if who.kind == "descriptors":
        files = f" and of its open files (LimitNOFILE= of {unit})" if unit else " and of its open files (ulimit -n)"
        summary = f"raise {who.name}'s limit of connections{files}{line}, and restart it"
    else:
        summary = f"see whether {who.name} is at its own limit of connections{line}, and raise it"
    rest = f"{summary}; or find out who holds its connections{whose}. A longer queue would only have more of them wait"
    return advice("application", server.name, rest, why=why)


def with_cookies(server: Host, summary: str, why: str) -> Fix:
    """SYN cookies do without a queue while it is full."""
    return sysctls(server, {"net.ipv4.tcp_syncookies": 1}, summary, why=why)
