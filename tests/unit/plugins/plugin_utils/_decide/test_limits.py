# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that are reached, and are another program's, another port's or of another time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.plugin_utils._decide.test_lies import flows
from tests.unit.plugins.plugin_utils.recordings import recorded


def codes(name: str, **changes: Any) -> list[str]:
    plan, found = recorded(name)
    for limit in found["db1"]["close"]["evidence"]["after"]["limits"]:
        limit.update(changes)
    return [cause["code"] for cause in flows(plan, found)[0]["causes"]]


@pytest.mark.parametrize("name", ["redis", "nginx", "haproxy"])
def test_the_limit_of_who_takes_the_connections(name: str) -> None:
    assert codes(f"service_refuses.{name}")[0] == "service_refuses"
    assert "service_refuses" not in codes(f"service_refuses.{name}", pids=[99])
    assert "service_refuses" not in codes(f"service_refuses.{name}", port=1)


def test_lines_of_before_the_attempts() -> None:
    assert "service_refuses" not in codes("service_refuses.nginx", times=[1])


def test_connections_that_are_of_use() -> None:
    plan, found = recorded("service_refuses.redis")
    for probe in found["web1"]["try"]["evidence"]["probes"]:
        probe["ended"] = False
    assert "service_refuses" not in [cause["code"] for cause in flows(plan, found)[0]["causes"]]
