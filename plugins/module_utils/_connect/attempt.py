# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""One attempt to connect: a non-blocking socket, its outcome, and what the kernel says about it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from typing import Any

from .._wire.addresses import canonical
from .identity import acting_as
from .resolve import Dial
from .source_ports import bind, spread
from .tcp_info import CLOSE_WAIT, errno_name, icmp_error, local_name, open_socket, tcp_info, tcp_state


class Attempt:
    """One connect(): `state` goes from connecting (perhaps over late) to settling, or ends before."""

    def __init__(self, dial: Dial, number: int, family: int, sockaddr: tuple[Any, ...], ports: tuple[int, ...]) -> None:
        self.dial = dial
        self.ports = ports
        self.family = family
        self.sockaddr = sockaddr
        self.sock: socket.socket | None = None
        self.state = "new"
        self.started = 0.0
        self.due = 0.0
        address = canonical(sockaddr[0])
        self.record: dict[str, Any] = {
            "dial": dial.id,
            "attempt": number,
            "address": address,
            "port": dial.port,
            "family": "ipv6" if ":" in address else "ipv4",
            "uid": None,
            "local_address": None,
            "local_port": None,
            "started": None,
            "stage": "socket",
            "outcome": "error",
            "errno": None,
            "elapsed_ms": 0.0,
            "late_ms": None,
            "late_errno": None,
            "icmp": None,
            "peer": None,
            "ended": False,
            "awaited_ms": None,
            "tcp_info": None,
        }

    def start(self) -> bool:
        """Send the SYN; False when the attempt ended at once."""
        self.record["started"] = time.time()
        self.started = time.monotonic()
        with acting_as(self.dial.identity):
            number = self._connect()
        if self.sock is not None:
            self.record["local_address"], self.record["local_port"] = local_name(self.sock)
        if number not in (0, errno.EINPROGRESS):
            if self.record["local_address"] is None:  # the port alone says nothing: no packet has it
                self.record["local_port"] = None
            self.failed(number, time.monotonic())
            return False
        self.record["stage"] = "wait"
        self.state = "connecting"
        self.due = self.started + self.dial.timeout
        return True

    def _connect(self) -> int:
        """The errno of the step that ended it, if one did."""
        self.record["uid"] = os.geteuid()
        try:
            self.sock = open_socket(self.family)
            self.record["stage"] = "bind"
            bind(self.sock, self.family, self.dial.source, self.ports)
            self.record["stage"] = "connect"
            return self.sock.connect_ex(self.sockaddr)
        except OSError as exc:
            return exc.errno or errno.EIO

    def failed(self, number: int, now: float) -> None:
        """The kernel ended the attempt with this errno."""
        if self.state == "late":
            self.record.update(late_errno=errno_name(number), late_ms=_ms(now - self.started))
        else:
            self.record.update(outcome="error", errno=errno_name(number), elapsed_ms=_ms(now - self.started))
        if self.sock is not None:
            self.record["icmp"] = icmp_error(self.sock)
            self.record["tcp_info"] = tcp_info(self.sock)
        self.close()

    def connected(self, now: float, peer: str | None) -> None:
        """The SYN-ACK came; after the application's timeout there is nothing left to watch."""
        if self.state == "late":
            self.record["late_ms"] = _ms(now - self.started)
        else:
            self.record.update(outcome="connected", stage="done", elapsed_ms=_ms(now - self.started), peer=peer, ended=peer == "reset")
        if self.sock is not None:
            self.record["tcp_info"] = tcp_info(self.sock)
        if self.state == "late" or peer is not None:
            self.close()
        else:
            self.state = "settling"

    def gave_up(self, now: float) -> None:
        """The application's timeout is over; the SYN may still be answered."""
        self.record.update(outcome="timeout", elapsed_ms=_ms(now - self.started))
        self.state = "late"

    def silent(self) -> None:
        """Patience is over as well."""
        if self.sock is not None:
            self.record["icmp"] = icmp_error(self.sock)
            self.record["tcp_info"] = tcp_info(self.sock)
        self.close()

    def heard(self, now: float) -> bool:
        """Data came, and is thrown away; whether it is the first: a server that has said why it takes nobody in closes after it."""
        first = self.record["peer"] is None
        if first:
            self.record["peer"] = "data"
            self._awaited(now)
        if self.sock is not None:
            _throw_away(self.sock)
        return first

    def settled(self, peer: str, now: float) -> None:
        """What the peer did within the time to settle."""
        self.record["ended"] = peer in ("closed", "reset") or (self.sock is not None and tcp_state(self.sock) == CLOSE_WAIT)
        if self.record["peer"] is None:
            self.record["peer"] = peer
            self._awaited(now)
        self.close()

    def _awaited(self, now: float) -> None:
        if self.dial.greeting:
            self.record["awaited_ms"] = _ms(now - self.started)

    def close(self) -> None:
        """Close with a FIN. Unread data would make it a RST."""
        if self.sock is not None:
            if self.record["peer"] == "data":
                _discard(self.sock)
            self.sock.close()
            self.sock = None
        self.state = "ended"


def attempts_to(dial: Dial, family: int, sockaddr: tuple[Any, ...], numbers: range, usable: list[int]) -> list[Attempt]:
    """As many attempts as there are numbers, each with local ports of its own to choose from. The port dialled is none of them: an address
    of this host, dialled from it, connects to itself where nobody listens (RFC 9293, 3.5)."""
    choices = (tuple(port for port in ports if port != sockaddr[1]) for ports in spread(len(numbers), usable))
    return [Attempt(dial, number, family, sockaddr, ports) for number, ports in zip(numbers, choices)]


def _discard(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
    _throw_away(sock)


def _throw_away(sock: socket.socket) -> None:
    """Have the kernel throw away what came, unseen (tcp(7), MSG_TRUNC)."""
    try:
        for _turn in range(16):
            if not sock.recv(65536, socket.MSG_TRUNC):
                break
    except OSError:  # there is no more
        pass


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
