# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What restores a host when nobody confirms: a timer of systemd and a unit for the next boot, or else two processes of our own.

The processes do the same: either would do. They hold nothing of the session that started them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import time
import typing as t

from ._base import GuardError, Run, succeed
from ._disk import draft_of, sync_directory, write_durably
from ._places import opened, real_directory

RESTORER, WATCH = "restore.pyz", "watch"
_PERMANENT, _PASSING = "/etc/systemd/system", "/run/systemd/system"
_WATCHERS = 2
_READY_SECONDS = 20.0
_COMMAND = "/bin/sh -c 'test ! -e {restorer} || exec {python} -I -B {restorer} {how}'"
# Several times, because one that is killed must be followed by another; one that finds nothing to do ends at once.
_SERVICE = """[Service]
Type=oneshot
ExecStart=-{command}
ExecStart=-{command}
ExecStart=-{command}
TimeoutStartSec=infinity
OOMScoreAdjust=-900
"""
_NOW = """[Unit]
Description=Restore this host: transaction {transaction} of threeway.handshake was not confirmed
DefaultDependencies=no
IgnoreOnIsolate=yes

"""
_TIMER = """[Unit]
Description=Restore this host unless transaction {transaction} of threeway.handshake is confirmed
DefaultDependencies=no
IgnoreOnIsolate=yes

[Timer]
OnStartupSec={seconds}
AccuracySec=100ms
"""
_BOOT = """[Unit]
Description=Restore this host: it was rebooted within transaction {transaction} of threeway.handshake
DefaultDependencies=no
RequiresMountsFor={directory}
After=local-fs.target systemd-remount-fs.service
Wants=network-pre.target
Before=network-pre.target sysinit.target systemd-sysctl.service systemd-networkd.service networking.service NetworkManager.service
Before=nftables.service firewalld.service ufw.service iptables.service netfilter-persistent.service
Conflicts=shutdown.target
Before=shutdown.target
ConditionPathExists={restorer}

"""


def set_alarm(directory: str, transaction: str, seconds: float, run: Run) -> str:
    """Have the host restored in so many seconds. Returns by whom: `systemd` (behind a reboot, too) or `process`. GuardError, OSError."""
    if not _is_systemd_ours(directory, run):
        _watch(directory, seconds, _WATCHERS)
        return "process"
    for place in (_PERMANENT, _PASSING):
        with opened(real_directory(place)):  # GuardError where others could replace our units
            pass
    name, restorer = _unit(transaction), os.path.join(directory, RESTORER)
    about = {
        "transaction": transaction,
        "directory": directory,
        "restorer": restorer,
        "seconds": f"{_systemd_runs_for(run) + seconds:.3f}s",
    }
    for path, text, how in (
        (f"{_PERMANENT}/{name}-boot.service", _BOOT, "boot"),
        (f"{_PASSING}/{name}.service", _NOW, "now"),
        (f"{_PASSING}/{name}.timer", _TIMER, None),
    ):
        service = _SERVICE.format(command=_COMMAND.format(restorer=restorer, python=sys.executable, how=how)) if how else ""
        write_durably(path, (text.format(**about) + service).encode(), 0o644)
    os.makedirs(os.path.dirname(_wanting(name)), exist_ok=True)
    os.symlink(f"{_PERMANENT}/{name}-boot.service", _wanting(name))
    sync_directory(os.path.dirname(_wanting(name)))
    succeed(run, ["systemctl", "start", f"{name}.timer"])
    return "systemd"


def clear_alarm(transaction: str, run: Run) -> None:
    """Remove what `set_alarm` made, as far as it is there; processes see for themselves that nothing is left to do. Raises OSError."""
    name = _unit(transaction)
    paths = [_wanting(name), f"{_PERMANENT}/{name}-boot.service", f"{_PASSING}/{name}.timer", f"{_PASSING}/{name}.service"]
    there = [path for path in (*paths, *(draft_of(path) for path in paths)) if os.path.lexists(path)]
    if f"{_PASSING}/{name}.timer" in there:
        run(["systemctl", "stop", f"{name}.timer"])
    for path in there:
        os.unlink(path)
        sync_directory(os.path.dirname(path))


