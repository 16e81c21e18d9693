# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A balancer's counts of connections in vain, each server by itself, and without what is not of this run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded, reported

IN_VAIN = "proxy_no_backend.refused-on"
Snapshot = dict[str, Any]


def status(change: Callable[[Snapshot, Snapshot], None]) -> str:
    """Of the flow, with the balancer's snapshots of before and after changed."""
    plan, found = recorded(IN_VAIN)
    change(found["db2"]["open"]["evidence"]["snapshot"], found["db2"]["close"]["evidence"]["after"])
    said: str = flows(plan, found)[0]["status"]
    return said


def test_as_recorded() -> None:
    assert reported(IN_VAIN)["flows"][0]["status"] == "degraded"
    assert reported("proxy_no_backend.refused-on-beside.twin")["flows"][0]["status"] == "ok"


def taken_by_another(before: Snapshot, after: Snapshot) -> None:
    """A second server, which took as many as the first one failed to."""
    for snapshot, connects in ((before, 0), (after, 3)):
        snapshot["balancers"].append(
            {**snapshot["balancers"][0], "server": "db9", "address": "10.0.2.29", "connects": connects, "failed": 0}
        )


def failed_by_another(before: Snapshot, after: Snapshot) -> None:
    """The first one took them; connections with a second one, begun before, fail meanwhile."""
    ours = after["balancers"][0]
    ours["failed"] = before["balancers"][0]["failed"]
    for snapshot, failed in ((before, 0), (after, 3)):
        snapshot["balancers"].append({**ours, "server": "db9", "address": "10.0.2.29", "connects": 3, "failed": failed})


def begun_before(before: Snapshot, after: Snapshot) -> None:
    """As many as failed were begun before, and waited then; those begun since were taken."""
    server = before["balancers"][0]
    call = {"program": "haproxy", "pid": server["pids"][0], "source": "10.0.2.22", "address": server["address"], "port": server["port"]}
    before["calls"] = [{**call, "count": 3, "local_ports": [40100, 40102, 40104]}]
    after["calls"] = []


def checks(before: Snapshot, after: Snapshot) -> None:
    """What waits is a check, and what was begun was taken."""
    server = after["balancers"][0]
    call = {"program": "haproxy", "pid": server["pids"][0], "source": "10.0.2.22", "address": server["address"], "port": server["port"]}
    server["check"], server["connects"], server["failed"] = (
        "L4TOUT",
        before["balancers"][0]["connects"] + 3,
        before["balancers"][0]["failed"] + 2,
    )
    after["calls"] = [{**call, "count": 1, "local_ports": [40100]}]


@pytest.mark.parametrize("change", [taken_by_another, failed_by_another, begun_before, checks])
def test_any_that_may_have_been_taken_says_nothing(change: Callable[[Snapshot, Snapshot], None]) -> None:
    assert status(change) == "ok"


def test_what_failed_before_the_run_makes_no_flow_unusual() -> None:
    def long_ago(before: Snapshot, after: Snapshot) -> None:
        for snapshot in (before, after):
            snapshot["balancers"][0].update(connects=90, failed=90)

    assert status(long_ago) == "ok"
