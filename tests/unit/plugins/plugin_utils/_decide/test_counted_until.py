# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that come between the reading of counters and the end of the recording: no counter can have counted them."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import unpack
from tests.unit.plugins.plugin_utils._decide.test_not_proven import RST, SYN, SYN_ACK, causes, evidence, flags
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded


def all_but_the_last(found: Phases, host: str, phase: str, kind: int, frames: int, counted: int, group: str, name: str) -> float:
    """A counter misses the last of the attempts' packets of a kind; the time of that one. (Packets that are the same are one.)"""
    answer = evidence(found, host, phase)
    before = answer["before"] if phase == "try" else evidence(found, host, "open")["snapshot"]
    times = sorted(frame.ts_ns for frame in unpack(answer["recording"]["frames"]) if flags(frame) == kind)[:frames]
    first = before["counters"][group].get(name, 0)
    answer["after"]["counters"][group][name] = first + counted
    return times[-1] / 1e9


def read_at(found: Phases, host: str, phase: str, time: float, set_back: float = 0.0) -> None:
    """When the counters were read; by then somebody may have set the clock back."""
    after = evidence(found, host, phase)["after"]
    before = evidence(found, host, phase)["before"] if phase == "try" else evidence(found, host, "open")["snapshot"]
    after.update(time=time - 1e-3, counters_at=time, uptime=1000.0 + time - 1e-3 + set_back - before["time"])
    before["uptime"] = 1000.0


@pytest.mark.parametrize(
    ("fault", "code", "host", "phase", "kind", "frames", "counted", "counter"),
    [
        ("rp_filter_drop.client", "rp_filter_drop", "web1", "try", SYN_ACK, 18, 14, ("TcpExt", "IPReversePathFilter")),
        ("rp_filter_drop.server", "rp_filter_drop", "db1", "close", SYN, 15, 14, ("TcpExt", "IPReversePathFilter")),
        ("no_listener", "no_listener", "db1", "close", RST | 16, 3, 2, ("Tcp", "OutRsts")),
    ],
)
def test_they_do_not_speak_against_what_it_counted(
    fault: str, code: str, host: str, phase: str, kind: int, frames: int, counted: int, counter: tuple[str, str]
) -> None:
    plan, found = recorded(fault)
    late = all_but_the_last(found, host, phase, kind, frames, counted, *counter)
    assert causes(plan, found)[0] != (code, host, "proven")
    read_at(found, host, phase, late - 1e-4)
    assert causes(plan, found)[0] == (code, host, "proven")
    read_at(found, host, phase, late + 1e-4)
    assert causes(plan, found)[0] != (code, host, "proven")


def test_one_that_was_counted_speaks_for_none_that_came_later() -> None:
    """Of the RSTs none can have been counted: the one that was is of another connection."""
    plan, found = recorded("no_listener")
    first = all_but_the_last(found, "db1", "close", RST | 16, 1, 1, "Tcp", "OutRsts")
    read_at(found, "db1", "close", first - 1e-4)
    assert all(each[2] != "proven" for each in causes(plan, found))


@pytest.mark.parametrize("set_back", [0.5, 30.0])
def test_times_of_a_clock_that_was_set_back_excuse_no_counter(set_back: float) -> None:
    plan, found = recorded("rp_filter_drop.server")
    late = all_but_the_last(found, "db1", "close", SYN, 15, 1, "TcpExt", "IPReversePathFilter")
    read_at(found, "db1", "close", late - set_back, set_back)
    assert causes(plan, found)[0] != ("rp_filter_drop", "db1", "proven")
