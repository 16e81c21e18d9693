# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few system calls that a rootless lab is made of: namespaces, id maps, mounts (namespaces(7), user_namespaces(7), mount(2))."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

from topology import LabError

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
HOST_NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET

MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces named by CLONE_* flags for new ones; raises LabError with the kernel's reason."""
    if _libc.unshare(flags) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise LabError(f"The kernel refused new namespaces: {reason}. Unprivileged user namespaces may be turned off on this machine.")


def mount(source: str, target: str, kind: str | None, flags: int = 0, options: str = "") -> None:
    """mount(2); raises LabError with the kernel's reason."""
    if _libc.mount(source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), options.encode()) != 0:
        raise LabError(f"Cannot mount {source} on {target}: {os.strerror(ctypes.get_errno())}.")


def private_mounts() -> None:
    """Keep what is mounted from here on out of every other mount namespace."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def own_entries(directory: str, scratch: Path, hidden: str) -> None:
    """Let what comes to be in a directory stay in this mount namespace. What is there already shows as before, but for the entry `hidden`.

    An overlay would not do: it does not show what is mounted below. OSError, LabError.
    """
    mount("tmpfs", str(scratch), "tmpfs", options="mode=755")
    for entry in os.scandir(directory):
        shown = scratch / entry.name
        if entry.name == hidden:
            continue
        if entry.is_symlink():
            shown.symlink_to(os.readlink(entry.path))
            continue
        if entry.is_dir():
            shown.mkdir()
        else:
            shown.touch()
        mount(entry.path, str(shown), None, MS_BIND | MS_REC)
    mount(str(scratch), directory, None, MS_BIND | MS_REC)


def id_mapper() -> Callable[[int], None] | None:
    """What maps user and group ids into a process's new user namespace from outside, or None: it maps its own single uid.

    Root keeps every id it has. An ordinary user gets the ranges of /etc/subuid and /etc/subgid where newuidmap(1) is installed.
    """
    if os.geteuid() == 0:
        return _map_all
    try:
        names = {pwd.getpwuid(os.getuid()).pw_name, str(os.getuid())}
    except KeyError:  # as in a container, whose users need not have a name; newuidmap(1) asks for it as well
        return None
    uids, gids = _delegated(Path("/etc/subuid"), names), _delegated(Path("/etc/subgid"), names)
    if uids is None or gids is None or shutil.which("newuidmap") is None or shutil.which("newgidmap") is None:
        return None

    def map_delegated(pid: int) -> None:
        for tool, own, (first, count) in (("newuidmap", os.getuid(), uids), ("newgidmap", os.getgid(), gids)):
            subprocess.run([tool, str(pid), "0", str(own), "1", "1", str(first), str(count)], check=True)

    return map_delegated


def _map_all(pid: int) -> None:
    for name in ("uid_map", "gid_map"):
        ranges = [line.split() for line in Path("/proc/self", name).read_text().splitlines()]
        Path(f"/proc/{pid}", name).write_text("".join(f"{inside} {inside} {count}\n" for inside, _outside, count in ranges))


def _delegated(path: Path, names: Collection[str]) -> tuple[int, int] | None:
    """The first range of ids that the file gives the user, by name or number (subuid(5)): first id and count."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return None
    for line in lines:
        name, *numbers = line.strip().split(":")
        if name in names and len(numbers) == 2 and all(each.isdecimal() for each in numbers):
            return int(numbers[0]), int(numbers[1])
    return None


def map_single_id(uid: int, gid: int) -> None:
    """Be root in the user namespace just entered, and nobody else (`uid` and `gid` as they were outside)."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1\n")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1\n")
