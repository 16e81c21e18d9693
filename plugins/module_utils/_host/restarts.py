# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What a start, restart or reload of a systemd unit changes beside what it is for: what runs against what is on the disk by now.

Files count that were changed after the unit was started: those of the unit itself, those that its command names, and those in /etc that are
named like the unit or its program. What else a program reads is not known.
"""

from __future__ import annotations

import os
import re
import time
import typing as t

from .._commands import Run
from .._errors import ObserveError
from .._wire.netlink import unpack
from .inet_diag import ANSWER, STATES, WHAT, dump, ends_of
from .owners import text_of
from .unit_states import Properties, count, one
from .units import DIRECTORIES

ACTIONS = ("started", "restarted", "reloaded")
MOST_FILES, MOST_NAMED = 5000, 10
_ESTABLISHED = next(number for number, name in STATES.items() if name == "ESTABLISHED")
_SHOWN = (
    "Id,LoadState,ActiveState,MainPID,ControlGroup,NeedDaemonReload,FragmentPath,SourcePath,DropInPaths,EnvironmentFiles,ExecStart,"
    "ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic,Conflicts,ConsistsOf,BoundBy,RequiredBy"
)
_READ = "UnitsLoadTimestampMonotonic"
_PROGRAM, _FILE = re.compile(r"path=(\S+) ;"), re.compile(r"/etc/[^\s;:,'\"=]+")
_ENVIRONMENT = re.compile(r"(/\S+) \(ignore_errors=")
_PART = re.compile(r"@.*|\.\w+$")
_REPLACED = re.compile(r"(/(?:usr|lib|lib64|bin|sbin|opt)/\S+) \(deleted\)$", re.MULTILINE)

Change = t.Dict[str, t.Any]


def also(unit: str, action: str, run: Run) -> list[Change]:
    """{kind, count, names} of each kind of thing that would change as well. Raises ObserveError.

    unread: files of the unit that systemd has not read yet, so that it goes on with what it has read before. file: configuration that was
    changed since the start. program: the program, or libraries of it, that were replaced since. connections: those that end. unit: other
    units that are stopped or restarted with it.
    """
    if action not in ACTIONS:
        raise ObserveError(f"action is {action!r}: give one of {', '.join(ACTIONS)}")
    shown = _show([unit], run)[0]
    runs = one(shown, "ActiveState") in ("active", "reloading", "deactivating")
    stops = _active([*one(shown, "Conflicts").split()] if action == "started" and not runs else [], run)
    if action == "restarted" and runs:
        stops = _active({name for tie in ("ConsistsOf", "BoundBy", "RequiredBy") for name in one(shown, tie).split()}, run)
    found: dict[str, t.Collection[str]] = {"unread": _unread(shown, run), "unit": stops}
    if runs and action != "started":
        since, pids = _started(shown), _processes(one(shown, "ControlGroup"))
        found["file"] = [] if since is None else [path for path in _files(shown) if _changed(path, since)]
        if action == "restarted":
            found.update(program=_replaced(pids), connections=_connections(pids))
    return [{"kind": kind, "count": len(names), "names": sorted(names)[:MOST_NAMED]} for kind, names in sorted(found.items()) if names]


def _show(units: t.Iterable[str], run: Run, properties: str = _SHOWN) -> list[Properties]:
    """Of each unit; without one, of systemd itself."""
    code, output, error = run(["systemctl", "show", "--no-pager", f"--property={properties}", "--", *units])
    if code != 0:
        raise ObserveError(f"systemctl show failed: {error.strip()[:200] or f'exit status {code}'}")
    several: list[Properties] = []
    for block in output.split("\n\n"):
        found: Properties = {}
        for name, equals, value in (line.partition("=") for line in block.splitlines()):
            if equals:
                found.setdefault(name, []).append(value)
        several.append(found)
    return several


def _active(names: t.Iterable[str], run: Run) -> list[str]:
    """Those services and sockets that run; targets and what systemd makes by itself are no matter."""
    wanted = sorted(name for name in names if name.endswith((".service", ".socket")))
    return [one(each, "Id") for each in _show(wanted, run) if one(each, "ActiveState") == "active"] if wanted else []


def _own_files(shown: Properties) -> list[str]:
    return [*filter(None, (one(shown, "FragmentPath"), one(shown, "SourcePath"))), *one(shown, "DropInPaths").split()]


def _unread(shown: Properties, run: Run) -> list[str]:
    """The unit's files where systemd says that they are others by now, and drop-ins that it does not know: it does not always see a new
    directory. It does not say which files it means: those that are gone, or have changed since it last read files; or else any of them."""
    known, unit = _own_files(shown), one(shown, "Id")
    there = [
        f"{directory}/{unit}.d/{name}" for directory in DIRECTORIES for name in _names(f"{directory}/{unit}.d") if name.endswith(".conf")
    ]
    real = set(map(os.path.realpath, known))
    found = [path for path in there if os.path.realpath(path) not in real]
    if one(shown, "NeedDaemonReload") == "yes":
        read = _since(count(_show([], run, _READ)[0], _READ))
        found += [path for path in known if not os.path.exists(path) or read is None or _changed(path, read)]
        found = found or known or [unit]
    return list({os.path.realpath(path): path for path in found}.values())


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _started(shown: Properties) -> float | None:
    return _since(count(shown, "ExecMainStartTimestampMonotonic") or count(shown, "ActiveEnterTimestampMonotonic"))


def _since(at: int) -> float | None:
    """A time of systemd's in the clock of files."""
    return time.time() - (time.clock_gettime(time.CLOCK_MONOTONIC) - at / 1e6) if at else None


