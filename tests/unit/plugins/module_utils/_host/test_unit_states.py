# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd says of units and of those that they are tied with."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host.unit_states import relatives

SHOWN = "Id={unit}\nNames={unit}\nLoadState={load}\nActiveState={active}\nSubState=dead\n"


@pytest.mark.parametrize(
    ("setting", "load", "active", "tie"),
    [
        ("Requires", "not-found", "inactive", "requires"),
        ("BindsTo", "masked", "inactive", "requires"),
        ("Requires", "loaded", "failed", "requires"),
        ("Requires", "loaded", "active", None),
        ("TriggeredBy", "not-found", "inactive", None),
    ],
)
def test_what_a_unit_requires_and_is_not_there_is_told_even_if_it_cannot_be_loaded(
    setting: str, load: str, active: str, tie: str | None
) -> None:
    """systemd refuses to start a unit that requires one that it cannot load."""
    text = SHOWN.format(unit="absent.service", load=load, active=active)
    (found,) = relatives({"orders.service": {setting: ["absent.service"]}}, lambda _command: (0, text, "")).values()
    assert [(each["unit"], each["tie"]) for each in found] == ([("absent.service", tie)] if tie else [])
