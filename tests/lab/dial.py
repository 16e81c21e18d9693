# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host of a fleet: the kernel's own connect(), `count` times at once. Prints one JSON line; then keeps what connected
until it is killed."""

from __future__ import annotations

import errno
import json
import os
import pwd
import select
import signal
import socket
import sys
import time
from typing import Any

from tcp_md5 import TCP_MD5SIG, md5_option


def dial(order: dict[str, Any]) -> tuple[socket.socket | None, str]:
    family = socket.AF_INET6 if ":" in order["address"] else socket.AF_INET
    dialler = socket.socket(family, socket.SOCK_STREAM)
    dialler.setblocking(False)
    try:
        if order["mark"] is not None:
            dialler.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, order["mark"])
        if order["md5"] is not None:
            dialler.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, md5_option(order["address"], order["md5"]))
        if order["source"] is not None or order["source_port"]:
            dialler.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            dialler.bind((order["source"] or ("::" if family == socket.AF_INET6 else "0.0.0.0"), order["source_port"]))
    except OSError as error:
        return None, errno.errorcode[error.errno or 0]
    code = dialler.connect_ex((order["address"], order["port"]))
    return (dialler, "") if code in (0, errno.EINPROGRESS) else (None, errno.errorcode[code])


def main() -> None:
    order = json.loads(sys.argv[1])
    if order["user"] is not None:
        account = pwd.getpwnam(order["user"])
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    deadline = time.monotonic() + order["timeout"]
    dialled = [dial(order) for _turn in range(order["count"])]
    poller, waiting, results, held = select.poll(), {}, [outcome for _dialler, outcome in dialled], []
    for index, (dialler, _outcome) in enumerate(dialled):
        if dialler is not None:
            poller.register(dialler, select.POLLOUT)
            waiting[dialler.fileno()] = (index, dialler)
    while waiting and time.monotonic() < deadline:
        for descriptor, _event in poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
            poller.unregister(descriptor)
            index, dialler = waiting.pop(descriptor)
            code = dialler.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            results[index] = errno.errorcode[code] if code else "connected"
            held.append(dialler)
    for index, dialler in waiting.values():
        results[index] = "timeout"
        dialler.close()
    print(json.dumps(results), flush=True)
    signal.pause()


main()