def _files(shown: Properties) -> t.Iterator[str]:
    commands = shown.get("ExecStart", [])
    programs = [os.path.basename(path) for command in commands for path in _PROGRAM.findall(command)]
    named = [path for command in commands for path in _FILE.findall(command)]
    named += [path for line in shown.get("EnvironmentFiles", []) for path in _ENVIRONMENT.findall(line)]
    for name in {_PART.sub("", one(shown, "Id")), *programs}:
        named += [f"/etc/{name}", f"/etc/{name}.conf", f"/etc/default/{name}", f"/etc/sysconfig/{name}"]
    room = MOST_FILES
    for path in dict.fromkeys([*_own_files(shown), *named]):
        for file in _below(path):
            if room == 0:
                return
            room -= 1
            yield file


def _below(path: str) -> t.Iterator[str]:
    """A file, or the files of a directory."""
    if not os.path.isdir(path):
        yield path
    for directory, _directories, names in os.walk(path):
        yield from (os.path.join(directory, name) for name in names)


def _changed(path: str, since: float) -> bool:
    """By ctime, as mtime is older than the change where a package or `cp --preserve` brings a file. A link may have got another target.

    A chmod counts as well: no time distinguishes it from such a copy in place, and a restart may depend on who may read the file.
    """
    try:
        return os.path.isfile(path) and max(os.stat(path).st_ctime, os.lstat(path).st_ctime) > since
    except OSError:
        return False


def _processes(group: str) -> set[int]:
    """Of a control group and those below it."""
    found: set[int] = set()
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"):
        for directory, _directories, names in os.walk(root + group) if group.strip("/") else ():
            if "cgroup.procs" in names:
                found.update(int(word) for word in text_of(f"{directory}/cgroup.procs").split())
    return found


def _replaced(pids: t.Iterable[int]) -> set[str]:
    return {path for pid in pids for path in _REPLACED.findall(text_of(f"/proc/{pid}/maps"))}


def _connections(pids: t.Collection[int]) -> list[str]:
    """The TCP connections that these processes hold, in the namespace of this process: who is at the other end."""
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    ends = []
    for body in dump(1 << _ESTABLISHED, []) if inodes else ():
        if unpack(ANSWER, body, WHAT)[-1] in inodes:
            _state, _local, _port, remote, remote_port = ends_of(body)
            ends.append(f"{remote} port {remote_port}")
    return ends


def _sockets(pid: int) -> t.Iterator[int]:
    for name in _names(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            yield int(target[8:-1])
