# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of a proxy that wait for an answer: they are for the flow's connections only where they are as many as it may have taken."""

from __future__ import annotations

import pytest

from tests.unit.plugins.plugin_utils._decide.test_lies import flows
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes
from tests.unit.plugins.plugin_utils.multiplied import multiplied
from tests.unit.plugins.plugin_utils.recordings import recorded

BOTH, NONE = ("degraded", "degraded"), ("ok", "ok")


def answered(pids: tuple[int, int], waiting: int, more: int = 0) -> tuple[str, ...]:
    """The statuses of two flows with a host, three connections each.

    ``pids``: who listens on their ports, of whom the first one calls another host; ``waiting``: how often, without an answer; ``more``:
    how many connections of other clients the host took.
    """
    plan, evidence = multiplied("healthy.twin", 1, 1, 2)
    for phase, part in (("open", "snapshot"), ("close", "after")):
        snapshot = evidence["server0"][phase]["evidence"][part]
        for listener, pid in zip(sorted(snapshot["listeners"], key=lambda each: each["port"]), pids, strict=True):
            listener["processes"] = [{**listener["processes"][0], "pid": pid, "name": "haproxy"}]
    snapshot["counters"]["Tcp"]["PassiveOpens"] += more
    call = {"program": "haproxy", "pid": pids[0], "source": "10.2.0.1", "address": "10.9.0.9", "port": 5432}
    snapshot["calls"] = [{**call, "count": waiting}]
    return tuple(flow["status"] for flow in flows(plan, evidence))


@pytest.mark.parametrize(
    ("pids", "waiting", "more", "statuses"),
    [
        pytest.param((7, 7), 6, 0, BOTH, id="one process calls for the connections of both ports"),
        pytest.param((7, 7), 3, 0, NONE, id="one process calls for the connections of one of its ports"),
        pytest.param((7, 8), 3, 0, ("degraded", "ok"), id="the process with one port calls for its connections"),
        pytest.param((7, 8), 3, 3, NONE, id="others have connections with it, for which it may call"),
        pytest.param((7, 8), 6, 3, ("degraded", "ok"), id="it calls for these as well"),
        pytest.param((7, 8), 4, 0, NONE, id="it opens a pool of its own"),
    ],
)
def test_a_proxy_that_calls_in_vain(pids: tuple[int, int], waiting: int, more: int, statuses: tuple[str, ...]) -> None:
    assert answered(pids, waiting, more) == statuses


@pytest.mark.parametrize(("repeated", "found"), [(2, []), (3, [("proxy_no_backend", "db1", "likely")])])
def test_a_segment_that_is_lost_twice_ends_no_session(repeated: int, found: list[tuple[str, str, str]]) -> None:
    plan, phases = recorded("healthy.twin")
    after = phases["db1"]["close"]["evidence"]["after"]
    pid = next(each["pid"] for listener in after["listeners"] for each in listener["processes"])
    session = {"program": "sshd", "pid": pid, "address": "10.0.9.9", "port": 40000, "local_port": 22}
    after["tunnels"] = [{**session, "unanswered": repeated}]
    assert causes(plan, phases) == found
