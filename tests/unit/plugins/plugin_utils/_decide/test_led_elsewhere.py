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