def is_alarm_set(directory: str, transaction: str, run: Run) -> bool:
    """Whether something on this host will restore it at the deadline."""
    if os.path.exists(f"{_PASSING}/{_unit(transaction)}.timer"):
        units = [f"{_unit(transaction)}.timer", f"{_unit(transaction)}.service"]
        _code, output, _error = run(["systemctl", "show", "--property=SubState", "--value", *units])
        return not {"waiting", "running", "start"}.isdisjoint(output.split())  # a timer that has elapsed is active, too
    with contextlib.suppress(FileNotFoundError), open(os.path.join(directory, WATCH), "rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def ring(directory: str, transaction: str, run: Run) -> None:
    """Have the host restored now, by somebody who outlives this session. GuardError when that cannot be begun."""
    name = _unit(transaction)
    if os.path.exists(f"{_PASSING}/{name}.service"):
        succeed(run, ["systemctl", "start", "--no-block", f"{name}.service"])
    else:
        _watch(directory, 0, 1)


def _unit(transaction: str) -> str:
    return f"threeway-handshake-{transaction}"


def _wanting(name: str) -> str:
    return f"{_PERMANENT}/sysinit.target.wants/{name}-boot.service"


def _is_systemd_ours(directory: str, run: Run) -> bool:
    """Whether process 1 is a systemd that has our network and our files: its units then act on what we act on."""
    if not os.path.isdir("/run/systemd/system"):
        return False
    ours = ["/proc/self/ns/net", directory, _PERMANENT, _PASSING]
    try:
        same = all(os.path.samestat(os.stat(path), os.stat(_seen_by_init(path))) for path in ours)
    except OSError:
        return False
    return same and run(["systemctl", "show", "--property=Version"])[0] == 0


def _seen_by_init(path: str) -> str:
    return path.replace("/self/", "/1/") if path.startswith("/proc/self/") else f"/proc/1/root{path}"


def _systemd_runs_for(run: Run) -> float:
    """Seconds since systemd started. A deadline counted from then stays where it is; `daemon-reload` sets others (OnActiveSec) back."""
    shown = succeed(run, ["systemctl", "show", "--property=UserspaceTimestampMonotonic"])
    return time.monotonic() - int(shown.strip().partition("=")[2]) / 1e6


def _watch(directory: str, seconds: float, number: int) -> None:
    """Start the processes and wait until each of them watches."""
    deadline = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
    ready, report = os.pipe()
    try:
        for _nth in range(number):
            child = os.fork()
            if child == 0:
                _become_watcher(directory, deadline, report)
            os.waitpid(child, 0)
        os.close(report)
        report = -1
        give_up, heard = time.monotonic() + _READY_SECONDS, b""
        while len(heard) < number and select.select([ready], [], [], max(0.0, give_up - time.monotonic()))[0]:
            word = os.read(ready, number)
            if not word:
                break
            heard += word
        if len(heard) < number:
            raise GuardError(f"the processes that are to restore this host do not start: {sys.executable} {directory}/{RESTORER}")
    finally:
        for descriptor in (ready, report):
            if descriptor >= 0:
                os.close(descriptor)


def _become_watcher(directory: str, deadline: float, report: int) -> t.NoReturn:
    """In a child: leave session and standard streams, and become the restorer, whose parent nobody waits for."""
    try:
        os.setsid()
        if os.fork() == 0:  # not a session leader: it never gets a terminal
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.chdir("/")
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.set_inheritable(report, True)
            restorer = os.path.join(directory, RESTORER)
            environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "LANGUAGE": "C"}
            os.execve(sys.executable, [sys.executable, "-I", "-B", restorer, "watch", repr(deadline), str(report)], environment)
    finally:
        os._exit(0)
