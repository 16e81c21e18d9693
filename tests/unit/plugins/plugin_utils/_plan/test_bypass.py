# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which servers behind a balancer are dialled past it, from where, and how often, on recorded evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.bypass import MOST_DIALLERS, MOST_DIALS
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.trace_orders import follow_up
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import Phases, recorded

OWN, OTHER = ("10.0.2.21", 5432), ("10.0.2.21", 8080)


def orders(plan: Plan, found: Phases, depth: str = "normal") -> dict[str, dict[str, Any]]:
    made = {host: {"host": host, "recorder_seconds": 67, "settle": 0.25} for host in found}
    return follow_up(plan, judge(plan, found, short=True), made, dict.fromkeys(made, depth)).traces


def ends(made: dict[str, dict[str, Any]]) -> dict[str, list[tuple[str, int]]]:
    return {host: [(dial["address"], dial["port"]) for dial in order["bypass"]] for host, order in made.items()}


def test_the_client_and_the_balancer_dial_the_server_once_each() -> None:
    made = orders(*recorded("load_balancer_no_backend.checked"))
    assert ends(made) == {"db2": [OWN], "web1": [OWN]}
    assert {tuple(order["phases"]) for order in made.values()} == {("trace_try",)}
    dials = [dial for order in made.values() for dial in order["bypass"]]
    assert {(dial["attempts"], dial["timeout"]) for dial in dials} == {(1, 1.0)}
    assert sorted(dial["id"] for dial in dials) == [-2, -1]


def test_where_the_balancer_connects_comes_first() -> None:
    assert ends(orders(*recorded("load_balancer_no_backend.other-port"))) == {"db2": [OTHER, OWN], "web1": [OTHER, OWN]}
    assert ends(orders(*recorded("load_balancer_no_backend.nginx"))) == {"db2": [OTHER, OWN], "web1": [OTHER, OWN]}


def test_nothing_is_dialled_where_all_is_well_or_nobody_wants_it() -> None:
    assert orders(*recorded("load_balancer_no_backend.other-port.twin")) == {}
    assert orders(*recorded("load_balancer_no_backend.checked"), "quick") == {}


def test_a_balancer_leads_nobody_to_an_address_that_the_inventory_has_not() -> None:
    plan, found = recorded("load_balancer_no_backend.other-port")
    assert ends(orders(replace(plan, addresses={**plan.addresses, "db1": ()}), found)) == {}
    told = found["db2"]["close"]["evidence"]["after"]
    for address in found["db1"]["close"]["evidence"]["after"]["addresses"]:
        if address["address"] == OWN[0]:
            address["address"] = "10.0.2.99"
    told["balancers"] = [{**each, "address": "10.0.2.99"} for each in told["balancers"]]
    assert {end for dialled in ends(orders(plan, found)).values() for end in dialled} <= {OWN}


def test_many_clients_do_not_all_dial_it() -> None:
    plan, found = recorded("load_balancer_no_backend.checked")
    clients = [f"web{number}" for number in range(1, 2 * MOST_DIALLERS)]
    entries = tuple(replace(plan.entries[0], client=client) for client in clients)
    for client in clients[1:]:
        found[client] = {phase: {**answer, "host": client} for phase, answer in found["web1"].items()}
    made = orders(replace(plan, entries=entries), found)
    assert sum(len(order["bypass"]) for order in made.values()) == MOST_DIALLERS < MOST_DIALS
    assert "db2" in made
