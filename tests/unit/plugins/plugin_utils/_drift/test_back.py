# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes that bring back the baseline follow from data, whatever files and units are called."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.back import back
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.compare import Difference, differences
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.state import State, read_state

SYSCTL = {"kind": "sysctl", "name": "net.core.somaxconn", "now": "4096", "then": "16"}
SERVICE = {"kind": "service", "name": "unmasked.service", "now": "active", "then": "not started"}


def fix(change: dict[str, Any]) -> Any:
    return back("db1", Difference("reboot", change["name"], "added", None, change), State())


@pytest.mark.parametrize(
    ("change", "changeable"),
    [
        ({**SYSCTL, "because": "the file says so", "file": "/etc/sysctl.d/10-net.conf", "line": 3}, True),
        ({**SYSCTL, "because": "the file says so", "file": "/etc/sysctl.d/zzz-net.conf", "line": 3}, False),
        ({**SYSCTL, "because": "/etc/sysctl.d/zzz-net.conf says so in line 3"}, True),
        ({**SERVICE, "because": "the unit unmasked is disabled", "enabled": "disabled"}, True),
        ({**SERVICE, "because": "it is not started", "enabled": "masked"}, False),
    ],
)
def test_what_lasts_is_decided_by_data(change: dict[str, Any], changeable: bool) -> None:
    assert bool(fix(change).steps) is changeable


def test_a_baseline_without_the_data_is_no_drift() -> None:
    because = {"because": "/etc/sysctl.d/x.conf says so in line 3"}
    then, now = ({"reboot": [{**SYSCTL, **because, **more}]} for more in ({}, {"file": "/etc/sysctl.d/x.conf", "line": 3}))
    assert differences(read_state(then, "then"), read_state(now, "now")) == []
