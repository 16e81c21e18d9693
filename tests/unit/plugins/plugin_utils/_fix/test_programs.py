# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of programs can be put into the sentences of advice."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.programs import (
    PROGRAMS,
    Known,
    known,
    longer_backlog,
    more_connections,
    other_address,
)
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.socket_records import Process


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_line_is_complete_when_it_is_filled_in(name: str) -> None:
    process = Process(pid=7, name=name)
    assert known(process) != Known(), "an entry that says nothing"
    for text in (other_address(process, "10.0.2.21", "10.0.2.21:5432", 5432), longer_backlog(process, 5432), more_connections(process)):
        assert not text or (text.startswith(": write ") and " into " in text and not {"{", "}"}.intersection(text))


def test_each_line_has_the_values_of_the_flow() -> None:
    lines = [other_address(Process(pid=7, name=name), "10.0.2.21", "10.0.2.21:5432", 5432) for name in ("postgres", "nginx", "mosquitto")]
    assert [line.partition(" into ")[0] for line in lines] == [
        ": write listen_addresses = '10.0.2.21'",
        ": write listen 10.0.2.21:5432;",
        ": write listener 5432 10.0.2.21",
    ]


@pytest.mark.parametrize("process", [None, Process(pid=7, name="orders")])
def test_nothing_is_said_of_other_programs(process: Process | None) -> None:
    assert known(process) == Known()
    assert other_address(process, "::1", "[::1]:80", 80) == longer_backlog(process, 80) == more_connections(process) == ""
