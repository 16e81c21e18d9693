# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong when a host is asked is held against the part of its evidence that is missing for it."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import FOLLOW_UP
from tests.unit.plugins.plugin_utils.recordings import recorded

TIMES = ("2026-11-29T10:00:00Z", "2026-11-29T11:00:00Z")


@pytest.mark.parametrize("phase", FOLLOW_UP)
def test_a_fault_of_the_controller_in_the_follow_up_leaves_the_evidence_as_it_is(phase: str) -> None:
    plan, evidence = recorded("firewall_drop.server-input")
    failure = {"kind": "controller", "message": "ValueError in vantage.py: this is a fault of the collection"}
    evidence["db1"][phase] = {**evidence["db1"]["open"], "phase": phase, "failure": failure, "evidence": None}
    conclusion = decide(plan, evidence, *TIMES)
    assert conclusion.unasked == {} and conclusion.report["unobserved"] == []
    assert conclusion.report["flows"][0]["causes"][0]["code"] == "firewall_drop"
    assert failure["message"] in str(conclusion.report["flows"])


def test_a_fault_of_the_controller_before_a_host_answers_is_one_of_the_run() -> None:
    plan, evidence = recorded("firewall_drop.server-input")
    evidence["db1"]["open"].update(failure={"kind": "controller", "message": "a fault"}, evidence=None)
    assert decide(plan, evidence, *TIMES).unasked == {"db1": "a fault"}
