# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flows with ``expect: blocked``, judged from recordings of all kinds of faults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import MOST_ALIKE
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import terminal
from tests.unit.plugins.plugin_utils.recordings import recorded
from tests.unit.plugins.plugin_utils.sampled import sampled


def judged(name: str) -> dict[str, Any]:
    """A recording's report as if its flow had demanded that the handshake is not possible."""
    plan, evidence = recorded(name)
    demanding = replace(plan, entries=tuple(replace(entry, expect="blocked") for entry in plan.entries))
    return decide(demanding, evidence, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report


@sampled
def test_what_connects_is_broken_and_what_does_not_is_never(recording: str) -> None:
    for flow in judged(recording)["flows"]:
        tries = flow["probes"]["detail"]
        connected = any(each["outcome"] == "connected" or (each["late_ms"] is not None and not each["errno"]) for each in tries)
        assert (flow["status"] == "broken") is connected
        if connected:
            assert {cause["code"] for cause in flow["causes"]} == {"unexpectedly_open"} and flow["blocked_by"] == []
            assert len(flow["causes"]) <= MOST_ALIKE
        else:
            assert flow["causes"] == [] and all(cause["fix"] is None for cause in flow["blocked_by"])
            assert bool(flow["undecided"]) is (flow["status"] == "undetermined")


def test_a_drop_is_what_is_wanted() -> None:
    report = judged("firewall_drop.server-input")
    (flow,) = report["flows"]
    assert (flow["status"], flow["leg"], flow["segment"], flow["remarks"]) == ("ok", None, None, [])
    assert [(cause["code"], cause["host"]) for cause in flow["blocked_by"]] == [("firewall_drop", "db1")]
    assert "OK  blocked, as it must be: firewall_drop at db1" in terminal.render(report, width=120)


def test_a_port_without_a_listener_is_closed_but_not_by_a_rule() -> None:
    (flow,) = judged("no_listener")["flows"]
    assert flow["status"] == "ok"
    assert flow["remarks"] == ["10.0.2.21:5432 is not reached because of no_listener: no rule was seen to block it"]


@pytest.mark.parametrize("name", ["firewall_rate_limited", "conntrack_full", "nat_ports_exhausted", "syn_retries_too_low"])
def test_what_is_stopped_for_a_while_or_answered_is_not_closed(name: str) -> None:
    (flow, *_others) = judged(name)["flows"]
    assert flow["status"] == "undetermined" and "was not tested" in flow["undecided"][0]


@pytest.mark.parametrize("name", ["link_down", "ephemeral_ports_exhausted", "name_resolution_failed"])
def test_a_client_that_cannot_try_tests_nothing(name: str) -> None:
    (flow,) = judged(name)["flows"]
    assert flow["status"] == "undetermined" and "was not tested" in flow["undecided"][0]
