# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Call bpf(2) and perf_event_open(2), for which the C library has no functions, by their numbers, which depend on the architecture.

x86-64 runs in the tests of every change. The numbers of aarch64 were compared with the kernel's headers, and never run.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import struct
import typing as t

from .absence import Unavailable

BPF, PERF_EVENT_OPEN = "bpf", "perf_event_open"
NUMBERS = {
    "x86_64": {BPF: 321, PERF_EVENT_OPEN: 298},
    "aarch64": {BPF: 280, PERF_EVENT_OPEN: 241},
}
REFUSED = (errno.EPERM, errno.EACCES)

HASH, ARRAY, RINGBUF = 1, 2, 27  # BPF_MAP_TYPE_*
RAW_TRACEPOINT = 17  # BPF_PROG_TYPE_*
_MAP_CREATE, _MAP_LOOKUP, _MAP_UPDATE, _PROG_LOAD, _RAW_TRACEPOINT_OPEN = 0, 1, 2, 5, 17
_PROG_GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD, _PROG_QUERY = 13, 15, 16
_NAME_AT = 64  # in struct bpf_prog_info
_LOG_BYTES = 1 << 16


def call(name: str, *arguments: t.Any) -> int:
    """The result of a system call. Unavailable where its number is not known, OSError where the kernel refuses."""
    machine = platform.machine()
    if machine not in NUMBERS or struct.calcsize("P") != 8:  # a program of 32 bits has other numbers, whatever the machine is called
        raise Unavailable(
            "machine", machine, f"the numbers of system calls are known for {' and '.join(sorted(NUMBERS))} with 64 bits only"
        )
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = int(libc.syscall(ctypes.c_long(NUMBERS[machine][name]), *arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def create_map(kind: int, key_size: int, value_size: int, entries: int) -> int:
    """A descriptor of a new map, which is gone with its last descriptor."""
    with _memory_to_lock():
        return command(_MAP_CREATE, struct.pack("=IIIII", kind, key_size, value_size, entries, 0))


def update(descriptor: int, key: bytes, value: bytes) -> None:
    """Set an element of a map."""
    held = [ctypes.create_string_buffer(each, len(each)) for each in (key, value)]
    command(_MAP_UPDATE, struct.pack("=IxxxxQQQ", descriptor, *map(ctypes.addressof, held), 0))


def look_up(descriptor: int, key: bytes, size: int) -> bytes:
    """An element of a map, of so many bytes."""
    asked, answer = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(size)
    command(_MAP_LOOKUP, struct.pack("=IxxxxQQQ", descriptor, ctypes.addressof(asked), ctypes.addressof(answer), 0))
    return answer.raw


def load(kind: int, code: bytes, name: str) -> int:
    """A descriptor of a program. OSError, with the last line of what the kernel's verifier says, where it is not taken."""
    text, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"Dual BSD/GPL")
    order = struct.pack("=IIQQ", kind, len(code) // 8, ctypes.addressof(text), ctypes.addressof(licence))
    unlogged, called = struct.pack("=IIQII", 0, 0, 0, 0, 0), name.encode("ascii")[:15].ljust(16, b"\0")
    with _memory_to_lock():
        try:
            return command(_PROG_LOAD, order + unlogged + called)
        except OSError as error:
            if error.errno == errno.EPERM:  # what the verifier does not like is EACCES, EINVAL and others
                raise
        log = ctypes.create_string_buffer(_LOG_BYTES)
        try:
            return command(_PROG_LOAD, order + struct.pack("=IIQII", 1, len(log), ctypes.addressof(log), 0, 0) + called)
        except OSError as error:
            said = [line for line in log.value.decode("utf-8", "replace").splitlines() if line and not line.startswith("processed ")]
            raise OSError(error.errno, f"{error.strerror}{': ' + said[-1] if said else ''}") from error


def attach(tracepoint: str, program: int) -> int:
    """Run a program at each event of a raw tracepoint, until the descriptor that this returns is closed."""
    name = ctypes.create_string_buffer(tracepoint.encode("ascii"))
    return command(_RAW_TRACEPOINT_OPEN, struct.pack("=QI", ctypes.addressof(name), program))


def attached(descriptor: int, hook: int, most: int = 64) -> list[int]:
    """The identifiers of the programs that are attached to an object (BPF_PROG_QUERY), as many at the most."""
    numbers = (ctypes.c_uint32 * most)()
    command(_PROG_QUERY, struct.pack("=IIIIQII", descriptor, hook, 0, 0, ctypes.addressof(numbers), most, 0))
    return [number for number in numbers if number]


def program_name(number: int) -> str:
    """What its maker called a program, in up to 15 characters."""
    descriptor = command(_PROG_GET_FD_BY_ID, struct.pack("=III", number, 0, 0))
    try:
        info = ctypes.create_string_buffer(_NAME_AT + 16)
        command(_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", descriptor, len(info), ctypes.addressof(info)))
    finally:
        os.close(descriptor)
    return info.raw[_NAME_AT:].partition(b"\0")[0].decode("ascii", "replace")


def command(number: int, order: bytes) -> int:
    """The result of a command of bpf(2), whose attributes are written as bytes; OSError, Unavailable."""
    held = ctypes.create_string_buffer(order, len(order))
    return call(BPF, ctypes.c_long(number), ctypes.byref(held), ctypes.c_ulong(len(order)))


@contextlib.contextmanager
def _memory_to_lock() -> t.Iterator[None]:
    """Before Linux 5.11 a map counts as locked memory of its maker, who may have as little as 64 KiB of it; the limit is put back."""
    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, before)
