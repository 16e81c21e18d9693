# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host of a fleet: starts a program that may do less than others.

confined.py [--no-connect] [--descriptors=N] -- PROGRAM ARGUMENTS...
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import struct

# linux/landlock.h and the system calls' numbers, which are the same on all architectures.
CREATE_RULESET, RESTRICT_SELF = 444, 446
ACCESS_NET_CONNECT_TCP = 1 << 1
PR_SET_NO_NEW_PRIVS = 38


def forbid_connect() -> None:
    """Have the security module Landlock refuse each connect() of TCP: EACCES, as other modules do (Linux 6.7 and newer)."""
    libc = ctypes.CDLL(None, use_errno=True)
    handled = struct.pack("=QQ", 0, ACCESS_NET_CONNECT_TCP)  # accesses to files, to the network
    ruleset = libc.syscall(CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0)
    if ruleset < 0 or libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(RESTRICT_SELF, ruleset, 0):
        raise OSError(ctypes.get_errno(), "Landlock does not confine TCP here")
    os.close(ruleset)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-connect", action="store_true", help="no TCP connection may be opened")
    parser.add_argument("--descriptors", type=int, help="limit of open files")
    parser.add_argument("program", nargs="+")
    told = parser.parse_args()
    if told.no_connect:
        forbid_connect()
    if told.descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (told.descriptors,) * 2)
    os.execv(told.program[0], told.program)


main()
