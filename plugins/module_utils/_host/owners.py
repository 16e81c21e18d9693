# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find the processes that hold a socket, from the links in /proc/PID/fd (proc_pid_fd(5)), and describe them.

The kernel keeps no way from a socket to its processes, so that all open files must be looked through; the walk ends when every
socket is found. It begins with the processes that run as the sockets' users and with the files that they opened first, goes on
with the processes that hold some of the sockets, and comes to the middle of large tables of open files last.
"""

from __future__ import annotations

import os
import re
import time
import typing as t

ROUNDS = (64, 1024, 1 << 30)  # how many of each process's files are looked at before the next process's turn
_UNIT = re.compile(r"[^/]+\.(?:service|scope|socket|mount)$")
_USER_MANAGER = re.compile(r"user@\d+\.service$")
_CONTAINER = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_TRACED, _RUNS = "t", "R"  # stopped by who traces it; on a processor, or waiting for one: see proc_pid_stat(5)
_SWITCHES = re.compile(r"^\w*voluntary_ctxt_switches:\s+(\d+)$", re.MULTILINE)
_MOMENT = 0.02  # seconds, in which a tracer that only watches, as strace does, has let the process go on
_TRACER = re.compile(r"^TracerPid:\s+(\d+)$", re.MULTILINE)
_FD_LIMIT = re.compile(r"^Max open files\s+(\d+|unlimited)", re.MULTILINE)


def attach(listeners: list[dict[str, t.Any]], seconds: float = 2.0) -> list[dict[str, str]]:
    """Set `processes` of each listener: None where the owners may not be seen, an empty list for a socket of the kernel's own.

    Returns the `absent` entries. The walk ends after `seconds` at the latest.
    """
    holders, why = find({one["inode"] for one in listeners if one["inode"]}, {one["uid"] for one in listeners}, seconds)
    described: dict[int, dict[str, t.Any] | None] = {}
    missing = 0
    for one in listeners:
        pids = holders.get(one["inode"])
        if pids is None and why and one["inode"]:
            missing += 1
            continue
        for pid in pids or ():
            if pid not in described:
                described[pid] = describe(pid)
        one["processes"] = [process for process in map(described.get, pids or ()) if process]
    return [{"what": f"processes of {missing} of {len(listeners)} listeners", "why": why}] if missing and why else []


def find(
    inodes: t.Collection[int], uids: t.Collection[int] = (), seconds: float = 2.0, pids: t.Iterable[int] | None = None
) -> tuple[dict[int, list[int]], str | None]:
    """The processes (of `pids`) that hold each socket, and why others may be missing (None: nobody else can hold one)."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, tuple[int, int]] = {}  # inode -> the process that was found first and its file's number
    everybody = likely_first(pids, uids)
    why, until = None, time.monotonic() + seconds
    waiting, start = everybody, 0
    for stop in ROUNDS:
        unfinished = []
        for pid in waiting:
            if not wanted:
                break
            if time.monotonic() > until:
                return _with_relatives(found, everybody), f"looking through the open files of all processes took longer than {seconds:g} s"
            try:
                if _look_through(pid, start, stop, wanted, found):
                    unfinished.append(pid)
            except PermissionError:
                why = may_not_be_read("open files", pid)
            except OSError:  # it is gone
                continue
        known = {pid for pid, _file in found.values()}
        waiting, start = sorted(unfinished, key=lambda pid: pid not in known), stop
    return _with_relatives(found, everybody), why


def may_not_be_read(what: str, pid: int) -> str:
    """Why a process hides something: to root, too, it does where CAP_SYS_PTRACE is missing or a security module forbids."""
    remedy = "run with become" if os.geteuid() else "root needs CAP_SYS_PTRACE for it"
    return f"the {what} of some processes, such as {pid}, may not be read: {remedy}"


def _look_through(pid: int, start: int, stop: int, wanted: dict[str, int], found: dict[int, tuple[int, int]]) -> bool:
    """Move the sockets among a process's files `start` to `stop` from `wanted` to `found`; whether it has files beyond `stop`.

    To list a file costs the kernel as much as to look at it: a directory that is larger than `stop` is not listed.
    """
    directory = f"/proc/{pid}/fd/"
    more = os.stat(directory).st_size > stop  # the number of files since Linux 6.2, before that 0
    numbers: t.Iterable[int] = range(start, stop)
    if not more:
        numbers = (number for number in map(int, reversed(os.listdir(directory))) if number >= start)
    for number in numbers:
        try:
            inode = wanted.pop(os.readlink(f"{directory}{number}"), None)
        except FileNotFoundError:
            continue
        if inode is not None:
            found[inode] = pid, number
            if not wanted:
                break
    return more


def file_number(pid: int, inode: int) -> int | None:
    """By which number a process holds a socket; None when it does not. Raises OSError when its open files may not be read."""
    found: dict[int, tuple[int, int]] = {}
    _look_through(pid, 0, ROUNDS[-1], {f"socket:[{inode}]": inode}, found)
    return found[inode][1] if found else None


def likely_first(pids: t.Iterable[int] | None, uids: t.Collection[int]) -> list[int]:
    """All processes (or `pids`), those of `uids` first; process 1 last, because it holds the sockets of socket units for others."""
    users = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pids is None else pids:
        try:
            users[pid] = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            continue
    return sorted(users, key=lambda pid: (pid == 1, users[pid] not in uids, pid))


