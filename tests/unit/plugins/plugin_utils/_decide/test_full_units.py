# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Socket units that take no more connections: all together, or of one client."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.plugin_utils._fix.test_last_resorts import first_cause

UNIT = {"port": 5432, "address": "0.0.0.0", "unit": "orders.socket", "service": "orders@.service", "device": None, "free_bind": False}
UNIT |= {"only_ipv6": False, "files": ["/etc/systemd/system/orders.socket"], "most": 64}


@pytest.mark.parametrize(
    ("refused", "connections", "per_source", "setting"),
    [
        (4, 64, 0, "MaxConnections"),
        (4, 63, 0, "MaxConnections"),  # one has ended since
        (4, 64, 3, "MaxConnections"),
        (4, 5, 3, "MaxConnectionsPerSource"),
        (4, 64, None, "MaxConnections"),
        (4, 5, None, None),
        (0, 64, 0, None),
    ],
)
def test_the_limit_that_was_reached_is_the_one_to_raise(
    refused: int, connections: int, per_source: int | None, setting: str | None
) -> None:
    def limited(host: str, part: str, snapshot: dict[str, Any]) -> None:
        if host == "db1":
            counted = {"connections": connections, "refused": refused if part == "after" else 0, "per_source": per_source}
            snapshot["socket_units"] = [{**UNIT, **counted}]

    cause = first_cause("application_hangs_up", limited)
    raised = [command for command in cause["fix"]["commands"] if "MaxConnections" in command]
    most = 3 if setting == "MaxConnectionsPerSource" else 64
    assert cause["code"] == "application_hangs_up" and (f"({setting}=)" in cause["summary"]) is bool(setting)
    assert len(raised) == bool(setting) and all(f"{setting}={4 * most}" in command for command in raised)
    assert "of one client at once" in cause["summary"] or setting != "MaxConnectionsPerSource"
