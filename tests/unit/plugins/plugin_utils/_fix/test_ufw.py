# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes by ufw."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.ufw import with_ufw
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.firewall_records import Rewritten, Verdict
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.prose import Prose
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.rule_records import Rule


def test_ufw_routes_to_where_it_is_translated() -> None:
    verdict = Verdict(
        packet="syn",
        direction="in",
        source="10.0.1.11",
        destination="10.0.2.21",
        verdict="drop",
        port=8080,
        rewritten=Rewritten(source="10.0.1.11", destination="172.17.0.2", source_port=40000, port=80, direction="forward"),
    )
    fix = with_ufw(Host("db1"), verdict, Rule(family="ip", table="filter", chain="FORWARD"), Prose("allow it"))
    assert fix and fix.steps[0].command == "ufw route allow from 10.0.1.11 to 172.17.0.2 port 80 proto tcp comment threeway.handshake"
    assert fix.steps[0].arguments["route"] is True
