# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which sizes of packets pass, both ways: connections with listeners of ours (`path_listeners`), whose segments are limited to a size each.

ICMP errors are not looked at: where they come, the kernel sends smaller segments by itself, and all of them pass.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import selectors
import socket
import struct
import termios
import time
import typing as t

from .path_listeners import BYTES, send
from .tcp_info import errno_name, open_socket, tcp_info

SIZES = (576, 1000, 1280, 1340, 1380, 1400, 1420, 1440, 1460, 1480, 4000, 8000)
FULL = 3  # connections without a limit
WAIT = 2.5  # seconds: full segments are sent four times until then, unless the way is very long
MOST_ENDS = 4
_STRIDE = 7  # through the sizes; prime to their number
_HEADERS = {socket.AF_INET: 40, socket.AF_INET6: 60}
_RESET = struct.pack("ii", 1, 0)

Record = t.Dict[str, t.Any]


class _Connection:
    def __init__(self, address: str, port: int, limit: int | None) -> None:
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.record: Record = {
            "address": address,
            "size": None,
            "sent": 0,
            "acked": 0,
            "expected": BYTES + 1,
            "received": 0,
            "retransmits": 0,
        }
        self.error: str | None = None
        self.sock = open_socket(self.family)
        self.connected = False
        try:
            if limit is not None:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, limit - _HEADERS[self.family])
            number = self.sock.connect_ex((address, port))
        except OSError as error:
            number = error.errno or errno.EIO
        if number not in (0, errno.EINPROGRESS):
            self.error = errno_name(number)

    def ready(self) -> bool:
        """Read what there is, and send once connected; whether there is nothing more to wait for."""
        try:
            if not self.connected:
                number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number:
                    self.error = errno_name(number)
                    return True
                self.connected = True
                self.record["size"] = self._size()
                self.record["sent"] = send(self.sock)
            for _turn in range(BYTES):
                taken = len(self.sock.recv(65536))
                self.record["received"] += taken
                if not taken:
                    break
        except BlockingIOError:
            return self.done()
        except OSError as error:
            self.error = errno_name(error.errno or errno.EIO)
        return True

    def done(self) -> bool:
        return self.connected and self.record["received"] > BYTES and not self._unacknowledged()

    def end(self) -> Record:
        with contextlib.suppress(OSError):
            if self.connected:
                self.record["acked"] = self.record["sent"] - self._unacknowledged()
                self.record["retransmits"] = (tcp_info(self.sock) or {}).get("retransmits", 0)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.sock.close()
        return self.record

    def _size(self) -> int | None:
        """Of the largest packets that it sends."""
        known = tcp_info(self.sock)
        return None if known is None else int(known["mss"]) + _HEADERS[self.family] + (12 if "timestamps" in known["options"] else 0)

    def _unacknowledged(self) -> int:
        (number,) = struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4)))
        return int(number)


def measure(ends: t.Iterable[t.Mapping[str, t.Any]], seconds: float = WAIT) -> tuple[list[Record], list[str]]:
    """What passes to and from each end, all sizes at once (W of docs/evidence.md), and with whom there was no connection. OSError."""
    made: list[_Connection] = []
    try:
        with selectors.DefaultSelector() as selector:
            for end in list(ends)[:MOST_ENDS]:
                for limit in mixed():
                    made.append(_Connection(end["address"], end["port"], limit))
                    if made[-1].error is None:
                        selector.register(made[-1].sock, selectors.EVENT_READ | selectors.EVENT_WRITE, made[-1])
            _await(selector, time.monotonic() + seconds)
    finally:
        records = [connection.end() for connection in made]
    connected = {each.record["address"] for each in made if each.connected}
    missed = {each.record["address"]: each.error or "no answer" for each in made if each.record["address"] not in connected}
    return records, [f"no connection with a listener of ours on {address}: {why}" for address, why in missed.items()]


def mixed() -> list[int | None]:
    """Limits of all connections, large ones among small ones: what the short queue of a slow line drops is what comes last, of any size."""
    limits = [*SIZES, *[None] * FULL]
    return [limits[(at * _STRIDE - 1) % len(limits)] for at in range(len(limits))]


def _await(selector: selectors.BaseSelector, deadline: float) -> None:
    while selector.get_map() and time.monotonic() < deadline:
        for key, _mask in selector.select(min(0.02, max(0.0, deadline - time.monotonic()))):
            fresh = not key.data.connected
            if key.data.ready():
                selector.unregister(key.fileobj)
            elif fresh and key.data.connected:
                selector.modify(key.fileobj, selectors.EVENT_READ, key.data)
        for key in list(selector.get_map().values()):  # the last acknowledgement makes nothing readable
            if key.data.done():
                selector.unregister(key.fileobj)
