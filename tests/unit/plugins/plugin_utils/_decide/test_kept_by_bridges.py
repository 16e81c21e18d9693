# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that a host sent by a bridge of its own, and none of whose ports did: they did not leave it."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._report.read import view
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import flow_text, words
from tests.unit.plugins.plugin_utils._decide.changes import ROUTER, snapshots
from tests.unit.plugins.plugin_utils.recordings import recorded


def test_nobody_behind_it_drops_them() -> None:
    plan, found = recorded("asymmetric_route.router")
    for snapshot in snapshots(found, ROUTER):
        for link in snapshot["links"]:
            if link["name"] == "eth2":
                link["kind"] = "bridge"
    report = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report
    (flow,) = report["flows"]
    assert "asymmetric_route" not in {cause["code"] for cause in flow["causes"]}
    (shown,) = view(report).flows
    assert flow["between"] == [ROUTER, ROUTER] and words.stretch(shown) == f"inside {ROUTER}"
    assert f"path.return inside {ROUTER}" in {value for _name, value in flow_text.flow_text(shown).facts}
