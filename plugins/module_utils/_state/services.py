# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Whether units run, and whether the next boot starts them, from systemd's properties (systemctl(1), org.freedesktop.systemd1(5))."""

from __future__ import annotations

import os
import typing as t

from .._commands import Run
from .._errors import ObserveError
from .._host.units import BOOTED

FIREWALLS = (
    "firewalld.service",
    "ip6tables.service",
    "iptables.service",
    "netfilter-persistent.service",
    "nftables.service",
    "ufw.service",
)
MOST_UNITS = 200
_SHOWN = "Id,LoadState,ActiveState,UnitFileState,WantedBy,RequiredBy,UpheldBy,TriggeredBy"
_STARTERS = ("WantedBy", "RequiredBy", "UpheldBy", "TriggeredBy")
RUNNING = ("active", "activating")
_RELOADS = ("reloading", "refreshing")


class Unit(t.NamedTuple):
    """`active`: its ActiveState; one that reloads is active.

    `boots`: whether the next boot starts it; None where that depends on more than the unit's own settings.
    """

    active: str
    enabled: str
    boots: bool | None


def read(names: t.Collection[str], run: Run) -> dict[str, Unit]:
    """The units that exist, of `names`. Raises ObserveError where systemd does not run this host."""
    if not os.path.isdir(BOOTED):
        raise ObserveError("systemd does not run this host")
    wanted = sorted(names)[:MOST_UNITS]
    if not wanted:
        return {}
    code, output, error = run(["systemctl", "show", "--no-pager", f"--property={_SHOWN}", "--", *wanted])
    if code != 0:
        raise ObserveError(f"systemctl show failed: {error.strip()[:200] or f'exit status {code}'}")
    shown = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in output.strip().split("\n\n")]
    return {name: _unit(each) for name, each in zip(wanted, shown) if each.get("LoadState") not in ("not-found", None)}


def _unit(shown: t.Mapping[str, str]) -> Unit:
    active = shown.get("ActiveState", "")
    return Unit("active" if active in _RELOADS else active, shown.get("UnitFileState", "") or shown.get("LoadState", ""), boots(shown))


def boots(shown: t.Mapping[str, str]) -> bool | None:
    """Whether the next boot starts a unit of these properties."""
    state = shown.get("UnitFileState", "")
    if state == "masked":
        return False
    if state in ("enabled", "linked") or state.endswith("-runtime"):
        return True if state == "enabled" else None
    if state in ("disabled", "static", "transient", "indirect") and not any(shown.get(name) for name in _STARTERS):
        return False
    return None


def stays(shown: Unit) -> str | None:
    """What a boot would make of a unit's state, where that differs: "started" or "not started"."""
    if shown.boots is False and shown.active in RUNNING:
        return "not started"
    if shown.boots and shown.active in ("inactive", "failed", "deactivating"):
        return "started"
    return None
