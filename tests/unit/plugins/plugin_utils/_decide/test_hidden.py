# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SYNs that are stopped where they are because rules took them ahead of a translation: not where somebody takes them as they are."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils._decide.changes import SERVER, answer, snapshots
from tests.unit.plugins.plugin_utils.recordings import recorded


@pytest.mark.parametrize("served", [True, False])
def test_a_rule_that_stops_what_is_served_is_to_let_it_in(served: bool) -> None:
    """As with Docker's own rules: what comes from a container is left to docker-proxy, which listens on the host."""
    plan, found = recorded("firewall_drop.policy")
    rule: dict[str, Any] = {"family": "ip", "table": "nat", "chain": "DOCKER", "manager": "docker"}
    by = {**rule, "number": 1, "text": "-A DOCKER -i docker0 -j RETURN"}
    to = {**rule, "number": 2, "text": "-A DOCKER -p tcp -m tcp --dport 5432 -j DNAT --to-destination 172.17.0.2:5432"}
    for verdict in answer(found, SERVER)["after"]["firewall"]["verdicts"]:
        if verdict["packet"] == "syn":
            verdict["hidden"] = {"by": [by], "translating": to, "destination": "172.17.0.2", "port": 5432}
    for snapshot in snapshots(found, SERVER):
        snapshot["listeners"] = snapshot["listeners"] if served else []
    flow, *_others = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    cause = flow["causes"][0]
    assert cause["code"] == "firewall_drop"
    assert ("takes the SYN ahead of" in cause["summary"]) is not served
    assert ("ahead of" in cause["fix"]["summary"]) is not served
