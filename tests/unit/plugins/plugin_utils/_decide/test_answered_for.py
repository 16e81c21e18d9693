# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that answer for addresses that are not theirs."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils.recordings import recorded

PROXY = (
    "r1: it answers web1's requests for 10.0.1.50, which it has on no interface, and sends it on by eth1: "
    "as a proxy does (proxy_arp, or an entry of ip neigh show proxy)"
)


def remarks(name: str) -> list[str]:
    plan, found = recorded(name)
    (entry,) = decide(plan, found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"]
    assert isinstance(entry["remarks"], list)
    return entry["remarks"]


def test_who_answers_is_not_said_not_to() -> None:
    """The client has asked before anybody recorded it, and its entry is only confirmed, in vain for the moment."""
    plan, found = recorded("path_icmp_unreachable.answered-for")
    (entry,) = decide(plan, found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"]
    assert [(cause["code"], cause["host"]) for cause in entry["causes"]] == [("path_icmp_unreachable", "r1")]


def test_a_router_answers_for_what_is_behind_it() -> None:
    assert PROXY in remarks("path_icmp_unreachable.answered-for")


@pytest.mark.parametrize(("state", "said"), [("STALE", True), ("PERMANENT", False), ("NOARP", False)])
def test_nobody_has_answered_for_what_was_entered_by_hand(state: str, said: bool) -> None:
    plan, found = recorded("path_icmp_unreachable.answered-for")
    for snapshot in (answer["evidence"].get(part) or {} for answer in found["web1"].values() for part in ("snapshot", "before", "after")):
        for entry in snapshot.get("neighbours") or ():
            entry["state"] = state if entry["address"] == "10.0.1.50" else entry["state"]
    (entry,) = decide(plan, found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"]
    assert (PROXY in entry["remarks"]) is said


def test_a_neighbour_answers_for_itself() -> None:
    assert not any("as a proxy does" in each for each in remarks("path_drop.on-link"))
