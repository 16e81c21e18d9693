# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as root of the machine in a host's network namespace: an XDP program that drops what goes to a TCP port over IPv4.

xdp.py INTERFACE PORT [native]
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
import sys

BPF_PROG_LOAD, BPF_PROG_TYPE_XDP = 5, 6
SYS_BPF = {"x86_64": 321, "aarch64": 280}
XDP_DROP, XDP_PASS = 1, 2
RTM_SETLINK, NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR, NLA_F_NESTED = 19, 1, 4, 2, 0x8000
IFLA_XDP, IFLA_XDP_FD, IFLA_XDP_FLAGS, XDP_FLAGS_SKB_MODE = 43, 1, 3, 2
XDP_FLAGS_DRV_MODE = 4
R0, R1, R2, R3 = range(4)


def instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, constant: int = 0) -> bytes:
    return struct.pack("=BBhi", code, source << 4 | target, offset, constant)


def program(port: int) -> bytes:
    """Ethernet, IPv4 without options, TCP."""
    lines = [
        instruction(0x61, R2, R1, 4),  # r2 = data_end
        instruction(0x61, R1, R1, 0),  # r1 = data
        instruction(0xBF, R3, R1),
        instruction(0x07, R3, constant=38),
        instruction(0x2D, R3, R2, 8),  # too short: pass
        instruction(0x69, R3, R1, 12),
        instruction(0x55, R3, offset=6, constant=socket.htons(0x0800)),
        instruction(0x71, R3, R1, 23),
        instruction(0x55, R3, offset=4, constant=socket.IPPROTO_TCP),
        instruction(0x69, R3, R1, 36),
        instruction(0x55, R3, offset=2, constant=socket.htons(port)),
        instruction(0xB7, R0, constant=XDP_DROP),
        instruction(0x95),
        instruction(0xB7, R0, constant=XDP_PASS),
        instruction(0x95),
    ]
    return b"".join(lines)


def load(code: bytes) -> int:
    text, license_, log = (ctypes.create_string_buffer(each) for each in (code, b"GPL", bytes(65536)))
    addresses = ctypes.addressof(text), ctypes.addressof(license_)
    order = struct.pack("=IIQQIIQ", BPF_PROG_TYPE_XDP, len(code) // 8, *addresses, 1, len(log), ctypes.addressof(log))
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(SYS_BPF[platform.machine()], BPF_PROG_LOAD, order, len(order))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), f"the kernel does not take the program: {log.value.decode()}")
    return int(descriptor)


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value


def attach(interface: str, descriptor: int, mode: int) -> None:
    nested = attribute(IFLA_XDP_FD, struct.pack("=i", descriptor)) + attribute(IFLA_XDP_FLAGS, struct.pack("=I", mode))
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, socket.if_nametoindex(interface), 0, 0) + attribute(IFLA_XDP | NLA_F_NESTED, nested)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(body), RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body)
        (error,) = struct.unpack_from("=i", kernel.recv(65536), 16)
    if error:
        raise OSError(-error, os.strerror(-error))


attach(sys.argv[1], load(program(int(sys.argv[2]))), XDP_FLAGS_DRV_MODE if sys.argv[3:] == ["native"] else XDP_FLAGS_SKB_MODE)
