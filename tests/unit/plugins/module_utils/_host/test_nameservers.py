# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nameservers answer what."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import Dial, resolve
from ansible_collections.threeway.handshake.plugins.module_utils._host.nameservers import ask
from ansible_collections.threeway.handshake.plugins.module_utils._host.resolv_conf import Resolver


def test_a_name_that_no_query_can_have_is_not_asked_for() -> None:
    assert ask(Resolver(("127.0.0.1",), 5, 2), "x" * 64) == []
    assert ask(Resolver((), 5, 2), "example.test") == []


def test_what_is_no_address_costs_its_own_line(tmp_path: Path) -> None:
    told = ask(Resolver(("nonsense",), 5, 2), "example.test", seconds=0.2)
    assert [(each["address"], each["answer_ms"]) for each in told] == [("nonsense", None)] and told[0]["error"]


def test_a_literal_is_told_without_nameservers() -> None:
    assert "nameservers" not in resolve([Dial(0, "127.0.0.1", 1)])[0].record()
