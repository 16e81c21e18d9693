# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start or restart also changes makes a fix disruptive, and is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate import wide
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.mending import Mending

UNIT = "orders.service"
STEP = {
    "module": "ansible.builtin.systemd_service",
    "arguments": {"name": UNIT, "state": "started"},
    "command": "systemctl start",
}
FIX = Mending(
    code="service_stopped",
    host="db1",
    certainty="proven",
    kind="service",
    where="db1",
    summary="start orders",
    risk="low",
    flows=("f",),
    why="it is inactive",
    steps=(STEP,),
)
_STATES = ("reloaded", "restarted")
ALSO = [
    {"kind": "unit", "count": 7, "names": list("abcdefg")},
    {"kind": "connections", "count": 1, "names": ["a"]},
]


def test_what_else_changes_makes_it_disruptive() -> None:
    order = wide.asked([FIX])
    assert order == [{"key": FIX.key, "units": [{"name": "orders.service", "action": "started"}]}]
    told = wide.answered(order, {"units": [{"name": UNIT, "action": "started", "also": ALSO}]})
    words = "orders.service also stops or restarts a, b, c, d, e and 2 more, and ends 1 connection: a"
    assert told == {FIX.key: words}
    weighed = wide.weighed(FIX, told)
    assert (weighed.risk, weighed.key, str(weighed.why)) == ("disruptive", FIX.key, f"it is inactive; beside that, {words}")
    assert wide.explained(FIX, "no", told) == f"no: {words}" and wide.explained(FIX, None, told) is None


@pytest.mark.parametrize(
    "returned",
    [
        {},
        {"failed": True, "msg": "no systemd"},
        {"units": "lies"},
        {
            "units": [
                {"name": ["orders.service"], "action": "started", "also": ALSO},
                {"name": "orders.service", "action": "started", "also": [{"kind": "unit", "count": "x", "names": 3}]},
            ]
        },
        {"units": [{"name": "another.service", "action": "started", "also": []}]},
        {"units": [{"name": UNIT, "action": "reloaded", "also": []}]},
        {"units": [{"name": UNIT, "action": ["started"], "also": []}]},
    ],
)
def test_what_is_not_known_may_be_anything(returned: Any) -> None:
    found = wide.answered(wide.asked([FIX]), returned)
    assert found == {FIX.key: "it is not known what else orders.service changes on the host"}
    assert wide.weighed(FIX, found).risk == "disruptive"


def test_what_changes_nothing_else_stays_as_it_is() -> None:
    found = wide.answered(wide.asked([FIX]), {"units": [{"name": UNIT, "action": "started", "also": []}]})
    assert wide.weighed(FIX, found) is FIX and wide.explained(FIX, "no", found) == "no"


@pytest.mark.parametrize("last", ["reloaded", "restarted"])
def test_two_actions_on_one_unit_change_what_each_of_them_changes(last: str) -> None:
    """A reload ends no connection that a restart ends, in whichever order the host answers."""
    first, second = (replace(FIX, steps=({**STEP, "arguments": {"name": UNIT, "state": state}},), summary=state) for state in _STATES)
    units = [{"name": UNIT, "action": "reloaded", "also": []}, {"name": UNIT, "action": "restarted", "also": ALSO[1:]}]
    order = wide.asked([first, second])
    found = wide.answered(order, {"units": sorted(units, key=lambda unit: unit["action"] == last)})
    assert found == {first.key: "", second.key: "orders.service ends 1 connection: a"}
