# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The sysctls of a host with their meaning, and the time that they give a handshake: the work of the module sysctl_info."""

from __future__ import annotations

import os
import typing as t

from .._connect import schedule as _schedule
from .._errors import ObserveError
from .._host import sysctls
from .._host.sysctl_meanings import MEANINGS


def observe(interfaces: t.Sequence[str], timeout: float | None) -> dict[str, t.Any]:
    """The return values of sysctl_info; ObserveError for an interface that is not there and for an impossible timeout."""
    for interface in interfaces:
        if "/" in interface or interface in (".", "..") or not os.path.isdir(f"/proc/sys/net/ipv4/conf/{interface}"):
            raise ObserveError(f"there is no interface {interface!r}: give the names of interfaces as `ip link` shows them")
    if timeout is not None and not 0 < timeout < float("inf"):
        raise ObserveError(f"timeout is {timeout:g}: give a number of seconds above 0")
    values, absent = sysctls.read(interfaces)
    answer: dict[str, t.Any] = {"sysctls": {name: _entry(name, value) for name, value in values.items()}}
    schedules: dict[str, t.Callable[[t.Mapping[str, str]], _schedule.Schedule]] = {"syn": _schedule.syn, "syn_ack": _schedule.syn_ack}
    for packet, schedule in schedules.items():
        answer[packet] = None
        try:
            answer[packet] = _described(schedule(values), timeout)
        except ObserveError as error:
            absent.append({"what": packet, "why": str(error)})
    return {**answer, "absent": absent}


def _entry(name: str, value: str) -> dict[str, t.Any]:
    meaning = MEANINGS[sysctls.pattern(name)]
    return {"value": value, "unit": meaning.unit, "side": meaning.side, "since": meaning.since, "meaning": meaning.text}


def _described(schedule: _schedule.Schedule, timeout: float | None) -> dict[str, t.Any]:
    within = None if timeout is None else schedule.within(timeout)
    return {"sent": list(schedule.sent), "gives_up": schedule.gives_up, "within_timeout": within}
