# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Restore a host when nobody confirms: two independent ways, each tested before the host counts as armed.

With systemd these are its units, a timer and one for the next boot, and a process of our own beside them; without systemd two processes.
All of them may ring: the lock of `_disk.locked` lets one restore, and the others then find nothing left to do.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shlex
import sys
import time
import typing as t

from .._commands import Run
from .base import GuardError, succeed
from .disk import draft_of, read_file, remove, sync_directory, write_durably
from .places import opened, real_directory
from .watchers import RESTORER, is_watched, watch

SCRIPT, TRIAL = "restore.sh", "trial"
_PERMANENT, _PASSING = "/etc/systemd/system", "/run/systemd/system"
_WATCHERS = 2
_AFTER_UNITS = 2.0  # seconds by which a process lets the units go first: what they say is in systemd's journal
_READY_SECONDS = 20.0
_AGAIN = (0.0, 5.0, 30.0, 120.0)  # seconds after the deadline at which the timer rings: whatever was killed is followed by another
# The path of the interpreter may hold anything. It stands here, where one rule of quoting is enough, and in no unit.
_SCRIPT = """\
# Restores this host unless its transaction is confirmed.
restorer={restorer}
for attempt in 1 2 3; do
    test -e "$restorer" || exit 0
    {python} -I -B "$restorer" "$1" && exit 0
done
exit 1
"""
_SERVICE = """[Service]
Type=oneshot
ExecStart=/bin/sh {script} {how}
TimeoutStartSec=infinity
OOMScoreAdjust=-900
"""
_NOW = """[Unit]
Description=Restore this host: transaction {transaction} of threeway.handshake was not confirmed
DefaultDependencies=no
IgnoreOnIsolate=yes
StartLimitIntervalSec=0

"""
_TIMER = """[Unit]
Description=Restore this host unless transaction {transaction} of threeway.handshake is confirmed
DefaultDependencies=no
IgnoreOnIsolate=yes

[Timer]
{deadlines}
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
ConditionPathExists={script}
StartLimitIntervalSec=0

"""


def set_alarm(directory: str, transaction: str, seconds: float, run: Run) -> tuple[str, float]:
    """Have the host restored in so many seconds. Returns by whom, `systemd` (after a reboot, too) or `process`, and when.

    What was saved is in its place already. When this returns, both ways have shown that they find it and can read it. Raises GuardError,
    OSError.
    """
    if not _is_systemd_ours(directory, run):
        due = time.time() + seconds
        watch(directory, seconds, _WATCHERS)
        return "process", due
    for place in (_PERMANENT, _PASSING):
        with opened(real_directory(place)):  # GuardError where others could replace our units
            pass
    name, about = _unit(transaction), {"transaction": transaction, "directory": directory, "script": os.path.join(directory, SCRIPT)}
    write_durably(about["script"], _script(directory))
    services = {"boot": (f"{name}-boot.service", _PERMANENT, _BOOT), "now": (f"{name}.service", _PASSING, _NOW)}
    for how, (unit, place, text) in services.items():
        write_durably(f"{place}/{unit}", (text + _SERVICE).format(how=how, **about).encode(), 0o644)
    _try_units({how: unit for how, (unit, _place, _text) in services.items()}, directory, run)
    due, deadline = time.time() + seconds, _systemd_runs_for(run) + seconds
    deadlines = "\n".join(f"OnStartupSec={deadline + later:.3f}s" for later in _AGAIN)
    write_durably(f"{_PASSING}/{name}.timer", _TIMER.format(deadlines=deadlines, **about).encode(), 0o644)
    os.makedirs(os.path.dirname(_wanting(name)), 0o755, exist_ok=True)
    os.symlink(f"{_PERMANENT}/{name}-boot.service", _wanting(name))
    sync_directory(os.path.dirname(_wanting(name)))
    succeed(run, ["systemctl", "start", f"{name}.timer"])
    watch(directory, seconds + _AFTER_UNITS, 1, "beside")
    return "systemd", due


def is_trial(directory: str) -> bool:
    """Whether somebody tries the alarm out, who also holds the lock then."""
    return os.path.lexists(os.path.join(directory, TRIAL))


def report_trial(directory: str, how: str, sentence: str) -> None:
    """Answer the process that tests the alarm: an empty sentence when it would restore. Raises OSError."""
    write_durably(_outcome(directory, how), sentence.encode("utf-8", "replace"))


def _outcome(directory: str, how: str) -> str:
    return os.path.join(directory, f"{TRIAL}.{how}")


