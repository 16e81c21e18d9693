# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host of a fleet: a TCP listener that behaves as ordered. Prints its process id, and ends with standard input."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import selectors
import socket
import struct
import sys
from typing import Any

from tcp_md5 import TCP_MD5SIG, md5_option

IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73
SO_ATTACH_FILTER = 26


def make_listener(order: dict[str, Any]) -> socket.socket:
    family = socket.AF_INET6 if ":" in order["address"] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(order["v6only"]))
    if order["device"] is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, order["device"].encode())
    if order["md5"] is not None:
        listener.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, md5_option(*order["md5"]))
    if order["defer_accept"]:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, order["defer_accept"])
    if order["min_ttl"]:
        level, option = (socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT) if family == socket.AF_INET6 else (socket.IPPROTO_IP, IP_MINTTL)
        listener.setsockopt(level, option, order["min_ttl"])
    if order["filtered"]:
        drop_all = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0))  # BPF_RET | BPF_K, 0 bytes pass
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(drop_all)))
    listener.bind((order["address"], order["port"]))
    listener.listen(order["backlog"])
    return listener


def serve(listener: socket.socket, behaviour: str) -> None:
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    if behaviour != "silent":
        selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            if key.data is not None:
                receive(selector, key.data)
                continue
            try:
                connection, _ = listener.accept()
            except OSError:  # out of descriptors: as a real service, it can only wait
                selector.unregister(listener)
                continue
            if behaviour == "resetting":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if behaviour in ("closing", "resetting"):
                connection.close()
                continue
            if behaviour == "greeting":
                connection.sendall(b"220 ready\r\n")
            selector.register(connection, selectors.EVENT_READ, connection)


def receive(selector: selectors.BaseSelector, connection: socket.socket) -> None:
    try:
        ended = not connection.recv(65536)
    except OSError:
        ended = True
    if ended:
        selector.unregister(connection)
        connection.close()


def main() -> None:
    order = json.loads(sys.argv[1])
    if order["descriptors"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (order["descriptors"],) * 2)
    listener = make_listener(order)
    print(json.dumps(os.getpid()), flush=True)
    serve(listener, order["behaviour"])


main()
