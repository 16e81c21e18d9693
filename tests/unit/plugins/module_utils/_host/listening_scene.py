# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that listens in every way there is, and has sockets in every state that lasts; it says so in the file argv[1]."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import time

ANY4, LOOPBACK4, ANY6, LOOPBACK6, MAPPED = "0.0.0.0", "127.0.0.1", "::", "::1", "::ffff:127.0.0.1"
SO_MARK, SO_BINDTODEVICE, SO_ATTACH_FILTER, TCP_MD5SIG_EXT = 36, 25, 26, 32


def listen(address: str, port: int, v6only: bool = False, device: str = "", backlog: int = 16, mark: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if ":" in address:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    if device:
        made.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device.encode())
    if mark:
        made.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    made.listen(backlog)
    return made


def connect(port: int, wait: bool = True) -> socket.socket:
    made = socket.socket()
    made.setblocking(wait)
    made.connect_ex((LOOPBACK4, port))
    return made


def main() -> None:
    kept = [listen(ANY4, 7001), listen(LOOPBACK4, 7002, backlog=3), listen(LOOPBACK6, 7003, mark=5), listen(MAPPED, 7004)]
    kept += [listen(ANY6, 7005), listen(ANY6, 7006, v6only=True), listen(ANY4, 7007, device="lo"), listen(ANY6, 7007, device="wire")]

    full = listen(ANY4, 7010, backlog=1)
    kept += [full, *(connect(7010, wait=False) for _turn in range(4))]  # two fit, the others' handshakes stay half done

    signed = listen(LOOPBACK4, 7011)
    peer = struct.pack("=HH4s120x", socket.AF_INET, 0, socket.inet_aton("10.9.0.0"))
    signed.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG_EXT, peer + struct.pack("=BBHI80s", 1, 16, 6, 0, b"secret"))

    filtered = listen(LOOPBACK4, 7012)
    program = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0xFFFF))  # accept all
    filtered.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(program)))
    filtered.setsockopt(socket.IPPROTO_IP, 21, 200)  # IP_MINTTL
    filtered.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 7)
    kept += [signed, filtered]

    silenced = listen(ANY4, 7013)  # the SYN-ACKs of this port are dropped
    kept += [silenced, connect(7013, wait=False), connect(7013, wait=False)]

    busy = listen(ANY6, 7020)
    for _turn in range(3):
        client = connect(7020)
        kept += [client, busy.accept()[0]]
    client = connect(7020)
    accepted = busy.accept()[0]
    client.close()
    accepted.close()  # the client closed first: TIME_WAIT is its
    bound = socket.socket()
    bound.bind((LOOPBACK4, 7030))
    kept += [busy, bound]

    if os.fork() == 0:
        time.sleep(100)
    time.sleep(0.2)  # for what loopback still carries
    with open(sys.argv[1], "w", encoding="ascii") as ready:
        ready.write(str(os.getpid()))
    time.sleep(100)
    del kept


if __name__ == "__main__":
    main()
