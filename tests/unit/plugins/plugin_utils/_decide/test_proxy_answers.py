# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that answers for another one: on recorded evidence with the smallest changes by which that may be what it is for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.plugin_utils._decide.changes import ROUTER, Change, answer, snapshots
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

ADDRESS, ONWARD = "10.0.1.12", "eth1"


def own_mac(found: Phases) -> str:
    mac: str = next(link["mac"] for link in answer(found, "web2")["after"]["links"] if link["name"] == "eth0")
    return mac


def finds(address: str, interface: str, own: bool = True) -> Change:
    """The host that answers has somebody for an address there: the owner or a stranger."""

    def change(found: Phases) -> None:
        entry: dict[str, Any] = {"address": address, "interface": interface, "state": "REACHABLE"}
        for snapshot in snapshots(found, ROUTER):
            kept = [each for each in snapshot["neighbours"] if (each["address"], each["interface"]) != (address, interface)]
            snapshot["neighbours"] = [*kept, {**entry, "mac": own_mac(found) if own else "02:00:00:00:00:99"}]

    return change


def by_gateway(gateway: str) -> Change:
    def change(found: Phases) -> None:
        for snapshot in snapshots(found, ROUTER):
            for route in snapshot["routes"]:
                if route["remote"] == ADDRESS:
                    route["gateway"] = gateway

    return change


def another_address(found: Phases) -> None:
    """The owner has one on another network, too."""
    for snapshot in snapshots(found, "web2"):
        like = next(each for each in snapshot["addresses"] if each["address"] == ADDRESS)
        snapshot["addresses"].append({**like, "address": "10.0.9.12", "interface": "eth9"})
    by_gateway("10.0.9.12")(found)


def by_tunnel(found: Phases) -> None:
    """The owner has an address of that network in a VPN, where nobody asks for link addresses."""
    for snapshot in snapshots(found, "web2"):
        for link in snapshot["links"]:
            if link["name"] == "eth0":
                link.update(mac=None, kind="wireguard")


CHANGES: dict[str, tuple[Change, str | None]] = {
    "it finds the owner there": (finds(ADDRESS, ONWARD), None),
    "it finds a stranger there": (finds(ADDRESS, ONWARD, own=False), "proven"),
    "by another address of the owner's": (another_address, None),
    "by a router": (by_gateway("10.0.2.22"), "proven"),
    "by a tunnel": (by_tunnel, None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_host_may_answer_for_whom_it_leads_to(change: str) -> None:
    plan, found = recorded("proxy_answers")
    changed, certainty = CHANGES[change]
    changed(found)
    assert [said for code, _host, said in causes(plan, found) if code == "proxy_answers"] == ([certainty] if certainty else [])


@pytest.mark.parametrize("code", ["firewall_drop", "path_drop"])
def test_who_joins_two_networks_leads_there(code: str) -> None:
    assert [found for found, _host, _said in causes(*recorded(f"{code}.joined"))] == [code]


def _forget(found: Phases, host: str, interface: str) -> None:
    for phase in found[host].values():
        for part in ("before", "after", "snapshot"):
            snapshot = phase["evidence"].get(part)
            if snapshot:
                snapshot["neighbours"] = [each for each in snapshot["neighbours"] if each["interface"] != interface or each["mac"] is None]


def test_the_owner_must_have_been_heard_there() -> None:
    plan, found = recorded("proxy_answers")
    assert ("proxy_answers", "r1", "proven") in causes(plan, found)
    _forget(found, "r1", "eth0")
    assert ("proxy_answers", "r1", "proven") in causes(plan, found)
    _forget(found, "web2", "eth0")
    assert ("proxy_answers", "r1", "possible") in causes(plan, found)
