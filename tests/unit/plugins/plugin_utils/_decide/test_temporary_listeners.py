# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What handshakes with a temporary listener say, on recorded evidence: never that the flow is ok."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded


def judged(name: str, change: Callable[[Phases], object] = lambda _found: None) -> dict[str, Any]:
    plan, found = recorded(name)
    change(found)
    flow: dict[str, Any] = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0]
    return flow


def closing(found: Phases) -> dict[str, Any]:
    evidence: dict[str, Any] = found["db1"]["close"]["evidence"]
    return evidence


def first(flow: dict[str, Any]) -> tuple[str, str, str]:
    cause = flow["causes"][0]
    return flow["status"], cause["code"], cause["certainty"]


def test_completed_there_means_that_nothing_listens() -> None:
    flow = judged("temporary_listener.open-way")
    assert first(flow) == ("broken", "no_listener", "proven")
    assert flow["causes"][0]["evidence"][0]["observation"] == "a temporary listener on db1 took 3 handshakes: the way is open"
    assert flow["probes"]["connected"] == 3


def unrecorded(found: Phases) -> None:
    for answer in (found["db1"]["close"]["evidence"], found["web1"]["try"]["evidence"]):
        answer["recording"] = None


def unclosed(found: Phases) -> None:
    del found["db1"]["close"]


def from_other_ports(found: Phases) -> None:
    unrecorded(found)
    for each in closing(found)["temporary_listeners"]["taken"]:
        each["remote_port"] -= 1000


@pytest.mark.parametrize(
    ("change", "certainty"),
    [
        pytest.param(unrecorded, "proven", id="the listener itself has the clients' ends"),
        pytest.param(from_other_ports, "likely", id="address translation hid them"),
    ],
)
def test_it_is_never_ok_however_little_was_seen(change: Callable[[Phases], object], certainty: str) -> None:
    assert first(judged("temporary_listener.open-way", change)) == ("broken", "no_listener", certainty)


def test_a_server_that_was_lost_meanwhile_does_not_make_it_ok() -> None:
    flow = judged("temporary_listener.open-way", unclosed)
    assert flow["status"] != "ok"


def test_handshakes_of_another_port_of_the_host_are_not_taken_for_these() -> None:
    def elsewhere(found: Phases) -> None:
        told = closing(found)["temporary_listeners"]
        for each in (*told["taken"], *told["ends"]):
            each["port"] = 6000

    assert judged("temporary_listener.open-way", elsewhere)["status"] != "broken"


VIRTUAL = "10.0.2.200"


@pytest.mark.parametrize(
    ("balancer", "status"), [pytest.param(None, "ok", id="another server took it"), pytest.param("10.0.2.1", "broken", id="its proxy did")]
)
def test_what_the_listener_took_of_others_is_not_taken_for_a_virtual_address(balancer: str | None, status: str) -> None:
    plan, found = recorded("temporary_listener.open-way")
    unrecorded(found)
    direct = plan.entries[0]
    tried = found["web1"]["try"]["evidence"]
    behind = [{**probe, "dial": direct.dial + 1, "address": VIRTUAL, "local_port": probe["local_port"] + 1000} for probe in tried["probes"]]
    tried["probes"] += behind
    if balancer:
        closing(found)["temporary_listeners"]["taken"].append(
            {"address": direct.address, "port": direct.port, "remote": balancer, "remote_port": 40000}
        )
    plan = replace(plan, entries=(direct, replace(direct, dial=direct.dial + 1, address=VIRTUAL)))
    flows = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"]
    assert [flow["status"] for flow in flows] == ["broken", status]


def test_what_blocks_comes_first_and_then_that_nothing_listens() -> None:
    flow = judged("temporary_listener.dropped")
    assert first(flow) == ("broken", "firewall_drop", "proven")
    assert [cause["code"] for cause in flow["causes"]] == ["firewall_drop", "no_listener"]


def test_a_port_that_is_only_closed_is_not_blocked() -> None:
    flow = judged("temporary_listener.must-not")
    assert first(flow) == ("broken", "unexpectedly_open", "proven")
    assert "a temporary listener took the handshakes" in str(flow["causes"][0]["evidence"])


def test_a_malformed_answer_costs_only_itself() -> None:
    def malformed(found: Phases) -> None:
        closing(found)["temporary_listeners"] = {"ends": "everywhere"}

    flow = judged("temporary_listener.open-way", malformed)
    assert flow["status"] == "broken"
    assert any("malformed" in sentence for sentence in flow["not_observed"])
