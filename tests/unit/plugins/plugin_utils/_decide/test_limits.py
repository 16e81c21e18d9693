# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits that are reached, and are another program's, another port's or of another time."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host.haproxy import SERVER_MAXCONN
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


def test_a_server_without_room_is_not_why_others_are_turned_away() -> None:
    """HAProxy has them wait for it in its own queue, and ends none for that; these its rules deny."""
    plan, found = recorded("service_refuses.denied")
    after = found["db2"]["close"]["evidence"]["after"]
    pids = [process["pid"] for listener in after["listeners"] for process in listener["processes"] or ()]
    full = {"program": "haproxy", "pids": pids, "setting": SERVER_MAXCONN, "section": "orders/db3", "most": 1, "used": 1, "port": None}
    after["limits"] = [full]
    cause = flows(plan, found)[0]["causes"][0]
    assert (cause["code"], cause["certainty"], SERVER_MAXCONN in cause["summary"]) == ("service_refuses", "proven", False)
