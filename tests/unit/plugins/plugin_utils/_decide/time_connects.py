# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in a namespace of its own: connects to ports of 127.0.0.1 all at once, and prints after how many seconds each connect() succeeded."""

from __future__ import annotations

import json
import select
import socket
import sys
import time


def main(seconds: float, ports: list[int]) -> None:
    listeners, waiting, took = [], {}, dict.fromkeys(ports)
    poll = select.poll()
    for port in ports:
        listeners.append(socket.create_server(("127.0.0.1", port)))
        client = socket.socket()
        client.setblocking(False)
        waiting[client.fileno()] = (port, client, time.monotonic())
        client.connect_ex(("127.0.0.1", port))
        poll.register(client, select.POLLOUT)
    deadline = time.monotonic() + seconds
    while waiting and time.monotonic() < deadline:
        for descriptor, _events in poll.poll(100):
            port, client, begun = waiting.pop(descriptor)
            poll.unregister(descriptor)
            if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                took[port] = time.monotonic() - begun
    print(json.dumps(took))


main(float(sys.argv[1]), [int(port) for port in sys.argv[2:]])
