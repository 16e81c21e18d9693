# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host of a fleet: a TCP listener that behaves as told. Prints its process id."""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import selectors
import socket
import struct

from tcp_md5 import TCP_MD5SIG, md5_option

IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73
SO_ATTACH_FILTER = 26


def make_listener(told: argparse.Namespace) -> socket.socket:
    family = socket.AF_INET6 if ":" in told.address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(told.v6only))
    if told.device is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, told.device.encode())
    if told.md5 is not None:
        listener.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, md5_option(*told.md5))
    if told.defer_accept:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, told.defer_accept)
    if told.mark:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, told.mark)
    if told.min_ttl:
        level, option = (socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT) if family == socket.AF_INET6 else (socket.IPPROTO_IP, IP_MINTTL)
        listener.setsockopt(level, option, told.min_ttl)
    if told.filtered:
        drop_all = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0))  # BPF_RET | BPF_K, 0 bytes pass
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(drop_all)))
    listener.bind((told.address, told.port))
    listener.listen(told.backlog)
    return listener


def serve(listener: socket.socket, behaviour: str) -> None:
    selector = selectors.DefaultSelector()
    if behaviour != "silent":
        selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _event in selector.select():
            if key.data is not None:
                receive(selector, key.data)
                continue
            try:
                connection, _peer = listener.accept()
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
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--backlog", type=int, default=128)
    parser.add_argument("--behaviour", choices=["accepting", "silent", "closing", "resetting", "greeting"], default="accepting")
    parser.add_argument("--v6only", action="store_true")
    parser.add_argument("--device")
    parser.add_argument("--md5", nargs=2, metavar=("PEER", "KEY"))
    parser.add_argument("--defer-accept", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--min-ttl", type=int, default=0)
    parser.add_argument("--mark", type=int, default=0)
    parser.add_argument("--filtered", action="store_true", help="a socket filter drops everything")
    parser.add_argument("--descriptors", type=int, default=0, help="limit of open files")
    told = parser.parse_args()
    if told.descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (told.descriptors,) * 2)
    listener = make_listener(told)
    print(os.getpid(), flush=True)
    serve(listener, told.behaviour)


main()
