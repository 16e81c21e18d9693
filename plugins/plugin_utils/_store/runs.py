# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Which run a report directory belongs to: one at a time, for as long as the process of its ansible-playbook lives.

Ansible runs every task in a process of its own, so that no task can hold a lock as long as the run lives. What is written down is
therefore the process that lives so long, and who comes next looks whether it still does.
"""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from . import directories
from .json_files import EvidenceError

LOCK = "run.lock"
LEASE = 1800.0
"""Seconds after a run's last task for which it is taken to live where nobody can look: on another machine, or in another container."""


@dataclass(frozen=True)
class Controller:
    """The process of an ansible-playbook. What a platform does not provide is empty."""

    pid: int
    started: str
    """In clock ticks since the boot; empty where /proc is none, or that of another namespace of process ids."""
    namespace: str
    """That of process ids."""
    boot: str
    machine: str
    host: str

    @classmethod
    def this(cls) -> Controller:
        """That which this task belongs to."""
        parent = multiprocessing.parent_process()
        return cls.of((parent.pid if parent else None) or os.getpid())

    @classmethod
    def of(cls, pid: int) -> Controller:
        """That with this process id, here."""
        namespace = ""
        with suppress(OSError):
            namespace = os.readlink("/proc/self/ns/pid")
        boot, machine = _line("/proc/sys/kernel/random/boot_id"), _line("/etc/machine-id")
        return cls(pid, _started(pid), namespace, boot, machine, socket.gethostname())

    def is_same(self, other: Controller) -> bool:
        """Whether both are one process."""
        return (self.pid, self.started) == (other.pid, other.started) and self._is_visible_from(other)

    def lives(self, here: Controller) -> bool | None:
        """Whether the process is still there; None where that cannot be seen from `here`."""
        if self._is_visible_from(here):
            if not _exists(self.pid):
                return False
            # By its number alone it may be another one: in containers, all that run here have the same few.
            return _started(self.pid) == self.started if self.started and _sees_itself() else None
        return False if self.boot != here.boot and self.machine and self.machine == here.machine else None

    def _is_visible_from(self, here: Controller) -> bool:
        return (self.boot, self.namespace) == (here.boot, here.namespace) and bool(self.boot or self.host == here.host)


def is_this(controller: object) -> bool:
    """Whether a controller, as a mapping, is the one that this code runs for: as a task, or in the process of ansible-playbook itself.

    That one may be a child process, too, where another program of Python started it by multiprocessing.
    """
    return controller in (asdict(Controller.this()), asdict(Controller.of(os.getpid())))


@dataclass(frozen=True)
class Holder:
    """The run that a directory belongs to."""

    run: str
    since: str
    controller: Controller

    def __str__(self) -> str:
        return f"run {self.run}, since {self.since}, process {self.controller.pid} on {self.controller.host}"


def take(report_dir: Path, run: str, since: str) -> None:
    """Make the directory where it does not exist, and let it belong to a run of this ansible-playbook. EvidenceError, OSError."""
    _hold(report_dir, lambda _holder: Holder(run, since, Controller.this()), make=True)


def take_over(report_dir: Path) -> str:
    """Let this ansible-playbook go on with a run whose own has ended, and return that run. EvidenceError, OSError."""

    def heir(holder: Holder | None) -> Holder:
        if holder is None:
            raise EvidenceError(f"no run has left anything in {report_dir}")
        return Holder(holder.run, holder.since, Controller.this())

    return _hold(report_dir, heir, make=False).run


def _hold(report_dir: Path, heir: Callable[[Holder | None], Holder], make: bool) -> Holder:
    """Write down who comes next, unless the directory is that of a run that lives."""
    here = Controller.this()
    with directories.private(report_dir, make=make) as directory:
        lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=directory)
        with os.fdopen(lock, "r+", encoding="utf-8") as file:
            with suppress(OSError):  # a file system without locks; then it takes two runs that begin in the same instant
                fcntl.flock(file, fcntl.LOCK_EX)
            holder = _holder(file.read())
            if holder is not None and not holder.controller.is_same(here):
                lives = holder.controller.lives(here)
                if lives or (lives is None and time.time() - os.fstat(lock).st_mtime < LEASE):
                    raise EvidenceError(_in_use(report_dir, holder, certain=bool(lives)))
            following = heir(holder)
            file.seek(0)
            file.truncate()
            json.dump({"run": following.run, "since": following.since, **asdict(here)}, file)
            return following


def check(report_dir: Path, run: str) -> None:
    """Refuse a directory that does not belong to this run of this ansible-playbook. EvidenceError, OSError."""
    if not run:
        raise EvidenceError(
            "this task belongs to no run, because nothing was planned before it in this playbook: run the whole of the playbook or role, "
            "without --tags, --skip-tags, --start-at-task or a condition (when) that leave its first task out"
        )
    with directories.private(report_dir) as directory:
        try:
            holder = _holder(directories.read(directory, LOCK).decode("utf-8", "replace"))
        except FileNotFoundError:
            holder = None
        if holder is None:
            raise EvidenceError(f"{report_dir} belongs to no run, and this task to run {run}: something else removed {LOCK} meanwhile")
        if holder.run != run:
            raise EvidenceError(
                f"{report_dir} belongs to another run now ({holder}), and this task to run {run}: give each its own directory"
            )
        if not holder.controller.is_same(Controller.this()):
            raise EvidenceError(f"run {run} was planned by another ansible-playbook ({holder}): plan and diagnose in one playbook")
        os.utime(LOCK, dir_fd=directory, follow_symlinks=False)


def rest(report_dir: Path) -> None:
    """After what may be a run's last task: who cannot look need not wait any more. A task that comes next renews the lease. OSError."""
    with directories.private(report_dir) as directory:
        os.utime(LOCK, (0, 0), dir_fd=directory, follow_symlinks=False)


def _in_use(report_dir: Path, holder: Holder, certain: bool) -> str:
    ended = "" if certain else f", or remove {report_dir / LOCK} if that run has ended: it cannot be seen from here"
    return f"{report_dir} is in use by {holder}: wait for its end, or give this run a report directory of its own{ended}"


def _holder(text: str) -> Holder | None:
    """What is written down; None for a file that is empty or damaged, which nobody holds."""
    try:
        raw: dict[str, Any] = json.loads(text)
        return Holder(str(raw["run"]), str(raw["since"]), Controller(**{each.name: raw[each.name] for each in fields(Controller)}))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _sees_itself() -> bool:
    """Whether /proc has the processes of this namespace: the numbers in that of another one mean others."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def _started(pid: int) -> str:
    """When a process began, by its machine's clock ticks; empty for one that is not there, or has ended, or cannot be seen."""
    if not _sees_itself():
        return ""
    state, _blank, rest = _line(f"/proc/{pid}/stat").rpartition(")")[2].strip().partition(" ")
    times = rest.split()
    return times[18] if state not in ("Z", "X") and len(times) > 18 else ""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
