# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host of a fleet: a server with workers, each of which has a listening socket (SO_REUSEPORT), or all of which share one.

As nginx and its like do: the first process makes the sockets and accepts nothing, the workers inherit all of them and wait on their own by
epoll. Prints the workers' process ids.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import select
import signal
import socket

PR_SET_PDEATHSIG = 1


def make_listener(address: str, port: int, backlog: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((address, port))
    listener.listen(backlog)
    return listener


def work(listener: socket.socket) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    poller, kept = select.epoll(), []
    poller.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
    while True:
        poller.poll()
        kept.append(listener.accept()[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--backlog", type=int, default=128)
    parser.add_argument("--shared", action="store_true")
    told = parser.parse_args()
    listeners = [make_listener(told.address, told.port, told.backlog) for _listener in range(1 if told.shared else told.workers)]
    workers = []
    for number in range(told.workers):
        pid = os.fork()
        if pid == 0:
            work(listeners[number % len(listeners)])
        workers.append(pid)
    print(json.dumps(workers), flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
