# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that says what is awaited, and the sentence about a task that failed."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._show.failure import sentence
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.waiting import Waiting


def waiting(hosts: list[str], **known: float) -> Waiting:
    found = Waiting("Try the handshakes", 100.0, **known)
    found.expect(hosts)
    return found


@pytest.mark.parametrize(
    ("elapsed", "still"),
    [(0.0, "about 13 s more"), (12.5, "about 1 s more"), (13.0, "at most 60 s more"), (80.0, "80 s so far")],
)
def test_it_says_how_long_still(elapsed: float, still: str) -> None:
    assert waiting(["web1"], usually=13.0, at_most=73.0).line(100.0 + elapsed, 80) == f"Try the handshakes: web1; {still}"


def test_of_a_task_of_unknown_length_it_says_how_long_it_has_taken_unless_that_is_nothing() -> None:
    assert waiting(["web1"]).line(101.0, 80) == "Try the handshakes: web1"
    assert waiting(["web1"]).line(105.0, 80) == "Try the handshakes: web1; 5 s so far"


def test_who_has_answered_is_not_awaited() -> None:
    found = waiting(["web1", "web2"])
    found.answered("web1")
    assert found.line(100.0, 80) == "Try the handshakes: web2"


def test_many_hosts_fit_into_the_line() -> None:
    found = waiting([f"web{number}" for number in range(1000)], usually=9.0)
    assert found.line(100.0, 70) == "Try the handshakes: web0, web1, web2 and 997 more; about 9 s more"
    assert found.line(100.0, 50) == "Try the handshakes: 1000 hosts; about 9 s more"
    assert found.line(100.0, 20) == "Try the handshake..."


def test_no_host_controls_the_terminal() -> None:
    assert "\x1b" not in waiting(["a\x1b[2J"]).line(100.0, 80)
    assert "\x1b" not in sentence("failed", "a\x1b[2J", "b", {"msg": "c\x1b[2J", "stderr": "d\x1b[2J"}, 80)


def test_a_failed_command_is_told_with_its_last_words() -> None:
    said = sentence("failed", "db1", "Start it", {"msg": "non-zero return code", "stderr": "one\nno such file"}, 80)
    assert said == "db1 failed: Start it: non-zero return code (no such file)"
