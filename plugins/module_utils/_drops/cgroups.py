# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find the control groups whose BPF programs see the packets of a socket, and the owners of these programs.

A program sees the sockets of the group that it is attached to, and those of all groups within it. systemd attaches programs for
IPAddressDeny= and IPAddressAllow= (systemd.resource-control(5)), whose names begin with `sd_fw_`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import struct
import typing as t

from .._host.owners import unit_of
from . import bpf_call
from .absence import Unavailable

INGRESS, EGRESS, CONNECT4, CONNECT6 = "ingress", "egress", "connect4", "connect6"
_HOOKS = {INGRESS: 0, EGRESS: 1}  # BPF_CGROUP_INET_*
_CONNECT_HOOKS = {CONNECT4: 10, CONNECT6: 11}  # BPF_CGROUP_INET*_CONNECT
_OWN = "/proc/self/cgroup"
_IPVS = "/proc/net/ip_vs"
_HANDLE = struct.Struct("=IiQ")  # struct file_handle: its bytes, FILEID_KERNFS, the inode
_FILEID_KERNFS = 0xFE
_MOUNTS = "/proc/self/mounts"
MOST_GROUPS = 20_000  # that are looked through


class Attached(t.NamedTuple):
    """A program."""

    direction: str  # of the packets that it sees: ingress, egress; or what calls it: connect4, connect6
    identifier: int
    name: str
    group: str  # the path of its group below the root of all
    unit: str | None  # the systemd unit whose group it is
    container: str | None


def attached_above(cgroup: int) -> list[Attached]:
    """The programs that see what a socket in the group with this inode sends and receives, those of the outermost group first.

    Unavailable where the group is not there (any more), or without privileges.
    """
    try:
        top = _mounted_at()
        path = _path(top, cgroup)
        return _attached_up_to(top, path, _HOOKS)
    except OSError as error:
        why = "it takes root: run with become" if error.errno in bpf_call.REFUSED else "it may have ended"
        raise Unavailable(
            "cgroup", str(cgroup), f"the control group with inode {cgroup} cannot be read: {error.strerror} ({why})"
        ) from error


def connect_hooks() -> dict[str, t.Any] | None:
    """The programs that connect() of this process runs, which may give it another address (BPF_PROG_TYPE_CGROUP_SOCK_ADDR), and whether
    IPVS has services, which does so later, ahead of everything that records; None where that may not be seen."""
    try:
        top, own = _mounted_at(), _own_group()
        programs = [dict(each._asdict()) for each in _attached_up_to(top, f"{top}{own}".rstrip("/"), _CONNECT_HOOKS)]
        return {"programs": programs, "ipvs": os.path.exists(_IPVS) and _has_services()}
    except (OSError, StopIteration, Unavailable):
        return None


def _own_group() -> str:
    """StopIteration where this process is in no group of version 2."""
    with open(_OWN, encoding="utf-8", errors="replace") as file:
        return next(line[3:].strip() for line in file if line.startswith("0::"))


def _has_services() -> bool:
    """Whether IPVS has services; there may be thousands."""
    with open(_IPVS, encoding="utf-8", errors="replace") as file:
        return any(line.startswith(("TCP", "FWM")) for line in file)


def _attached_up_to(top: str, path: str, hooks: t.Mapping[str, int]) -> list[Attached]:
    found: list[Attached] = []
    while True:
        found[:0] = _attached_to(path, top, hooks)
        if path == top or not path.startswith(top):
            return found
        path = os.path.dirname(path)


def _mounted_at() -> str:
    """Where the hierarchy of version 2 is."""
    with open(_MOUNTS, encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            _device, place, kind, _rest = line.split(" ", 3)
            if kind == "cgroup2":
                return place
    raise FileNotFoundError(errno.ENOENT, "no hierarchy of version 2 is mounted")


def _path(top: str, cgroup: int) -> str:
    """The directory with an inode. The kernel finds it without a search (open_by_handle_at(2)); containers often forbid that."""
    try:
        return _by_handle(top, cgroup)
    except PermissionError:
        directories = itertools.islice(os.walk(top), MOST_GROUPS)
        found = next((path for path, _below, _files in directories if os.stat(path).st_ino == cgroup), None)
        if found is None:
            raise
        return found


def _by_handle(top: str, cgroup: int) -> str:
    mount = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        handle = ctypes.create_string_buffer(_HANDLE.pack(8, _FILEID_KERNFS, cgroup), _HANDLE.size)
        descriptor = ctypes.CDLL(None, use_errno=True).open_by_handle_at(mount, ctypes.byref(handle), os.O_PATH | os.O_CLOEXEC)
    finally:
        os.close(mount)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _attached_to(path: str, top: str, hooks: t.Mapping[str, int]) -> t.Iterator[Attached]:
    group = path[len(top) :] or "/"
    unit, container = unit_of(f"0::{group}")
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for direction, hook in hooks.items():
            for number in bpf_call.attached(descriptor, hook):
                with contextlib.suppress(FileNotFoundError):  # it was taken away meanwhile
                    yield Attached(
                        direction=direction,
                        identifier=number,
                        name=bpf_call.program_name(number),
                        group=group,
                        unit=unit,
                        container=container,
                    )
    finally:
        os.close(descriptor)