def describe(pid: int) -> dict[str, t.Any] | None:
    """What there is to say of a process; None when it is gone."""
    status = _status(pid)
    if status is None:
        return None
    name, state, parent = status
    if state == _TRACED and _goes_on(pid):
        state = _RUNS
    limit = _FD_LIMIT.search(text_of(f"/proc/{pid}/limits"))
    cgroups = text_of(f"/proc/{pid}/cgroup")
    unit, container = unit_of(cgroups)
    return {
        "pid": pid,
        "parent": parent,
        "name": name,
        "state": state,
        "frozen": is_frozen(cgroups),
        "tracer": _tracer(pid) if state == _TRACED else None,
        "unit": unit,
        "container": container,
        "fds": _open_files(pid),
        "fd_limit": int(limit.group(1)) if limit and limit.group(1) != "unlimited" else None,
        "netns": namespace_of(pid),
    }


def _goes_on(pid: int) -> bool:
    """Whether a process that its tracer has stopped was given a processor a moment later: it was stopped for a system call alone."""
    then = _SWITCHES.findall(text_of(f"/proc/{pid}/status"))
    time.sleep(_MOMENT)
    return then != _SWITCHES.findall(text_of(f"/proc/{pid}/status"))


def _tracer(pid: int) -> dict[str, t.Any] | None:
    """The debugger of a process (ptrace(2)); None where it may not be seen, or is in another container."""
    found = _TRACER.search(text_of(f"/proc/{pid}/status"))
    tracer = int(found.group(1)) if found else 0
    status = _status(tracer) if tracer else None
    return {"pid": tracer, "name": status[0]} if status else None


def namespace_of(pid: int) -> int | None:
    """The inode number of a process's network namespace; None when it may not be seen."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None


def unit_of(cgroups: str) -> tuple[str | None, str | None]:
    """(systemd unit, container's identifier) from the text of /proc/PID/cgroup (cgroups(7)), of version 1 or 2.

    The unit is that of this host's manager; a unit of a user's manager follows it: `user@1000.service/web.service`.
    """
    paths = dict(line.split(":", 2)[1:] for line in cgroups.splitlines() if line.count(":") >= 2)
    path = paths.get("name=systemd") or paths.get("") or ""
    units = [part for part in path.split("/") if _UNIT.match(part)]
    container = _CONTAINER.search(cgroups)
    if len(units) > 1 and _USER_MANAGER.match(units[0]):
        unit: str | None = "/".join(units[:2])
    else:
        unit = units[0] if units else None
    return unit, container.group() if container else None


def is_frozen(cgroups: str, root: str = "/sys/fs/cgroup") -> bool:
    """Whether the control group in the text of /proc/PID/cgroup is frozen, as `systemctl freeze` and `docker pause` do it: the process runs
    no further then, and its state does not show it.
    """
    for controllers, path in (line.split(":", 2)[1:] for line in cgroups.splitlines() if line.count(":") >= 2):
        if path == "/":  # it cannot be frozen
            continue
        if not controllers and any("frozen 1" in text_of(f"{root}{base}{path}/cgroup.events").splitlines() for base in ("", "/unified")):
            return True
        if "freezer" in controllers.split(",") and text_of(f"{root}/freezer{path}/freezer.state").strip() in ("FROZEN", "FREEZING"):
            return True
    return False


def _with_relatives(found: dict[int, tuple[int, int]], everybody: list[int]) -> dict[int, list[int]]:
    """Add to each socket's first process those that inherited it by fork, or left it to it: they hold it by the same number."""
    holders = {inode: [pid] for inode, (pid, _file) in found.items()}
    if not found:
        return holders
    parents = {pid: status[2] for pid, status in ((pid, _status(pid)) for pid in everybody) if status}
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    for inode, (first, file) in found.items():
        link, known, unseen = f"socket:[{inode}]", {first}, [first]
        while unseen:
            pid = unseen.pop()
            for relative in [parents.get(pid, 0), *children.get(pid, ())]:
                if relative > 1 and relative not in known and _link(f"/proc/{relative}/fd/{file}") == link:
                    known.add(relative)
                    unseen.append(relative)
        holders[inode] = sorted(known)
    return holders


def children_of(pids: t.Collection[int]) -> dict[int, int]:
    """The processes that these have started, each with the one that did."""
    stated = ((int(name), _status(int(name))) for name in os.listdir("/proc") if name.isdigit())
    return {pid: status[2] for pid, status in stated if status and status[2] in pids}


def _status(pid: int) -> tuple[str, str, int] | None:
    """(name, state letter, parent) from /proc/PID/stat; the name may contain blanks and parentheses."""
    before, closing, after = text_of(f"/proc/{pid}/stat").rpartition(")")
    fields = after.split()
    if not closing or len(fields) < 2 or not fields[1].isdigit():
        return None
    return before.partition("(")[2], fields[0], int(fields[1])


def _open_files(pid: int) -> int | None:
    """How many files a process has open: the directory's size since Linux 6.2, else its entries must be counted."""
    try:
        return os.stat(f"/proc/{pid}/fd").st_size or len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:  # closed meanwhile
        return ""


def text_of(path: str, most: int = -1) -> str:
    """A file of /proc, up to so many characters; nothing of a process that has ended, or that may not be looked at."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(most)
    except OSError:
        return ""
