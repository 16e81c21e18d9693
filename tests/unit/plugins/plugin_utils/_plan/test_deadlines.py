# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever hangs, the others' recordings last until they are fetched."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.deadlines import (
    LEAST,
    MAX_RECORDER_SECONDS,
    Deadlines,
    deadlines,
    lost_to_failures,
)

ATTEMPTS = 13.0
WELL = 2.0
"""Seconds that a host takes which is well."""


def barrier(times: Deadlines, phase: str, hosts: list[bool], begun: float, forks: int) -> float:
    """When a phase is over that begins then; `hosts`: whether each hangs, in the order in which they are served."""
    free = [begun] * forks
    for hangs in hosts:
        start = heapq.heappop(free)
        took = WELL + (ATTEMPTS if phase == "try" else 0.0)
        heapq.heappush(free, start + (times.seconds(phase, start) if hangs else took))
    return max(free)


@pytest.mark.parametrize("forks", [1, 5, 20, 50])
@pytest.mark.parametrize("hosts", [1, 3, 20])
@pytest.mark.parametrize("host_timeout", [10.0, 60.0, 600.0, 0.0])
def test_in_small_fleets_all_hosts_may_hang_at_any_time(hosts: int, forks: int, host_timeout: float) -> None:
    times = deadlines(hosts, hosts, ATTEMPTS, forks, host_timeout)
    over = 0.0
    for phase in ("open", "try", "close"):
        over = barrier(times, phase, [True] * hosts, over, forks)
    late = 3 * LEAST * -(-hosts // forks) if hosts > 4 * forks else 0
    assert over <= times.recorder_seconds + late
    assert times.recorder_seconds <= MAX_RECORDER_SECONDS


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 100), st.integers(0, 3), st.sampled_from(["open", "try", "close"]))
def test_a_few_that_hang_cost_nobody_a_recording(clients: int, recorders: int, forks: int, hanging: int, hung_in: str) -> None:
    times = deadlines(clients, recorders, ATTEMPTS, forks, 60.0)
    over, alone = 0.0, 0.0
    for phase in ("open", "try", "close"):
        hosts = clients if phase == "try" else recorders
        hangs = [number < hanging and phase == hung_in for number in range(hosts)]
        over, alone = barrier(times, phase, hangs, over, forks), barrier(times, phase, [False] * hosts, alone, forks)
    if alone + 3 * 75 < MAX_RECORDER_SECONDS:
        assert over < times.recorder_seconds


def test_the_patience_of_a_confirmation() -> None:
    times = deadlines(1, 2, 8.0, 5, 60.0, within=44.0)
    assert times.patience == 11.0
    assert times.closed <= 44.0
    assert times.recorder_seconds == 71


def test_patience_follows_from_what_is_left() -> None:
    times = Deadlines(60.0, 13.0, 60.0, 133.0, 193.0)
    assert (times.seconds("open", 0), times.seconds("open", 30), times.seconds("open", 100)) == (60.0, 30.0, LEAST)
    assert (times.seconds("try", 5), times.seconds("trace_try", 60), times.seconds("try", 132)) == (73.0, 73.0, LEAST + 13.0)
    assert times.seconds("close", 180) == 13.0


def answer(seconds: float, *, fails: bool = False) -> dict[str, object]:
    return {"seconds": seconds, "failure": {"kind": "timeout", "message": "..."} if fails else None}


@pytest.mark.parametrize(
    ("hosts", "forks", "lost"),
    [
        ({"web1": {"open": answer(2.0), "try": answer(5.0)}, "db1": {"open": answer(3.0)}}, 5, 0.0),
        ({"web1": {"open": answer(2.0), "try": answer(5.0)}, "db1": {"open": answer(60.0, fails=True)}}, 5, 58.0),
        ({"web1": {"try": answer(5.0)}, "db1": {"open": answer(60.0, fails=True)}, "db2": {"open": answer(60.0, fails=True)}}, 1, 120.0),
        ({f"web{n}": {"try": answer(10.0, fails=n == 0)} for n in range(10)}, 2, 5.0),
        ({"web1": {"try": {"failure": None}}}, 5, 0.0),  # evidence of 0.1.0
        ({}, 5, 0.0),
    ],
)
def test_what_hosts_cost_that_return_nothing(hosts: dict[str, dict[str, dict[str, object]]], forks: int, lost: float) -> None:
    assert lost_to_failures(hosts.values(), forks) == lost
