# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as root on a host of a fleet: attaches a BPF program to what sockets do until it ends, and says so.

`connect4 FROM TO PORT`: connect() to one address goes to another one, and a port there, for all processes of the host, as Cilium leads
services to their backends.
`sk_lookup PORT`: no socket is found for what comes to a port, as by a dispatcher whose sockets are gone.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import time

BPF = 321  # of x86-64
PROG_LOAD, PROG_ATTACH, LINK_CREATE = 5, 8, 28
CGROUP_SOCK_ADDR, SK_LOOKUP = 18, 30  # BPF_PROG_TYPE_*
CONNECT4, LOOKUP = 10, 36  # BPF_CGROUP_INET4_CONNECT, BPF_SK_LOOKUP
ALLOW_MULTI = 2
LOAD, UNLESS, SET32, STORE, SET, EXIT = 0x61, 0x56, 0xB4, 0x63, 0xB7, 0x95
USER_IP4, USER_PORT, LOCAL_PORT = 4, 24, 60  # in struct bpf_sock_addr, struct bpf_sk_lookup


def bpf(command: int, order: bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    held = ctypes.create_string_buffer(order, 144)
    result = int(libc.syscall(ctypes.c_long(BPF), ctypes.c_long(command), ctypes.byref(held), ctypes.c_ulong(144)))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhI", code, target | source << 4, offset, value)


def load(kind: int, hook: int, name: str, *code: bytes) -> int:
    text = ctypes.create_string_buffer(b"".join(code))
    licence = ctypes.create_string_buffer(b"GPL")
    order = struct.pack("=IIQQIIQII", kind, len(code), ctypes.addressof(text), ctypes.addressof(licence), 0, 0, 0, 0, 0)
    return bpf(PROG_LOAD, order + struct.pack("=16sII", name.encode(), 0, hook))


def word(address: str) -> int:
    return int(struct.unpack("=I", socket.inet_aton(address))[0])


def lead(origin: str, target: str, port: str) -> None:
    program = load(
        CGROUP_SOCK_ADDR,
        CONNECT4,
        "lb_connect4",
        instruction(LOAD, 2, 1, USER_IP4),
        instruction(UNLESS, 2, 0, 4, word(origin)),
        instruction(SET32, 3, 0, 0, word(target)),
        instruction(STORE, 1, 3, USER_IP4),
        instruction(SET32, 3, 0, 0, socket.htons(int(port))),
        instruction(STORE, 1, 3, USER_PORT),
        instruction(SET, 0, 0, 0, 1),
        instruction(EXIT),
    )
    with open("/proc/mounts", encoding="utf-8") as mounts:
        top = next(line.split()[1] for line in mounts if line.split()[2] == "cgroup2")
    bpf(PROG_ATTACH, struct.pack("=IIII", os.open(top, os.O_RDONLY), program, CONNECT4, ALLOW_MULTI))


def hide(port: int) -> None:
    program = load(
        SK_LOOKUP,
        LOOKUP,
        "dispatcher",
        instruction(SET, 0, 0, 0, 1),
        instruction(LOAD, 2, 1, LOCAL_PORT),
        instruction(UNLESS, 2, 0, 1, port),
        instruction(SET, 0, 0, 0, 0),
        instruction(EXIT),
    )
    bpf(LINK_CREATE, struct.pack("=IIII", program, os.open("/proc/self/ns/net", os.O_RDONLY), LOOKUP, 0))


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    if kind == "connect4":
        lead(*arguments)
    else:
        hide(int(arguments[0]))
    print(1, flush=True)
    time.sleep(600)
