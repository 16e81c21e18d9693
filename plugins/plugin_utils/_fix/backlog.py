# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The queues of a listening socket: who empties them, and how long they may be."""

from __future__ import annotations

from collections.abc import Sequence

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.host import Host
from .._model.prose import NOTHING, Wording
from .._model.socket_records import ForeignListener, Listener, Process
from .._model.socket_subjects import SOMAXCONN, Accepting, AcceptQueue, HalfOpen
from .._model.unit_records import SocketUnit
from .application import thawed
from .make import advice, shell
from .programs import longer_backlog, more_connections
from .start import restarted
from .stopped import let_go_on
from .sysctl import saved, setting, sysctls

_ENOUGH = 4096  # the kernel's own default since 5.4


def accept_queue(case: Case, finding: Finding) -> Fix | None:
    """Of a listener of the server's own, or of one in another network namespace of it."""
    queue, foreign = finding.about(AcceptQueue), finding.about(ForeignListener)
    if foreign:
        owner = f"{foreign.name} (pid {foreign.pid})" if foreign.name else "the application"
        return advice("application", finding.host, f"find out why {owner} does not accept, or restart its container")
    if queue is None or case.server is None:
        return None
    return unblocked(case.server, queue.accepting, queue.listener, queue.limit, queue.connections, queue.socket)


def unblocked(
    server: Host, who: Accepting, listener: Listener, limit: str, held: Wording = NOTHING, socket: SocketUnit | None = None
) -> Fix:
    """Restart who does not accept, with room for more where it is the kernel that cuts the backlog; a listener asks for it only once.

    One that has no descriptor left, or has stopped asking for connections, is at a limit of its own: no queue is long enough then.
    """
    process, stopped = who.process, who.kind == "stopped"
    why = f"{listener.recv_q} connections wait for accept(), and the queue has room for {listener.send_q}"
    if who.kind in ("descriptors", "not_waiting"):
        return _own_limit(server, who, why, held)
    if process and who.kind == "frozen":
        return thawed(server.name, process, why)
    if process and process.unit and who.kind == "left":
        return _started_again(server, who.pids, process.unit, why, listener.processes or ())
    if process and who.kind == "traced":
        return let_go_on(server.name, process, why)
    if process and who.kind == "hung":
        summary = f"find out for what {who.name} waits in the kernel (/proc/{process.pid}/stack, dmesg): it cannot be ended before"
        return advice("application", server.name, summary, [shell("cat", f"/proc/{process.pid}/stack")], why=why)
    line = "" if limit == SOMAXCONN or socket else longer_backlog(process, listener.port)
    slow = f"if it is only slow, raise {limit} (now {listener.send_q}){line}"
    if process and process.unit:
        cut = limit == SOMAXCONN and not stopped and (listener.send_q or 0) < _ENOUGH
        first = (setting(SOMAXCONN, _ENOUGH),) if cut else ()
        cont = f" (it is stopped: kill -CONT {process.pid} lets it go on)" if stopped else ""
        more = f", with {SOMAXCONN}={_ENOUGH}" if cut else "" if stopped else f"; {slow}"
        summary = f"restart {process.unit} on {server.name}{cont}{more}"
        return restarted(server, process.unit, summary, why=why, first=first, saves=saved(SOMAXCONN) if cut else None)
    if process and stopped:
        return let_go_on(server.name, process, why)
    return advice("application", server.name, f"find out why the application does not accept; {slow}", why=why)


def _started_again(server: Host, pids: Sequence[int], unit: str, why: str, processes: Sequence[Process]) -> Fix:
    """systemctl restart leaves alone what systemd has left running (KillMode=), and no stopped process ends before it goes on."""
    tracers = sorted({each.tracer.pid for each in processes if each.traced and each.tracer})
    listed = ", ".join(map(str, pids))
    summary = f"end what is left of {unit} on {server.name} (pid {listed}), then start it"
    go_on = [shell("kill", *tracers)] if tracers else []
    go_on += [shell("kill", "-CONT", *pids)] if any(each.stopped for each in processes) else []
    commands = [shell("kill", *pids), *go_on, shell("systemctl", "reset-failed", unit), shell("systemctl", "start", unit)]
    return advice("service", server.name, f"{summary}; without KillMode=process systemd ends it by itself", commands, why=why)


def _own_limit(server: Host, who: Accepting, why: str, held: Wording) -> Fix:
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


def syn_queue_full(case: Case, finding: Finding) -> Fix | None:
    summary = "set net.ipv4.tcp_syncookies=1; raise the application's backlog and net.core.somaxconn; look for a SYN flood"
    return _with_cookies(case, finding, summary, "the queue has room for")


def syn_flood(case: Case, finding: Finding) -> Fix | None:
    """Who they are, nobody here knows."""
    summary = (
        "set net.ipv4.tcp_syncookies=1; have a firewall in front drop SYNs of invented addresses; see why SYN-ACKs do not reach real ones"
    )
    return _with_cookies(case, finding, summary, "there is room for")


def syn_backlog_reserved(case: Case, finding: Finding) -> Fix | None:
    summary = "set net.ipv4.tcp_syncookies=1 or raise net.ipv4.tcp_max_syn_backlog"
    return _with_cookies(case, finding, summary, "net.ipv4.tcp_max_syn_backlog is")


def _with_cookies(case: Case, finding: Finding, summary: str, limit: str) -> Fix | None:
    """SYN cookies do without a queue while it is full."""
    queue = finding.about(HalfOpen)
    if queue is None or case.server is None:
        return None
    why = f"{queue.count} connections are half-open, and {limit} {queue.limit}"
    return sysctls(case.server, {"net.ipv4.tcp_syncookies": 1}, summary, why=why)
