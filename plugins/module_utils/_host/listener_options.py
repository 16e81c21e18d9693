# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read options of a listening socket that inet_diag does not show: an attached filter, the minimum TTL, deferred accepting.

They are read from a duplicate of the socket, taken from its process with pidfd_getfd(2) (Linux 5.6, CAP_SYS_PTRACE) and closed at once.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import typing as t

from .._errors import ObserveError
from . import owners

PIDFD_OPEN, PIDFD_GETFD = 434, 438  # the same numbers on all architectures but alpha
SO_GET_FILTER, IP_MINTTL, IPV6_MINHOPCOUNT = 26, 21, 73
_LIBC = ctypes.CDLL(None, use_errno=True)


def attach(listeners: list[dict[str, t.Any]], most: int = 32) -> list[dict[str, str]]:
    """Set `filtered`, `min_ttl` and `defer_accept` (seconds) of the first `most` listeners whose processes are known.

    They are None where they could not be read. Returns the `absent` entries.
    """
    absent = []
    for one in listeners:
        one.update(filtered=None, min_ttl=None, defer_accept=None)
    owned = [one for one in listeners if one["processes"]]
    for one in owned[:most]:
        try:
            one.update(_options(one["processes"][0]["pid"], one["inode"], one["family"]))
        except (ObserveError, OSError) as error:
            absent.append({"what": f"socket options of the listener on {one['address']} port {one['port']}", "why": str(error)})
    if len(owned) > most:
        absent.append({"what": "socket options", "why": f"read for the first {most} of {len(owned)} listeners only"})
    return absent


def _options(pid: int, inode: int, family: str) -> dict[str, t.Any]:
    number = owners.file_number(pid, inode)
    if number is None:
        raise ObserveError(f"process {pid} does not hold the socket any more")
    duplicate = _duplicate(pid, number)
    try:
        least_ttl = (socket.IPPROTO_IP, IP_MINTTL) if family == "ipv4" else (socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT)
        return {
            "filtered": _filtered(duplicate),
            "min_ttl": _number(duplicate, *least_ttl),
            "defer_accept": _number(duplicate, socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT),
        }
    finally:
        os.close(duplicate)


def _duplicate(pid: int, number: int) -> int:
    process = _LIBC.syscall(PIDFD_OPEN, pid, 0)
    if process < 0:
        raise ObserveError(f"pidfd_open of process {pid} failed: {os.strerror(ctypes.get_errno())}")
    try:
        duplicate = int(_LIBC.syscall(PIDFD_GETFD, process, number, 0))
        if duplicate < 0:
            raise ObserveError(f"pidfd_getfd from process {pid} failed: {os.strerror(ctypes.get_errno())} (it takes CAP_SYS_PTRACE)")
    finally:
        os.close(process)
    return duplicate


def _filtered(file: int) -> bool:
    """Whether a classic or an eBPF filter is attached.

    With a length of 0 the kernel returns a classic filter's length only; of an eBPF filter it has no classic text to return (EACCES).
    socket.getsockopt cannot ask that: the kernel takes a length other than 0 as a number of instructions of 8 bytes each.
    """
    length = ctypes.c_uint32(0)
    if _LIBC.getsockopt(file, socket.SOL_SOCKET, SO_GET_FILTER, None, ctypes.byref(length)) == 0:
        return length.value > 0
    if ctypes.get_errno() == errno.EACCES:
        return True
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _number(file: int, level: int, option: int) -> int | None:
    value, length = ctypes.c_int(0), ctypes.c_uint32(4)
    return value.value if _LIBC.getsockopt(file, level, option, ctypes.byref(value), ctypes.byref(length)) == 0 else None
