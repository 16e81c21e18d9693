# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which nameservers of the C library's answer, what, and when."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from typing import Any, Dict

from .._wire.addresses import on_loopback
from .resolv_conf import Resolver

_PORT = 53
_ANSWER_SECONDS, _TCP_SECONDS = 2.0, 1.0
_TC = 0x0200  # RFC 1035, 4.1.1: the answer was cut to what UDP takes
_QUERY = struct.Struct("!6H")
_TYPES = {"A": 1, "AAAA": 28}
_MOST_NAMES = 4
_LONGEST_NAME = 255  # RFC 1035, 2.3.4

Asked = Dict[str, Any]


def ask(resolver: Resolver, name: str, seconds: float = _ANSWER_SECONDS) -> list[dict[str, Any]]:
    """Queries for a name's addresses to each nameserver, as the resolver sends them, all at once: who answers which of them, and when.

    Each as {"address", "answer_ms": of the first answer, null if there is none in time, "error": null or an errno's name, "tcp": what comes
    of a connection to it, where an answer was cut (connected, or an errno's name), "queries": [{"name", "type", "answer_ms", "answers":
    how many records it has, null if there is no answer, "truncated"}]}, and of a loopback address that does not answer "process", who has
    the port there.
    """
    questions = _questions(resolver.names(name)[:_MOST_NAMES])
    if not questions:
        return []
    answers = [{"address": address, "answer_ms": None, "error": None, "tcp": None, "queries": []} for address in resolver.nameservers]  # type: list[Asked]
    waiting = {}  # type: dict[socket.socket, Asked]
    begun = time.monotonic()
    try:
        for each in answers:
            each["queries"] = [
                {"name": asked, "type": kind, "answer_ms": None, "answers": None, "truncated": False}
                for asked, kind, _question in questions
            ]
            try:
                sock = _socket_to(each["address"])
                waiting[sock] = each
                for _asked, _kind, question in questions:  # from one port, as the C library does: some devices let one answer back only
                    sock.send(question)
            except OSError as error:
                each["error"] = errno.errorcode.get(error.errno or 0, str(error))
        numbers = [question[:2] for _asked, _kind, question in questions]
        while True:
            left = begun + seconds - time.monotonic()
            open_ = [sock for sock, each in waiting.items() if each["error"] is None and _unanswered(each)]
            readable = select.select(open_, [], [], left)[0] if open_ and left > 0 else []
            if not readable:
                break
            for sock in readable:
                _receive(sock, waiting[sock], numbers, begun)
    finally:
        for sock in waiting:
            sock.close()
    _over_tcp([each for each in answers if any(query["truncated"] for query in each["queries"])])
    _of_our_own([each for each in answers if each["answer_ms"] is None and on_loopback(each["address"])])
    return answers


def _of_our_own(answers: list[Asked]) -> None:
    """Who should answer at a loopback address: a program of this host itself, if any has the port."""
    if not answers:
        return
    from . import udp_sockets

    taking = udp_sockets.read([_PORT])
    for each in answers:
        processes = [one["process"] for one in taking if one["address"] in (each["address"], "0.0.0.0", "::") and one["process"]]
        each["process"] = processes[0] if processes else None


def _over_tcp(answers: list[Asked]) -> None:
    """Connect to nameservers, as the C library does to have the whole of an answer that was cut."""
    trying = {}  # type: dict[socket.socket, Asked]
    until = time.monotonic() + _TCP_SECONDS
    for each in answers:
        each["tcp"] = "ETIMEDOUT"
        info = socket.getaddrinfo(each["address"], _PORT, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0]
        sock = socket.socket(info[0], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        trying[sock] = each
        _ended(each, sock.connect_ex(info[4]))
    while True:
        left, open_ = until - time.monotonic(), [sock for sock, each in trying.items() if each["tcp"] == "ETIMEDOUT"]
        ready = select.select([], open_, [], left)[1] if open_ and left > 0 else []
        if not ready:
            break
        for sock in ready:
            _ended(trying[sock], sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    for sock in trying:
        sock.close()


def _ended(asked: Asked, number: int) -> None:
    if number != errno.EINPROGRESS:
        asked["tcp"] = errno.errorcode.get(number, str(number)) if number else "connected"


def _unanswered(asked: Asked) -> bool:
    return any(query["answer_ms"] is None for query in asked["queries"])


def _questions(names: list[str]) -> list[tuple[str, str, bytes]]:
    """(name, type, message), each with a number of its own; not for names that no message can have."""
    found = []  # type: list[tuple[str, str, bytes]]
    first = int.from_bytes(os.urandom(2), "big")
    for name in names:
        try:
            labels = [label.encode("idna") for label in name.split(".")]
        except UnicodeError:
            continue
        encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
        if not all(labels) or len(encoded) > _LONGEST_NAME:
            continue
        for kind, number in _TYPES.items():
            # RD; one question; class IN
            header = _QUERY.pack((first + len(found)) & 0xFFFF, 0x0100, 1, 0, 0, 0)
            found.append((name, kind, header + encoded + struct.pack("!2H", number, 1)))
    return found


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


def _receive(sock: socket.socket, asked: Asked, numbers: list[bytes], begun: float) -> None:
    try:
        answer = sock.recv(4096)
    except BlockingIOError:
        return
    except OSError as error:
        asked["error"] = errno.errorcode.get(error.errno or 0, str(error))
        return
    if answer[:2] in numbers:
        query = asked["queries"][numbers.index(answer[:2])]
        if query["answer_ms"] is None:
            query["answer_ms"] = round((time.monotonic() - begun) * 1000, 3)
            _number, flags, _questions, answers = _QUERY.unpack_from(answer)[:4] if len(answer) >= _QUERY.size else (0, 0, 0, 0)
            query.update(answers=answers, truncated=bool(flags & _TC))
            asked["answer_ms"] = asked["answer_ms"] or query["answer_ms"]
