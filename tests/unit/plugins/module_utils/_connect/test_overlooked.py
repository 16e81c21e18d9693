# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nameservers in lines that the C library does not heed: asked once for each name, and only while there is time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._connect import resolve
from ansible_collections.threeway.handshake.plugins.module_utils._host.resolv_conf import Resolver


@pytest.mark.parametrize(("seconds", "asked", "holds"), [(30.0, ["192.0.2.1", "192.0.2.4"], True), (3.5, ["192.0.2.1"], None)])
def test_they_are_asked_while_there_is_time(seconds: float, asked: list[str], holds: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen = [time.monotonic()], []

    def ask(resolver: Resolver, _name: str) -> list[dict[str, Any]]:
        seen.extend(resolver.nameservers)
        clock[0] += 1.0
        return [{"address": each, "queries": [{"answers": 1}]} for each in resolver.nameservers]

    monkeypatch.setattr(resolve, "ask", ask)
    monkeypatch.setattr(resolve.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(resolve, "configured", lambda: Resolver(("192.0.2.1",), 5, 2))
    monkeypatch.setattr(resolve, "passed_over", lambda: [{"line": 4, "address": "192.0.2.4", "why": "beyond"}])
    failed = [resolve.Resolved(resolve.Dial(number, "db.example.org", 5432), error="EAI_NONAME") for number in range(2)]
    answers = resolve.examine_odd(failed, clock[0] + seconds)
    assert seen == asked and [each.passed_over and each.passed_over[0]["holds"] for each in answers] == [holds, holds]
