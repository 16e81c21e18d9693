# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is advised for names without an address, on recorded evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded


def advised(found: Phases, plan: Any) -> str:
    flow, *_others = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    assert flow["causes"][0]["code"] == "name_resolution_failed"
    summary: str = flow["causes"][0]["fix"]["summary"]
    return summary


def resolution(found: Phases) -> dict[str, Any]:
    entry: dict[str, Any] = found["web1"]["try"]["evidence"]["resolutions"][0]
    return entry


@pytest.mark.parametrize(("address", "kept_back"), [("10.0.2.21", True), ("93.184.216.34", False)])
def test_only_private_addresses_are_kept_back(address: str, kept_back: bool) -> None:
    """Every host has link-local addresses, which nobody puts into the DNS, and many a bridge of containers."""
    plan, found = recorded("name_resolution_failed")
    resolution(found)["error"] = "EAI_NODATA"
    for phase, part in (("open", "snapshot"), ("close", "after")):
        snapshot = found["db1"][phase]["evidence"][part]
        addresses = snapshot["addresses"]
        ipv4 = next(each for each in addresses if each["address"] == "10.0.2.21")
        snapshot["addresses"] = [each for each in addresses if not each["address"].startswith("2001")]
        snapshot["addresses"].append({**ipv4, "interface": "docker0", "address": "172.17.0.1"})
        ipv4["address"] = address
    plan = replace(plan, addresses={**plan.addresses, "db1": (address,)})
    summary = advised(found, plan)
    assert "address record" in summary
    assert ("rebind" in summary) is kept_back


@pytest.mark.parametrize("assumed", [True, False])
def test_a_name_that_ansible_uses_need_not_be_one_of_clients(assumed: bool) -> None:
    """Such as an alias in the controller's ~/.ssh/config, or a name that only a jump host can resolve."""
    plan, found = recorded("name_resolution_failed")
    summary = advised(found, replace(plan, entries=tuple(replace(entry, assumed=assumed) for entry in plan.entries)))
    assert ("is how Ansible reaches db1" in summary and "make it the handshake_address of db1" in summary) is assumed


@pytest.mark.parametrize("stopped", [True, False])
def test_who_asks_others_may_be_silent_because_they_are(stopped: bool) -> None:
    plan, found = recorded("name_resolution_failed")
    process = {"pid": 700, "name": "dnsmasq", "unit": "dnsmasq.service", "state": "T" if stopped else "S"}
    resolution(found)["nameservers"] = [{"address": "127.0.0.1", "answer_ms": None, "error": None, "process": process}]
    summary = advised(found, plan)
    assert ("kill -CONT 700" in summary) is stopped
    assert ("the nameservers that it asks" in summary) is not stopped
    assert "restart dnsmasq.service" in summary


def test_where_another_nameserver_answered_nobody_has_to_be_restarted() -> None:
    plan, found = recorded("name_resolution_failed")
    process = {"pid": 700, "name": "dnsmasq", "unit": "dnsmasq.service", "state": "S"}
    own = {"address": "127.0.0.1", "answer_ms": None, "error": None, "process": process}
    resolution(found).update(error="EAI_NONAME", nameservers=[own, {"address": "10.0.1.53", "answer_ms": 3.0, "error": None}])
    assert "dnsmasq" not in advised(found, plan)


def test_an_address_on_an_interface_that_is_not_there_wants_no_record() -> None:
    plan, found = recorded("name_resolution_failed")
    resolution(found).update(name="fe80::1%eth9", error="EAI_NONAME")
    plan = replace(plan, entries=tuple(replace(entry, address="fe80::1%eth9") for entry in plan.entries))
    assert advised(found, plan) == "dial fe80::1 on an interface that web1 has, or another address of the server: fe80::1%eth0"


@pytest.mark.parametrize("scoped", [True, False])
def test_an_address_with_an_interface_is_no_name(scoped: bool) -> None:
    """Nobody can put it into /etc/hosts, or correct what it resolves to."""
    plan, found = recorded("name_resolves_elsewhere")
    tried = found["web1"]["try"]["evidence"]
    dialled = f"{tried['probes'][0]['address']}%eth0" if scoped else plan.entries[0].address
    for each in tried["resolutions"]:
        each["name"] = dialled
    plan = replace(plan, entries=tuple(replace(entry, address=dialled) for entry in plan.entries))
    flow, *_others = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    assert ("name_resolves_elsewhere" in [cause["code"] for cause in flow["causes"]]) is not scoped
