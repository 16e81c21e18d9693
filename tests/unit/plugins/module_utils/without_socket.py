# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command to which the kernel refuses one kind of socket, as if it had been built without: ``FAMILY PROTOCOL ERRNO COMMAND...``.

A seccomp filter (linux/seccomp.h) looks at the arguments of socket(2).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K
NUMBER = {"x86_64": 41, "aarch64": 198}  # of socket(2)
DOMAIN_AT, PROTOCOL_AT = 16, 32  # of struct seccomp_data, on little-endian machines


def refuse(family: int, protocol: int, number: int) -> None:
    wanted = ((0, NUMBER[platform.machine()]), (DOMAIN_AT, family), (PROTOCOL_AT, protocol))
    program = []
    for position, (at, value) in enumerate(wanted):
        behind = 2 * (len(wanted) - position - 1) + 1  # over the other comparisons and the refusal, to what is allowed
        program += [(LOAD, 0, 0, at), (EQUAL, 0, behind, value)]
    program += [(RETURN, 0, 0, SECCOMP_RET_ERRNO | number), (RETURN, 0, 0, SECCOMP_RET_ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    filters = ctypes.create_string_buffer(struct.pack("=H6xQ", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filters, 0, 0)):
        if libc.prctl(*call):
            raise OSError(ctypes.get_errno(), f"prctl{call[:2]}")


if __name__ == "__main__":
    refuse(*map(int, sys.argv[1:4]))
    os.execvp(sys.argv[4], sys.argv[4:])