def _script(directory: str) -> bytes:
    """What the units run. GuardError when nobody knows the interpreter's path."""
    if not sys.executable:
        raise GuardError("this Python does not know its own path: the restore could not be started")
    return os.fsencode(_SCRIPT.format(restorer=shlex.quote(os.path.join(directory, RESTORER)), python=shlex.quote(sys.executable)))


def _try_units(units: t.Mapping[str, str], directory: str, run: Run) -> None:
    """Start the very units, which do all but restoring as long as this is a trial. GuardError with what keeps one from it."""
    trial = os.path.join(directory, TRIAL)
    write_durably(trial, b"")
    for unit in units.values():
        succeed(run, ["systemctl", "start", "--no-block", unit])
    for how, unit in units.items():
        _await_trial(_outcome(directory, how), unit, run)
    remove(trial)
    sync_directory(directory)


def _await_trial(path: str, unit: str, run: Run) -> None:
    """Wait until the unit has ended: one that goes on would take what is armed next for due."""
    give_up = time.monotonic() + _READY_SECONDS
    while True:
        late = time.monotonic() > give_up
        shown = run(["systemctl", "show", "--property=ActiveState,Result,ExecMainStatus", unit])[1]
        about = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        sentence = read_file(path).decode("utf-8", "replace") if os.path.exists(path) else None
        if sentence:
            raise GuardError(f"{unit} was tried and would not restore this host: {sentence}")
        if sentence is not None and about.get("ActiveState") == "inactive":
            return
        if late or about.get("ActiveState") == "failed":
            state = ", ".join(f"{name} {value}" for name, value in about.items())
            raise GuardError(
                f"{unit} was tried and does not run the restorer with {sys.executable!r} ({state}): journalctl -u {unit} shows why"
            )
        time.sleep(0.02)


def clear_alarm(transaction: str, run: Run) -> None:
    """Remove what `set_alarm` made, as far as it is there; processes see for themselves that nothing is left to do. Raises OSError."""
    name = _unit(transaction)
    paths = [_wanting(name), f"{_PERMANENT}/{name}-boot.service", f"{_PASSING}/{name}.timer", f"{_PASSING}/{name}.service"]
    there = [path for path in (*paths, *(draft_of(path) for path in paths)) if os.path.lexists(path)]
    if not there:
        return
    if f"{_PASSING}/{name}.timer" in there:
        run(["systemctl", "stop", f"{name}.timer"])
    for path in there:
        os.unlink(path)
        sync_directory(os.path.dirname(path))
    with contextlib.suppress(OSError):  # where it was made for our link alone
        os.rmdir(os.path.dirname(_wanting(name)))
    run(["systemctl", "reset-failed", f"{name}.service", f"{name}-boot.service"])  # a failed unit keeps its name


def clear_stray_alarms(base: str, known: t.Container[str], run: Run) -> None:
    """Remove units for the next boot whose transactions are gone, because somebody removed their directories. Raises OSError."""
    prefix, suffix = _unit(""), "-boot.service"
    paths = glob.glob(f"{_PERMANENT}/{prefix}*{suffix}")
    strays = [name for name in (os.path.basename(path)[len(prefix) : -len(suffix)] for path in paths) if name not in known]
    if strays and _is_systemd_ours(base, run):  # or they are of whoever has the same files and another directory
        for name in strays:
            clear_alarm(name, run)


def is_alarm_set(directory: str, transaction: str, run: Run) -> bool:
    """Whether something on this host will restore it at the deadline."""
    if os.path.exists(f"{_PASSING}/{_unit(transaction)}.timer"):
        units = [f"{_unit(transaction)}.timer", f"{_unit(transaction)}.service"]
        _code, output, _error = run(["systemctl", "show", "--property=SubState", "--value", *units])
        if not {"waiting", "running", "start"}.isdisjoint(output.split()):  # a timer that has elapsed is active, too
            return True
    return is_watched(directory)


def ring(directory: str, transaction: str, run: Run) -> None:
    """Have the host restored now, by somebody who outlives this session. GuardError when that cannot be begun."""
    name = _unit(transaction)
    if not os.path.exists(f"{_PASSING}/{name}.service"):
        watch(directory, 0.0, 1)
        return
    started = run(["systemctl", "start", "--no-block", f"{name}.service"])[0] == 0
    try:
        watch(directory, _AFTER_UNITS if started else 0.0, 1, "beside")
    except GuardError:
        if not started:
            raise


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
