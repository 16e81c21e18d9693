# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read units' states from systemd, how their processes ended, and the states of related units."""

from __future__ import annotations

import fnmatch
import re
import time
import typing as t

from .._commands import Run
from .._errors import ObserveError

Properties = t.Dict[str, t.List[str]]

MOST_RELATIVES = 8
YOUNG_S = 300.0  # how long a program may take until it listens
_SHOWN = (
    "Id,Names,LoadState,ActiveState,SubState,Result,ReloadResult,Type,RemainAfterExit,NRestarts,NeedDaemonReload,ExecMainCode,ExecMainStatus,"
    "ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic,ExecStartPre,ConditionResult,ConditionTimestampMonotonic,Accept,Listen,"
    "TriggeredBy,Triggers,Requires,BindsTo,Requisite,User,AmbientCapabilities,RestrictAddressFamilies,Job,After"
)
_CODES = {"1": "exited", "2": "killed", "3": "dumped"}  # CLD_* of waitid(2)
_STREAM = re.compile(r"(?:(\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+\]):)?(\d+) \(Stream\)$")
_COMMAND = re.compile(r"path=(\S+) ;.* status=(\d+)(?:/\S+)? \}$")
_TIES = {"TriggeredBy": "triggered_by", "Triggers": "triggers", "Requires": "requires", "BindsTo": "requires", "Requisite": "requires"}
_TIED = (".service", ".socket", ".timer", ".path", ".mount", ".device")
_WAITED_FOR = (*_TIED, ".target")


def show(wanted: t.Iterable[str], run: Run, properties: str = _SHOWN) -> list[Properties]:
    """What systemd says of units, by names or patterns: the values of each property. Raises ObserveError."""
    code, output, error = run(["systemctl", "show", "--no-pager", f"--property={properties}", "--", *sorted(wanted)])
    if code != 0:
        raise ObserveError(f"systemctl show failed: {error.strip()[:200] or f'exit status {code}'}")
    return [_properties(block) for block in output.split("\n\n")]


def _properties(block: str) -> Properties:
    found: Properties = {}
    for name, equals, value in (line.partition("=") for line in block.splitlines()):
        if equals:
            found.setdefault(name, []).append(value)
    return found


def one(shown: Properties, name: str) -> str:
    """The value of a property; empty when systemd does not have it."""
    return shown.get(name, [""])[-1]


def count(shown: Properties, name: str) -> int:
    return int(one(shown, name)) if one(shown, name).isdigit() else 0


def names(shown: Properties) -> set[str]:
    return {one(shown, "Id"), *one(shown, "Names").split()}


def described(shown: Properties) -> dict[str, t.Any]:
    """A unit as docs/evidence.md has it, before its relatives and its log are known."""
    return {
        **_state(shown),
        "load": one(shown, "LoadState") or None,
        "code": _CODES.get(one(shown, "ExecMainCode")),
        "ran_s": _ran(shown),
        "ended_s": count(shown, "ExecMainExitTimestampMonotonic") / 1e6 or None,
        "runs_s": _runs_s(shown),
        "restarts": count(shown, "NRestarts") if "NRestarts" in shown else None,
        "once": one(shown, "Type") == "oneshot" and one(shown, "RemainAfterExit") == "no",
        "unmet": one(shown, "ConditionResult") == "no" and count(shown, "ConditionTimestampMonotonic") > 0,
        "queued": _queued(shown),
        "reload": one(shown, "ReloadResult") or None,
        "outdated": one(shown, "NeedDaemonReload") == "yes",
        "prepared": _prepared(shown.get("ExecStartPre", ())),
        "confined": _confined(shown),
        "relatives": [],
    }


def not_listened_s(unit: str, run: Run) -> float | None:
    """When a socket unit failed to listen, in seconds of the host's uptime. Raises ObserveError."""
    shown = show([unit], run, "StateChangeTimestampMonotonic")
    return count(shown[0], "StateChangeTimestampMonotonic") / 1e6 or None


def _queued(shown: Properties) -> bool:
    """Whether systemd has a job for a unit that does not run: it is to start, once other jobs are done."""
    return one(shown, "ActiveState") in ("inactive", "failed") and count(shown, "Job") > 0


