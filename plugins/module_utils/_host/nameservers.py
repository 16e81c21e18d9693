# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The nameservers that the C library asks, how long it may take, and which of them answer."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from typing import Any, NamedTuple

CONFIGURATION = "/etc/resolv.conf"
MOST_SECONDS = 30.0
"""For all names of a client together; plans of the controller allow for it."""
_LEAST_SECONDS = 10.0
_SPARE = 2.0
_MOST_SERVERS, _MOST_TIMEOUT, _MOST_ATTEMPTS = 3, 30, 5  # resolv.conf(5): MAXNS, RES_MAXRETRANS, RES_MAXRETRY
_PORT = 53
_ANSWER_SECONDS = 2.0
_QUERY = struct.Struct("!6H")


class Resolver(NamedTuple):
    """What resolv.conf says, with the C library's defaults."""

    nameservers: tuple[str, ...]
    timeout: int
    attempts: int

    @property
    def patience(self) -> float:
        """Seconds within which the C library itself gives up, and some to spare; bounded. It asks each nameserver `attempts` times."""
        servers = max(1, len(self.nameservers))
        return min(MOST_SECONDS, max(_LEAST_SECONDS, servers * self.timeout * self.attempts + _SPARE))


def configured(path: str = CONFIGURATION) -> Resolver:
    """Whatever cannot be read is the C library's default."""
    servers = []  # type: list[str]
    timeout, attempts = 5, 2
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(65536).splitlines()
    except OSError:
        lines = []
    for words in (line.split() for line in lines):
        if words[:1] == ["nameserver"] and len(words) > 1 and len(servers) < _MOST_SERVERS:
            servers.append(words[1])
        for word in words[1:] if words[:1] == ["options"] else ():
            name, _colon, value = word.partition(":")
            if value.isdigit() and name == "timeout":
                timeout = min(_MOST_TIMEOUT, max(1, int(value[:3])))
            elif value.isdigit() and name == "attempts":
                attempts = min(_MOST_ATTEMPTS, max(1, int(value[:3])))
    return Resolver(tuple(servers), timeout, attempts)


def ask(nameservers: tuple[str, ...], name: str, seconds: float = _ANSWER_SECONDS) -> list[dict[str, Any]]:
    """One query for a name's address to each nameserver, as the resolver itself sends it, all at once: who answers, and when.

    Each as {"address", "answer_ms": null if there is none in time, "error": null or an errno's name}.
    """
    try:
        question = _question(name)
    except UnicodeError:
        return []
    told = [{"address": address, "answer_ms": None, "error": None} for address in nameservers]  # type: list[dict[str, Any]]
    waiting = {}
    begun = time.monotonic()
    try:
        for each in told:
            try:
                sock = _socket_to(each["address"])
                waiting[sock] = each
                sock.send(question)
            except OSError as error:
                each["error"] = errno.errorcode.get(error.errno or 0, str(error))
        while any(each["answer_ms"] is None and each["error"] is None for each in waiting.values()):
            left = begun + seconds - time.monotonic()
            open_ = [sock for sock, each in waiting.items() if each["answer_ms"] is None and each["error"] is None]
            readable = select.select(open_, [], [], left)[0] if left > 0 else []
            if not readable:
                break
            for sock in readable:
                _receive(sock, waiting[sock], question, begun)
    finally:
        for sock in waiting:
            sock.close()
    return told


def _question(name: str) -> bytes:
    labels = [label.encode("idna") for label in name.rstrip(".").split(".")]
    encoded = b"".join(bytes([len(label)]) + label for label in labels)
    # RD; one question; type A, class IN
    return os.urandom(2) + _QUERY.pack(0, 0x0100, 1, 0, 0, 0)[2:] + encoded + b"\0" + struct.pack("!2H", 1, 1)


def _socket_to(address: str) -> socket.socket:
    """Connected, so that only this nameserver's answers come in, and its ICMP errors do."""
    info = socket.getaddrinfo(address, _PORT, 0, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0]
    sock = socket.socket(info[0], socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.connect(info[4])
    except OSError:
        sock.close()
        raise
    return sock


def _receive(sock: socket.socket, told: dict[str, Any], question: bytes, begun: float) -> None:
    try:
        answer = sock.recv(4096)
    except BlockingIOError:
        return
    except OSError as error:
        told["error"] = errno.errorcode.get(error.errno or 0, str(error))
        return
    if answer[:2] == question[:2]:
        told["answer_ms"] = round((time.monotonic() - begun) * 1000, 3)
