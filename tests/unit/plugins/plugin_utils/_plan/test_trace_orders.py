# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which handshakes are traced where, on recorded evidence."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._trace.table import MAX_FLOWS, Flow
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.trace_orders import follow_up
from tests.faults._recorded import expected
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded
from tests.unit.plugins.plugin_utils.sampled import sampled

OPENS, TRIES = ["trace_open", "trace_close"], ["trace_try"]


def orders(plan: Plan, found: Phases) -> dict[str, dict[str, Any]]:
    made = {host: {"host": host, "recorder_seconds": 67, "settle": 0.25} for host in found}
    return traced(follow_up(plan, judge(plan, found, short=True), made).traces)


def traced(traces: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Without what the way is measured for, see test_path_sizes.py and test_paces.py."""
    kept = {host: order for host, order in traces.items() if any(order[part] for part in ("dials", "trace", "drops", "bypass"))}
    return {
        host: {name: value for name, value in order.items() if name not in ("path_listeners", "path_sizes", "paces")}
        for host, order in kept.items()
    }


def told(name: str) -> dict[str, Any]:
    """host -> its phases and (client, server, port, ack) of what is traced there"""
    return {host: (order["phases"], [tuple(flow.values()) for flow in order["trace"]]) for host, order in orders(*recorded(name)).items()}


def flow(client: str = "10.0.1.11", server: str = "10.0.2.21", port: int = 5432, ack: bool = False) -> tuple[str, str, int, bool]:
    return client, server, port, ack


def test_the_order_of_a_client_and_of_a_server() -> None:
    found = orders(*recorded("firewall_drop.server-output"))
    common = {
        "trace_seconds": 67,
        "patience": 0.0,
        "settle": 0.25,
        "trace": [{"client": "10.0.1.11", "server": "10.0.2.21", "port": 5432, "ack": False}],
        "drops": [{"client": "10.0.1.11", "server": "10.0.2.21", "port": 5432}],
        "left_out": 0,
        "bypass": [],
    }
    plan, _found = recorded("firewall_drop.server-output")
    dial = {"id": 0, "address": "10.0.2.21", "port": 5432, "source": None, "attempts": 1, "interval": 0.0, "timeout": 3.0}
    assert found == {
        "db1": {"run": plan.run, "host": "db1", "phases": OPENS, "dials": [], **common},
        "web1": {"run": plan.run, "host": "web1", "phases": TRIES, "dials": [dial], **common},
    }


@sampled
def test_what_works_is_not_traced_and_what_broke_is(recording: str) -> None:
    plan, evidence = recorded(recording)
    found = orders(plan, evidence)
    status, demanded = expected(recording)["status"], plan.entries[0].expect
    if (status, demanded) == ("ok", "open"):
        assert found == {}
    if demanded == "blocked":  # traced where it does not connect: which rule stops it is what is asked
        tried = any(probe["local_address"] for probe in evidence["web1"]["try"]["evidence"]["probes"])  # else no packet was made
        assert bool(found) is (status == "ok" and tried)
    for order in found.values():
        assert order["phases"]
        assert bool(order["dials"] or order["bypass"]) == ("trace_try" in order["phases"])
        assert ("trace_open" in order["phases"]) == ("trace_close" in order["phases"])
        least = 0 if order["bypass"] else 1
        assert least <= len(order["trace"]) <= MAX_FLOWS and least <= len(order["drops"]) <= MAX_FLOWS


def test_a_host_is_asked_no_more_than_its_depth_allows() -> None:
    """What nf_tables does only where all is asked for; what is dropped also else, where the cause is not proven."""
    plan, evidence = recorded("firewall_drop.router-syn.uncounted")
    made = {host: {"host": host, "recorder_seconds": 67, "settle": 0.25} for host in evidence}
    found = follow_up(plan, judge(plan, evidence, short=True), made, {"r1": "normal", "web1": "full", "db1": "quick"}).traces
    assert {host: (bool(order["trace"]), bool(order["drops"])) for host, order in found.items()} == {
        "r1": (False, True),
        "web1": (True, True),
    }
    plan, evidence = recorded("firewall_drop.server-input")
    assert follow_up(plan, judge(plan, evidence, short=True), made, dict.fromkeys(made, "normal")).traces == {}  # proven


def test_a_proven_symptom_is_no_reason_to_look_no_deeper() -> None:
    plan, evidence = recorded("address_not_local.gone")
    made = {host: {"host": host, "recorder_seconds": 67, "settle": 0.25} for host in evidence}
    causes = decide(plan, evidence, "", "").report["flows"][0]["causes"]
    assert [cause["certainty"] for cause in causes] == ["likely", "proven"]
    assert follow_up(plan, judge(plan, evidence, short=True), made, dict.fromkeys(made, "normal")).traces["web1"]["drops"]


def test_where_nothing_came_nothing_is_traced() -> None:
    assert told("path_drop.syn") == {"web1": (TRIES, [flow()])}
    assert told("firewall_drop.client-output") == {"web1": (TRIES, [flow()])}


@pytest.mark.parametrize("name", ["no_route", "source_address_unavailable", "name_resolution_failed", "route_blackhole"])
def test_where_there_was_no_packet_nothing_is_traced(name: str) -> None:
    assert told(name) == {}


def test_bare_acks_only_where_one_was_lost() -> None:
    assert told("firewall_drop.server-ack") == {"db1": (OPENS, [flow(ack=True)]), "web1": (TRIES, [flow(ack=True)])}


def test_addresses_before_and_behind_translation() -> None:
    assert told("nat_wrong_target") == {"r1": (OPENS, [flow(), flow(server="10.0.2.22")]), "web1": (TRIES, [flow()])}
    assert told("no_listener.client-translates")["web1"] == (TRIES, [flow(server="10.96.0.1"), flow()])


def test_drops_behind_a_hosts_own_translation_have_the_ends_behind_it() -> None:
    made = orders(*recorded("firewall_drop.other-port"))
    ends = {host: [(each["server"], each["port"]) for each in order["drops"]] for host, order in made.items()}
    assert ends == {"web1": [("10.0.2.22", 5432)], "db2": [("10.0.2.22", 5432), *[("10.0.2.21", 8080)] * 2], "db1": [("10.0.2.21", 8080)]}
    assert [each["client"] for each in made["db2"]["drops"]] == ["10.0.1.11", "10.0.2.22", "10.0.1.11"]  # behind masquerading, and before
    made = orders(*recorded("accept_queue_full.translated-twice"))
    assert [(each["server"], each["port"]) for each in made["db1"]["drops"]] == [("10.0.2.21", 8080), ("10.0.2.21", 9090)]
    assert [(each["server"], each["port"]) for each in made["db1"]["trace"]] == [("10.0.2.21", 8080)]


def test_hosts_on_the_way_and_a_host_that_dials_itself() -> None:
    assert told("firewall_drop.router-syn-ack") == {"db1": (OPENS, [flow()]), "r1": (OPENS, [flow()]), "web1": (TRIES, [flow()])}
    assert told("no_listener.loopback") == {"db1": (["trace_open", "trace_try", "trace_close"], [flow(client="10.0.2.21")])}


def test_only_the_address_that_fails() -> None:
    assert told("dead_address_family")["web1"] == (TRIES, [flow("2001:db8:1::11", "2001:db8:2::21")])


def test_a_server_that_recorded_nothing_is_asked_by_the_addresses_that_the_client_knows() -> None:
    plan, found = recorded("firewall_drop.server-output")
    found["db1"]["close"]["evidence"]["recording"] = None
    assert orders(plan, found)["db1"]["trace"] == [Flow(*flow())._asdict()]


def test_a_host_that_never_answered_is_not_asked_again() -> None:
    plan, found = recorded("firewall_drop.server-output")
    failure = {"kind": "unreachable", "message": "no"}
    found["db1"] = {phase: {"host": "db1", "phase": phase, "failure": failure, "evidence": None} for phase in ("open", "close")}
    assert list(orders(plan, found)) == ["web1"]
    del found["web1"]
    assert orders(plan, found) == {}


def test_there_is_room_for_so_many_and_the_rest_is_counted() -> None:
    plan, found = recorded("firewall_drop.server-input")
    entries = [replace(plan.entries[0], dial=number, port=1000 + number) for number in range(MAX_FLOWS + 8)]
    probe = found["web1"]["try"]["evidence"]["probes"][0]
    found["web1"]["try"]["evidence"]["probes"] = [{**copy.deepcopy(probe), "dial": entry.dial, "port": entry.port} for entry in entries]
    found["web1"]["try"]["evidence"]["recording"] = found["db1"]["close"]["evidence"]["recording"] = None
    made = orders(replace(plan, entries=tuple(entries)), found)
    assert [(len(order["trace"]), len(order["dials"])) for order in made.values()] == [(MAX_FLOWS, 0), (MAX_FLOWS, MAX_FLOWS)]
    assert max(order["left_out"] for order in made.values()) == 8