def _confined(shown: Properties) -> dict[str, t.Any]:
    """What systemd forbids its processes that those need which listen (systemd.exec(5)).

    `families` are those that it allows, after a "~" those that it does not; `user` None: root.
    """
    user = one(shown, "User")
    return {
        "user": user if user not in ("", "root", "0") else None,
        "capable": "cap_net_bind_service" in one(shown, "AmbientCapabilities").lower().split(),
        "families": one(shown, "RestrictAddressFamilies").strip() if one(shown, "RestrictAddressFamilies").strip("~ ") else None,
    }


def _state(shown: Properties) -> dict[str, t.Any]:
    return {
        "unit": one(shown, "Id"),
        "active": one(shown, "ActiveState") or None,
        "sub": one(shown, "SubState") or None,
        "result": one(shown, "Result") or None,
        "status": count(shown, "ExecMainStatus") if one(shown, "ExecMainStatus").isdigit() else None,
        "listens": streams(shown),
        "log": None,
    }


def _ran(shown: Properties) -> float | None:
    """For how many seconds the main process ran that ended last."""
    began, ended = (count(shown, f"ExecMain{when}TimestampMonotonic") for when in ("Start", "Exit"))
    return round((ended - began) / 1e6, 3) if ended >= began > 0 else None


def is_young(shown: Properties) -> bool:
    """Whether the main process has run for so short a time that it may only come to listen."""
    seconds = _runs_s(shown)
    return seconds is not None and seconds < YOUNG_S


def _runs_s(shown: Properties) -> float | None:
    """For how many seconds the main process has run so far; None: it does not."""
    began, ended = (count(shown, f"ExecMain{when}TimestampMonotonic") for when in ("Start", "Exit"))
    if one(shown, "ActiveState") != "active" or not began or ended >= began:
        return None
    return max(0.0, round(time.monotonic() - began / 1e6, 3))


def _prepared(commands: t.Iterable[str]) -> dict[str, t.Any] | None:
    """The command ahead of the main process, such as a check of its configuration, that failed the last time."""
    for ended in filter(None, map(_COMMAND.search, commands)):
        if int(ended.group(2)):
            return {"command": ended.group(1), "status": int(ended.group(2))}
    return None


def streams(shown: Properties) -> list[dict[str, t.Any]]:
    """Where a socket unit listens for TCP; a port without an address is for all of them (systemd.socket(5))."""
    found = filter(None, map(_STREAM.search, shown.get("Listen", ())))
    return [{"address": (each.group(1) or "::").strip("[]"), "port": int(each.group(2))} for each in found]


def relatives(units: t.Mapping[str, Properties], run: Run) -> dict[str, list[dict[str, t.Any]]]:
    """By unit: what triggers it or is triggered by it, what it requires and is not there, and the last instance that a socket started."""
    ties = {name: _ties(name, shown) for name, shown in units.items()}
    wanted = {relative for tied in ties.values() for relative in tied}
    shown = show(wanted, run) if wanted else []

    def of(tied: dict[str, str]) -> t.Iterator[dict[str, t.Any]]:
        for relative, tie in tied.items():
            yield from _related(relative, tie, shown)

    return {name: list(of(tied))[:MOST_RELATIVES] for name, tied in ties.items()}


def _ties(name: str, shown: Properties) -> dict[str, str]:
    """The names, or patterns, of those with which a unit is tied, and how."""
    if one(shown, "Accept") == "yes":  # an instance for each connection
        return {f"{name.rpartition('.')[0]}@*.service": "triggers"}
    ahead = one(shown, "After").split() if _queued(shown) else []
    waits = {each: "waits_for" for each in ahead if each.endswith(_WAITED_FOR)}
    tied = {relative: tie for setting, tie in _TIES.items() for relative in one(shown, setting).split() if relative.endswith(_TIED)}
    return {**waits, **tied}


def _related(relative: str, tie: str, shown: t.Iterable[Properties]) -> t.Iterator[dict[str, t.Any]]:
    """The unit that is meant, or the one that ended last of a pattern's. A start fails for a required one that cannot even be loaded, and
    waits for one that comes ahead of it until that one's own job is done."""
    there = [each for each in shown if fnmatch.filter(names(each), relative)]
    meant = [each for each in there if tie == "requires" or one(each, "LoadState") == "loaded"]
    meant = [each for each in meant if tie != "waits_for" or count(each, "Job") > 0]
    for each in sorted(meant, key=lambda each: count(each, "ExecMainExitTimestampMonotonic"))[-1:]:
        if tie != "requires" or one(each, "ActiveState") not in ("active", "activating", "reloading"):
            yield {**_state(each), "tie": tie}
