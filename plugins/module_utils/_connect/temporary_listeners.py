# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Listeners that only complete handshakes, on the addresses and ports of flows on which nothing listens.

They distinguish a way that is blocked from a service that does not run. A connection is held until its peer closes it; nothing is ever
read from it or written to it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import typing as t

from .._errors import ObserveError
from .._host.sockets import listeners
from .._wire.addresses import canonical

MOST_LISTENERS = 64
MOST_HELD = 256  # connections at a time; those beyond are reset
MOST_TAKEN = 1000  # handshakes
_BACKLOG = 128
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER, which connections inherit: however this process ends, no TIME_WAIT stays on the port
_ORDERLY = struct.pack("ii", 0, 0)

Record = t.Dict[str, t.Any]
End = t.Tuple[str, int]  # address, port

_WHY = {
    errno.EACCES: "this user may not bind the port: ports below net.ipv4.ip_unprivileged_port_start (1024) take root or "
    "CAP_NET_BIND_SERVICE, and SELinux must allow the port's type",
    errno.EPERM: "this user may not bind the port: a security module or a program of a control group forbids it",
    errno.EADDRINUSE: "the port is in use: a socket is bound to it, or connections from it are open or have just ended",
    errno.EADDRNOTAVAIL: "it is no address of this host",
}


class TemporaryListeners:
    """`Worker` of `_record.detached`."""

    def __init__(self, wanted: t.Iterable[End], translated: t.Container[End] = ()) -> None:
        """Listen on those of the wanted ends on which nothing listens; `lacking` says why not on others.

        `translated`: ends whose handshakes the host's firewall leads elsewhere.
        """
        self.lacking: list[str] = []
        self._listening: dict[int, socket.socket] = {}
        self._held: dict[int, socket.socket] = {}
        self._taken: list[Record] = []
        self._count = 0
        self._listen(list(dict.fromkeys(wanted)), translated)
        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        """Given up for a moment where there is no other descriptor for a connection: one that nobody takes keeps its listener readable."""
        self._waiting = select.epoll()
        for descriptor in self._listening:
            self._waiting.register(descriptor, select.EPOLLIN)

    def ends(self) -> list[Record]:
        """Where they listen."""
        names = [listener.getsockname() for listener in self._listening.values()]
        return [{"address": canonical(name[0]), "port": name[1]} for name in names]

    def fileno(self) -> int:
        """Readable when somebody connects or closes."""
        return self._waiting.fileno()

    def descriptors(self) -> list[int]:
        """See `detached.Worker`."""
        return [self.fileno(), self._spare, *self._listening]

    def collect(self) -> None:
        for descriptor, _events in self._waiting.poll(0):
            if descriptor in self._listening:
                self._accept(self._listening[descriptor])
            else:
                self._release(descriptor)

    def result(self, interest: Record | None = None) -> Record:
        """`temporary_listeners` of docs/evidence.md."""
        self.collect()
        return {"ends": self.ends(), "taken": self._taken, "count": self._count}

    def finish(self, interest: Record | None = None) -> Record:
        result = self.result()
        self.close()
        return result

    def close(self) -> None:
        """Also resets what is still held; nothing of it stays behind on the port."""
        self._waiting.close()
        os.close(self._spare)
        for each in (*self._listening.values(), *self._held.values()):
            each.close()
        self._listening.clear()
        self._held.clear()

    def _listen(self, wanted: t.Sequence[End], translated: t.Container[End]) -> None:
        foreign: list[End] = []
        for end in wanted[:MOST_LISTENERS]:
            if end in translated:
                self._lacks(end, "the host's firewall translates what comes there to another address or port")
                continue
            try:
                listener = None if _is_taken(end) else _open(end)
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    foreign.append(end)
                else:
                    self._lacks(end, _WHY.get(error.errno or 0, str(error.strerror)))
                continue
            except ObserveError as error:
                self._lacks(end, f"whether something listens there is unknown: {error}")
                continue
            if listener is not None:
                self._listening[listener.fileno()] = listener
        ports = {each["port"] for each in self.ends()}
        for end in foreign:  # the address of what stands in front of this host is one of a flow, too
            if end[1] not in ports:
                self._lacks(end, _WHY[errno.EADDRNOTAVAIL])
        if len(wanted) > MOST_LISTENERS:
            self.lacking.append(f"{MOST_LISTENERS} of {len(wanted)} addresses and ports were considered")

    def _lacks(self, end: End, why: str) -> None:
        address, port = end
        self.lacking.append(f"none on {f'[{address}]' if ':' in address else address}:{port}: {why}")

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, peer = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._accept_by_spare(listener)
            return  # else it was reset meanwhile; the client's kernel completed the handshake all the same
        self._note(connection, peer)
        if len(self._held) >= MOST_HELD:
            connection.close()
            return
        self._held[connection.fileno()] = connection
        self._waiting.register(connection.fileno(), select.EPOLLRDHUP)  # never readiness for reading: what peers send stays where it is

    def _accept_by_spare(self, listener: socket.socket) -> None:
        """Take a connection and reset it, without a descriptor more than there are."""
        os.close(self._spare)
        try:
            with contextlib.suppress(OSError):
                connection, peer = listener.accept()
                self._note(connection, peer)
                connection.close()
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _note(self, connection: socket.socket, peer: t.Any) -> None:
        local = connection.getsockname()
        self._count += 1
        if len(self._taken) < MOST_TAKEN:
            remote = {"remote": canonical(peer[0]), "remote_port": peer[1]}
            self._taken.append({"address": canonical(local[0]), "port": local[1], **remote})

    def _release(self, descriptor: int) -> None:
        """The peer has closed, or is gone."""
        connection = self._held.pop(descriptor, None)
        if connection is not None:
            self._waiting.unregister(descriptor)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ORDERLY)  # it closed first: TIME_WAIT is its own
            connection.close()


def _open(end: End) -> socket.socket:
    """A listener on the very end. Without SO_REUSEADDR, so that it takes no port from a program that has bound it and will listen."""
    family = socket.AF_INET6 if ":" in end[0] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        listener.bind(end)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _is_taken(end: End) -> bool:
    """Whether a socket listens that would take handshakes with this end, if only of some interface. Raises ObserveError."""
    address, port = end
    family = "ipv6" if ":" in address else "ipv4"
    return any(
        each["address"] == address
        or (each["address"] == "0.0.0.0" and family == "ipv4")
        or (each["address"] == "::" and (family == "ipv6" or not each["v6only"]))
        for each in listeners([port])
    )
