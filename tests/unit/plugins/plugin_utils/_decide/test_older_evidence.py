# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence as version 0.1.0 left it: what rules do, and what verdicts depend on, is in words alone."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_traced import Phases
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_verdict import conclude, evidence


def older(found: Phases) -> Phases:
    for phases in found.values():
        for answer in phases.values():
            for key in ("snapshot", "before", "after"):
                for verdict in (((answer["evidence"] or {}).get(key) or {}).get("firewall") or {}).get("verdicts", ()):
                    verdict.pop("undecided", None)
                    for step in verdict["path"]:
                        step.pop("effects", None)
    return found


def both(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first flow by the evidence as it is, and as version 0.1.0 had it."""
    now, then = (conclude(name, found)["flows"][0] for found in (evidence(name), older(evidence(name))))
    return now, then


@pytest.mark.parametrize(
    "name", ["firewall_drop.sender", "firewall_rate_limited", "nat_wrong_source", "nat_wrong_target.client-dead-port", "firewall_drop.goto"]
)
def test_it_proves_nothing_new_and_says_what_is_missing(name: str) -> None:
    now, then = both(name)
    proven = [{cause["code"] for cause in flow["causes"] if cause["certainty"] == "proven"} for flow in (now, then)]
    assert proven[1] <= proven[0]
    assert any("an older version of the collection reported in words alone" in sentence for sentence in then["not_observed"])
    assert not any("in words alone" in sentence for sentence in now["not_observed"])


def test_no_rule_is_put_where_the_packet_does_not_come() -> None:
    """A rule goes to another chain for good, so that one at the end of the chain with the policy would not be met."""
    now, then = (flow["causes"][0]["fix"] for flow in both("firewall_drop.goto"))
    assert "position" in now["steps"][0]["command"]
    assert not then["steps"] and then["commands"] and all(" add rule " not in command for command in then["commands"])


def test_a_rule_that_stops_the_packet_is_mended_as_ever() -> None:
    now, then = both("firewall_drop.server-input")
    assert [cause["certainty"] for cause in then["causes"]] == ["proven"]
    assert then["causes"][0]["fix"]["steps"] == now["causes"][0]["fix"]["steps"] != ()
