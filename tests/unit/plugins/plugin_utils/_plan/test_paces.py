# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""To whom SYNs are sent at several rates, on recorded evidence."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.trace_orders import follow_up
from tests.unit.plugins.plugin_utils.recordings import recorded


def paces(name: str, depth: str = "full") -> dict[str, list[dict[str, Any]]]:
    plan, found = recorded(name)
    made = {host: {"host": host, "recorder_seconds": 67, "settle": 0.25} for host in found}
    orders = follow_up(plan, judge(plan, found), made, dict.fromkeys(found, depth)).traces
    return {host: order["paces"] for host, order in orders.items() if order["paces"]}


def test_a_client_that_lost_some_syns_on_the_way_asks() -> None:
    [dial] = paces("path_rate_limited")["web1"]
    assert (dial["address"], dial["port"], dial["attempts"]) == ("10.0.2.21", 5432, 1)


@pytest.mark.parametrize("name", ["healthy.twin", "path_drop.syn", "accept_queue_full"])
def test_no_other_one(name: str) -> None:
    assert paces(name) == {}


def test_nor_one_that_does_not_want_all() -> None:
    assert paces("path_rate_limited", "normal") == {}
