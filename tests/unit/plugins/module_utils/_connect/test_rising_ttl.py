# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which TTLs are sent next. tests/integration/test_hops.py sends them over routers."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._connect import rising_ttl
from ansible_collections.threeway.handshake.plugins.module_utils._connect.rising_ttl import Step, ask, next_ttls


def steps(*answers: tuple[int, str]) -> list[Step]:
    made = []
    for ttl, answer in answers:
        step = Step("end", ttl)
        step.answer = answer
        made.append(step)
    return made


NONE, ROUTER, FINAL = "none", "time_exceeded", "rst"


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        pytest.param([], [(1, 0), (2, 0), (3, 0), (4, 0)], id="a wave"),
        pytest.param([(1, ROUTER), (2, ROUTER), (3, ROUTER), (4, ROUTER)], [(5, 0), (6, 0), (7, 0), (8, 0)], id="another"),
        pytest.param([(1, ROUTER), (2, FINAL), (3, FINAL), (4, FINAL)], [], id="none behind the end"),
        pytest.param([(1, NONE), (2, FINAL), (3, FINAL), (4, FINAL)], [(1, 1)], id="the silent ahead of the end again"),
        pytest.param(
            [(ttl, NONE) for ttl in range(1, 5)],
            [(1, 1), (2, 1), (5, 0), (6, 0), (7, 0), (8, 0)],
            id="where all are silent, the next two again and a few behind",
        ),
        pytest.param([(ttl, NONE) for ttl in (*range(1, 9), 1, 2)], [(1, 2), (2, 2)], id="the last try"),
        pytest.param([(ttl, NONE) for ttl in (*range(1, 9), 1, 2, 1, 2)], [], id="enough"),
    ],
)
def test_what_is_sent_next(sent: list[tuple[int, str]], wanted: list[tuple[int, int]]) -> None:
    assert next_ttls(steps(*sent)) == wanted


def test_the_last_try_waits_for_routers_that_limit_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is sent that was answered meanwhile, and no more than there is time for."""
    now, log = [0.0], []
    monkeypatch.setattr(rising_ttl.time, "monotonic", lambda: now[0])

    def send(end: str, ttl: int) -> Step:
        log.append((round(now[0], 2), ttl))
        return Step(end, ttl)

    def take_in(until: list[Step], deadline: float) -> None:
        for step in until:
            if now[0] > 1 and step.ttl == 2:
                step.answer = FINAL
        now[0] = deadline

    ask(["end"], send, take_in)
    second = rising_ttl.WAVE_TIME
    third = 2 * second + rising_ttl.RATE_TIME
    assert log == [
        *((0.0, ttl) for ttl in range(1, 5)),
        *((second, ttl) for ttl in (1, 2, 5, 6, 7, 8)),
        *((third, ttl) for ttl in (1, 2)),
    ]


def test_nothing_more_is_sent_to_an_end_that_takes_nothing() -> None:
    tried = []

    def send(end: str, ttl: int) -> Step | None:
        tried.append((end, ttl))
        return None

    assert ask(["a", "b"], send, lambda until, deadline: None) == []
    assert tried == [("a", 1), ("b", 1)]
