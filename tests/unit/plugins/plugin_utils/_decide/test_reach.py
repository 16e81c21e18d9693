# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SYNs with rising TTL say together; tests/integration/test_hops.py holds the same against other tools."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.reach import reach
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.probe_records import Hop
from tests.unit.plugins.plugin_utils.recordings import recorded


def hops(*answers: tuple[int, str | None]) -> list[Hop]:
    """(TTL, who answers) each: R1 is 10.0.0.1 with "time exceeded", !R1 the same with "unreachable"."""
    found = []
    for ttl, who in answers:
        answer = "none" if who is None else "unreachable" if who.startswith("!") else "time_exceeded"
        found.append(Hop("10.0.2.21", 5432, ttl, answer, who and f"10.0.0.{who[-1]}"))
    return found


@pytest.mark.parametrize(
    ("asked", "last", "silent", "sent", "mute", "loop"),
    [
        pytest.param(hops((1, "R1"), (2, "R2"), (3, None), (3, None), (4, None)), 2, 3, 3, (), (), id="two answer"),
        pytest.param(hops((1, None), (1, None), (2, "R2"), (3, None)), 2, 3, 1, (1,), (), id="the first sends no errors"),
        pytest.param(hops((1, None), (1, "R1"), (2, None)), 1, 2, 1, (), (), id="the second try is answered"),
        pytest.param(hops((1, None), (2, None)), None, 1, 2, (), (), id="nobody answers"),
        pytest.param(hops((1, "R1"), (2, "!R1"), (3, "!R1"), (4, None)), 2, 0, 0, (), (), id="the first rejects what goes on"),
        pytest.param(
            hops((1, "R1"), (2, "R2"), (3, "R3"), (4, "R2"), (5, "R3"), (6, None)), 5, 6, 1, (), ("10.0.0.2", "10.0.0.3"), id="a loop"
        ),
    ],
)
def test_the_last_hop_that_answers_and_the_first_that_does_not(
    asked: list[Hop], last: int | None, silent: int, sent: int, mute: tuple[int, ...], loop: tuple[str, ...]
) -> None:
    found = reach(asked)
    assert found is not None
    assert (found.last.ttl if found.last else None, found.silent, found.sent, found.mute, found.loop) == (last, silent, sent, mute, loop)


def test_nothing_is_said_where_nothing_was_asked() -> None:
    assert reach([]) is None


def test_the_interval_is_told_with_the_loss() -> None:
    (flow,) = decide(*recorded("path_drop.syn"), "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"]
    (cause,) = flow["causes"]
    assert (cause["detail"]["last_hop_ttl"], cause["detail"]["first_silent_ttl"]) == (1, 2)
    (told,) = [each["observation"] for each in cause["evidence"] if each["source"] == "SYNs with rising TTL"]
    assert told.startswith(
        "the last hop that answers is 10.0.1.1 (hop 1), and from hop 2 on 3 packets stay unanswered: it is lost behind hop 1"
    )
