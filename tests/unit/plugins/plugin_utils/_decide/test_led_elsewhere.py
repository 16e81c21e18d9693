# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SYNs that go to another address than the one dialled: who leads them there, and how sure that is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import FINISHED, STARTED, Phases, recorded
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes

DIALLED = "10.96.0.10"
PROGRAM = {"direction": "connect4", "name": "lb_connect4", "group": "/", "unit": "balancer.service", "container": None}


def led(hooks: dict[str, Any] | None) -> tuple[Plan, Phases]:
    """As if web1 had dialled an address of its service network: the recording has where its SYNs went, and an RST from there."""
    plan, found = recorded("path_reset")
    plan = replace(plan, entries=tuple(replace(entry, address=DIALLED) for entry in plan.entries))
    evidence = found["web1"]["try"]["evidence"]
    for probe in evidence["probes"]:
        probe["address"] = DIALLED
    for resolution in evidence["resolutions"]:
        resolution.update(name=DIALLED, addresses=[DIALLED])
    evidence["after"]["connect_hooks"] = hooks
    for answer in found["db1"].values():
        for part in ("snapshot", "before", "after"):
            if snapshot := answer["evidence"].get(part):
                snapshot["routes"] = [route for route in snapshot["routes"] if route["type"] != "local"]
                snapshot["addresses"] = [entry for entry in snapshot["addresses"] if entry["address"] != "10.0.2.21"]
    return plan, found


@pytest.mark.parametrize(
    ("hooks", "certainty", "words"),
    [
        ({"programs": [PROGRAM], "ipvs": False}, "proven", "BPF program lb_connect4 of control group /"),
        ({"programs": [PROGRAM], "ipvs": True}, "likely", "BPF program lb_connect4"),
        ({"programs": [{**PROGRAM, "direction": "connect6"}], "ipvs": False}, "likely", "or IPVS, may do so"),
        ({"programs": [], "ipvs": False}, "likely", "or IPVS, may do so"),
        (None, "likely", "or IPVS, may do so"),
    ],
)
def test_it_is_proven_only_with_a_program_that_connect_runs_and_without_ipvs(
    hooks: dict[str, Any] | None, certainty: str, words: str
) -> None:
    flow = decide(*led(hooks), STARTED, FINISHED).report["flows"][0]
    cause = flow["causes"][0]
    assert (flow["status"], cause["code"], cause["host"], cause["certainty"]) == ("broken", "connect_redirected", "web1", certainty)
    assert words in cause["summary"] and "sends its SYNs to 10.0.2.21:5432" in cause["summary"]
    assert [other for other in flow["causes"] if other["certainty"] == "proven" and other["code"] == "path_reset"] == []


FILTER = {"interface": "eth0", "direction": "egress", "filters": ["bpf: rewrite"], "drops": 0, "waiting": 0, "kind": None, "redirects": []}


@pytest.mark.parametrize(("tc", "certainty"), [([], "proven"), ([FILTER], "likely"), (None, "likely")])
def test_filters_of_traffic_control_may_lead_it_there_behind_connect(tc: list[dict[str, Any]] | None, certainty: str) -> None:
    plan, found = led({"programs": [PROGRAM], "ipvs": False})
    found["web1"]["try"]["evidence"]["after"]["hooks"]["tc"] = tc
    assert causes(plan, found)[0] == ("connect_redirected", "web1", certainty)


def test_who_is_to_serve_the_address_may_have_the_one_to_which_it_is_led() -> None:
    """The flow names no server."""
    plan, found = led({"programs": [PROGRAM], "ipvs": False})
    del found["db1"]
    unnamed = replace(plan, entries=tuple(replace(entry, server=None) for entry in plan.entries))
    assert ("connect_redirected", "web1", "likely") in causes(unnamed, found)
