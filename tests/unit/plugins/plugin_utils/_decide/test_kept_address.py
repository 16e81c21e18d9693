# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that stay with a server that does not serve: which of them are meant to move."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

VIP, OWN = "10.0.2.100", "10.0.2.21"
Change = Callable[[dict[str, Any]], None]


def said(change: Change, declared: dict[str, tuple[str, ...]] | None = None, resolved: str | None = None) -> str:
    """What the fix says where db1's snapshots are changed, the inventory has other addresses, or the name has another one."""
    plan, evidence = recorded("no_listener.address-stays")
    for answer in evidence["db1"].values():
        for part in ("snapshot", "before", "after"):
            if answer["evidence"].get(part):
                change(answer["evidence"][part])
    if resolved:
        _resolves_to_more(evidence, resolved)
    if declared is not None:
        plan = replace(plan, addresses=declared)
    flow = decide(plan, evidence, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"][0]
    return str(next(cause["fix"]["summary"] for cause in flow["causes"] if cause["code"] == "no_listener"))


def _resolves_to_more(evidence: Phases, address: str) -> None:
    probes = evidence["web1"]["try"]["evidence"]["probes"]
    probes.extend([{**copy.deepcopy(probe), "address": address, "local_port": probe["local_port"] + 1000} for probe in probes])


def without_vrrp(snapshot: dict[str, Any]) -> None:
    snapshot["raw_protocols"] = []


def its_only_address(snapshot: dict[str, Any]) -> None:
    snapshot["addresses"] = [each for each in snapshot["addresses"] if each["address"] != OWN]


def its_only_address_without_vrrp(snapshot: dict[str, Any]) -> None:
    without_vrrp(snapshot)
    its_only_address(snapshot)


def its_first_address(snapshot: dict[str, Any]) -> None:
    without_vrrp(snapshot)
    for each in snapshot["addresses"]:
        each["since_s"] = {VIP: 1.0, OWN: 2.0}.get(each["address"], each["since_s"])


def alone_in_its_network(snapshot: dict[str, Any]) -> None:
    its_first_address(snapshot)
    for each in snapshot["addresses"]:
        each["prefix"] = 32 if each["address"] == VIP else each["prefix"]


@pytest.mark.parametrize("change", [without_vrrp, alone_in_its_network])
def test_an_address_beside_the_own_one_is_meant_to_move(change: Change) -> None:
    assert "have 10.0.2.100 move to db2" in said(change)


@pytest.mark.parametrize("change", [its_only_address, its_only_address_without_vrrp, its_first_address])
def test_an_own_address_does_not_move(change: Change) -> None:
    assert "move" not in said(change)


def test_the_inventory_says_whose_it_is() -> None:
    assert "move" not in said(without_vrrp, {"db1": (VIP,), "db2": ("10.0.2.22",)})
    assert "have 10.0.2.100 move to db2" in said(its_only_address_without_vrrp, {"db1": (VIP,), "db2": (VIP,)})


def test_one_of_several_addresses_of_a_name_does_not_move() -> None:
    assert "move" not in said(lambda _snapshot: None, resolved="10.0.2.22")
    assert "does not move to db2 by VRRP" in said(lambda _snapshot: None, resolved="2001:db8:2::22")
