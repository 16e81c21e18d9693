# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded evidence with what systemd and the kernel tell of a server's services put in by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.lies import Phases
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded

Snapshot = dict[str, Any]
UNIT = {"port": 5432, "unit": "orders.service", "how": "declared", "load": "loaded", "active": "failed", "sub": "failed"}
EXITED = {**UNIT, "result": "exit-code", "code": "exited", "status": 3}
RESTLESS = {
    **EXITED,
    **{"unit": "crashy.service", "how": "restless", "active": "activating", "sub": "auto-restart", "ran_s": 0.2, "restarts": 7},
}
SSH = {"unit": "orders.socket", "tie": "triggered_by", "active": "active", "sub": "listening", "listens": [{"address": "::", "port": 5433}]}
PROCESS = {"pid": 7, "name": "curl", "state": "S", "unit": "batch.service"}
HOLDER = {"port": 5432, "state": "ESTABLISHED", "local": "10.0.2.21", "remote": "10.0.2.1", "remote_port": 443, "process": PROCESS}


def at_server(found: Phases, change: Callable[[Snapshot], Any], parts: tuple[str, ...] = ("snapshot", "after")) -> None:
    for phase, part in (("open", "snapshot"), ("close", "after")):
        if part in parts:
            change(found["db1"][phase]["evidence"][part])


def cause(name: str, change: Callable[[Snapshot], Any] | None = None, *more: Callable[[Phases], None]) -> dict[str, Any]:
    """The first cause of a recording whose server tells otherwise."""
    plan, found = recorded(name)
    if change:
        at_server(found, change)
    for each in more:
        each(found)
    first: dict[str, Any] = flows(plan, found)[0]["causes"][0]
    return first


def with_unit(unit: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return cause("no_listener", lambda snapshot: snapshot.update(units=[unit], **parts))


def automatic(told: dict[str, Any]) -> bool:
    return bool(told["fix"]["steps"])
