# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ways are measured, and to which ports, on recorded evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.path_sizes import MOST_ENDS, PathSizes, with_ports
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.trace_orders import follow_up
from tests.unit.plugins.plugin_utils.recordings import recorded

END = {"server": "db1", "address": "10.0.2.21"}


def orders(name: str, depth: str) -> dict[str, dict[str, Any]]:
    plan, found = recorded(name)
    made = {host: {"host": host, "recorder_seconds": 67, "settle": 0.25} for host in found}
    return follow_up(plan, judge(plan, found), made, dict.fromkeys(found, depth)).traces


def test_it_takes_both_ends() -> None:
    found = orders("healthy.twin", "full")
    assert {host: order["phases"] for host, order in found.items()} == {"db1": ["trace_open", "trace_close"], "web1": ["trace_try"]}
    assert (found["db1"]["path_listeners"], found["web1"]["path_sizes"]) == (["10.0.2.21"], [END])
    assert found["web1"]["dials"] == found["db1"]["trace"] == []


def test_nobody_is_asked_who_does_not_want_all() -> None:
    assert orders("healthy.twin", "normal") == {}


@pytest.mark.parametrize("name", ["firewall_drop.server-output", "nat_wrong_target.client-elsewhere"])
def test_no_way_is_measured_on_which_handshakes_do_not_end_at_the_server(name: str) -> None:
    assert [order["path_sizes"] for order in orders(name, "full").values() if order["path_sizes"]] == []


def test_a_client_measures_a_few_ways() -> None:
    plan, found = recorded("healthy.twin")
    [case] = judge(plan, found).examined[0].cases
    sizes = PathSizes()
    sizes.ways["web1"] = {f"10.0.9.{number}": "db1" for number in range(MOST_ENDS)}
    sizes.add(case, {"web1", "db1"})
    assert len(sizes.ways["web1"]) == MOST_ENDS


OPENED: Mapping[str, tuple[object, list[int]]] = {
    "its port": ({"evidence": {"path_listeners": {"handle": "a", "ends": [{"address": "10.0.2.21", "port": 40001}]}}}, [40001]),
    "of another address": ({"evidence": {"path_listeners": {"ends": [{"address": "10.0.2.22", "port": 40001}]}}}, []),
    "no port": ({"evidence": {"path_listeners": {"ends": [{"address": "10.0.2.21", "port": 70000}]}}}, []),
    "no number": ({"evidence": {"path_listeners": {"ends": [{"address": "10.0.2.21", "port": "22"}]}}}, []),
    "no list": ({"evidence": {"path_listeners": {"ends": 7}}}, []),
    "nothing": ({"evidence": {"path_listeners": None}}, []),
    "a failure": ({"failure": {"kind": "timeout", "message": "late"}, "evidence": None}, []),
    "no answer": (None, []),
}


@pytest.mark.parametrize("opened", OPENED)
def test_a_port_is_what_its_server_says(opened: str) -> None:
    answer, ports = OPENED[opened]
    order = with_ports({"path_sizes": [END]}, lambda _server: answer)  # type: ignore[arg-type,return-value]
    assert order["path_sizes"] == [{**END, "port": port} for port in ports]
