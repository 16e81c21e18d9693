# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Who is to accept the connections of a listening socket, and why it does not."""

from __future__ import annotations

from collections.abc import Iterable

from ..._model.host import Host
from ..._model.socket_records import Listener, Process
from ..._model.socket_subjects import Accepting
from ..._values.words import plural


def accepting(listener: Listener) -> Accepting:
    """Whose task it is: those that wait on the socket, else all that hold it but the process that started these."""
    processes = listener.processes or ()
    pollers = [process for process in processes if process.pid in (listener.pollers or ())]
    started = {process.parent for process in processes}
    workers = pollers or [process for process in processes if process.pid not in started] or list(processes)
    if not workers:
        return Accepting(None, "the application")
    frozen = [process for process in workers if process.frozen]
    if len(frozen) == len(workers):
        return Accepting(frozen[0], _named(frozen), "; its control group is frozen (systemctl freeze, docker pause)", "frozen")
    stopped = [process for process in workers if process.stopped]
    used_up = [process for process in workers if process.fds is not None and process.fd_limit and process.fds >= process.fd_limit]
    hung = [process for process in workers if process.state == "D"]
    if len(stopped) == len(workers) or (stopped and not pollers):
        which = "" if len(stopped) == len(workers) else f", one of {len(workers)} that may accept"
        kind = "traced" if stopped[0].traced else "stopped"
        return Accepting(stopped[0], _named(stopped), f"; it is stopped {stopped_by(stopped[0])}{which}", kind)
    if used_up:
        first = used_up[0]
        return Accepting(first, _named(used_up), f"; it has used up its file descriptors ({first.fds} of {first.fd_limit})", "descriptors")
    if len(hung) == len(workers):
        return Accepting(hung[0], _named(hung), "; it hangs in the kernel (state D)", "hung")
    if listener.pollers == ():
        return Accepting(workers[0], _named(workers), "; it does not wait for connections at present (epoll)", "not_waiting")
    return Accepting(workers[0], _named(workers))


def stopped_by(process: Process) -> str:
    """``by gdb (pid 7), which traces it``, for a process that is stopped."""
    if process.tracer:
        return f"by {process.tracer.name} (pid {process.tracer.pid}), which traces it"
    return "by a debugger or another program that traces it" if process.traced else "by a signal (SIGSTOP)"


def left_behind(server: Host, listener: Listener, who: Accepting) -> Accepting:
    """The same, where systemd no longer has the unit running whose processes these are: they are left of an earlier start of it, and it
    cannot start again, as they have its port. Those that hang in the kernel cannot be ended, whoever started them."""
    if who.kind == "hung":
        return who
    units = (server.snapshot.units if server.snapshot else None) or ()
    processes = listener.processes or ()
    for unit in units:
        if unit.active in ("failed", "inactive") and processes and all(each.unit == unit.unit for each in processes):
            state = f"; it is left of an earlier start of {unit.unit}, which is {unit.active}, and has its port"
            return Accepting(processes[0], who.name, state, "left", tuple(each.pid for each in processes))
    return who


def _named(processes: list[Process]) -> str:
    first = processes[0]
    if len(processes) == 1:
        return f"{first.name} (pid {first.pid})"
    return f"{first.name} (pids {', '.join(str(process.pid) for process in processes[:4])}{', ...' if len(processes) > 4 else ''})"


def connections(server: Host, port: int) -> str:
    """Who has most connections to a port whose queue is full; empty where that was not asked."""
    peers = [peer for peer in (server.snapshot.peers if server.snapshot else None) or () if peer.port == port]
    return ", ".join(f"{plural(peer.count, 'connection')} of {peer.address}" for peer in peers[:3])


def group(listener: Listener, listeners: Iterable[Listener]) -> list[Listener]:
    """The sockets that share a listener's address, itself among them: the kernel spreads connections over them (SO_REUSEPORT)."""
    same = (listener.family, listener.address, listener.port, listener.device)
    return [each for each in listeners if (each.family, each.address, each.port, each.device) == same]


def shared(listener: Listener, listeners: Iterable[Listener]) -> str:
    """``; it is one of 2 sockets that share the address (SO_REUSEPORT), of which 1 has room``, for a sentence on their queues."""
    sockets = group(listener, listeners)
    if len(sockets) < 2:
        return ""
    room = sum(not each.full for each in sockets)
    have = "has" if room == 1 else "have"
    return f"; it is one of {len(sockets)} sockets that share the address (SO_REUSEPORT), of which {room} {have} room"
