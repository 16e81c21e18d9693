# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How sure answers to people's reports may be, on recorded evidence that is changed by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.patched import Phases
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded


def answer(plan: Any, found: Phases) -> dict[str, str]:
    """The certainty of each cause, the first one first."""
    flow = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0]
    return {cause["code"]: cause["certainty"] for cause in flow["causes"]}


def snapshots(found: Phases, host: str) -> list[dict[str, Any]]:
    parts = ("snapshot", "before", "after")
    return [phase["evidence"][part] for phase in found[host].values() for part in parts if phase["evidence"].get(part)]


def test_a_routers_route_is_proven_only_where_no_policy_rule_may_have_another() -> None:
    plan, found = recorded("router_route")
    for snapshot in snapshots(found, "r1"):
        snapshot["rules"].append(
            {"family": "ipv4", "priority": 100, "table": 10, "action": "lookup", "text": "from all iif eth0 lookup 10"}
        )
    assert answer(plan, found)["router_route"] == "likely"


def test_rules_of_the_other_family_do_not_matter_to_a_router() -> None:
    plan, found = recorded("router_route")
    for snapshot in snapshots(found, "r1"):
        snapshot["rules"].append({"family": "ipv6", "priority": 100, "table": 10, "action": "lookup", "text": "from all lookup 10"})
    assert answer(plan, found)["router_route"] == "proven"


def rules(found: Phases, host: str, **chain: object) -> None:
    """The host has a chain of rules that was not evaluated."""
    for snapshot in snapshots(found, host):
        snapshot["hooks"]["netfilter"].append(
            {"family": "ip", "table": "t", "chain": "c", "hook": "prerouting", "type": "filter", "priority": 0, "rules": 1, **chain}
        )


@pytest.mark.parametrize(
    ("chain", "certainty"), [({}, "likely"), ({"type": "nat"}, "likely"), ({"hook": "forward"}, "proven"), ({"family": "ip6"}, "proven")]
)
@pytest.mark.parametrize(
    ("name", "host"), [("router_route", "r1"), ("martian_source", "db1"), ("rp_filter_drop.server", "db1"), ("address_not_local", "db1")]
)
def test_a_route_is_proven_to_refuse_only_what_comes_to_it(name: str, host: str, chain: dict[str, object], certainty: str) -> None:
    plan, found = recorded(name)
    rules(found, host, **chain)
    assert answer(plan, found)[name.partition(".")[0]] == certainty


def test_a_router_looks_for_the_way_to_where_its_rules_send_the_packet() -> None:
    plan, found = recorded("router_route")
    rules(found, "r1", type="nat")
    sent = {"source": "10.0.1.11", "destination": "10.0.2.22", "port": 5432, "source_port": None, "changes": []}
    verdict = {
        "packet": "syn",
        "direction": "forward",
        "source": "10.0.1.11",
        "destination": "10.0.2.21",
        "port": 5432,
        "verdict": "accept",
    }
    for snapshot in snapshots(found, "r1"):
        snapshot["firewall"]["verdicts"].append({**verdict, "path": [], "rewritten": sent})
    assert "router_route" not in answer(plan, found)


def test_an_address_that_was_given_up_is_not_why_a_router_keeps_the_packet() -> None:
    plan, found = recorded("firewall_drop.router-syn.uncounted")
    for snapshot in snapshots(found, "db1"):
        next(each for each in snapshot["addresses"] if each["address"] == "10.0.2.21")["flags"] = ["dadfailed", "tentative"]
    assert list(answer(plan, found)) == ["firewall_drop"]


@pytest.mark.parametrize("name", ["tunnel_drop", "tunnel_drop.policy-route"])
def test_what_a_tunnel_carries_is_not_proven_to_be_lost_on_the_way(name: str) -> None:
    assert "path_drop" not in answer(*recorded(name))


def test_a_guests_tap_on_a_bridge_is_no_tunnel() -> None:
    plan, found = recorded("tunnel_drop")
    for snapshot in snapshots(found, "web1"):
        for link in snapshot["links"]:
            if link["name"] == "flannel.1":
                link.update(kind="tun", master="br0")
    assert "tunnel_drop" not in answer(plan, found)


@pytest.mark.parametrize("host", ["db1", "db2"])
def test_links_that_share_a_link_address_by_design_are_no_conflict(host: str) -> None:
    plan, found = recorded("mac_conflict")
    for snapshot in snapshots(found, host):
        for link in snapshot["links"]:
            link["kind"] = "ipvlan"
    assert "mac_conflict" not in answer(plan, found)


def test_no_neighbour_entry_is_wrong_where_two_hosts_have_the_link_address() -> None:
    assert list(answer(*recorded("mac_conflict"))) == ["mac_conflict"]


def test_a_virtual_routers_link_address_may_be_on_two_hosts() -> None:
    plan, found = recorded("mac_conflict")
    for host in ("db1", "db2"):
        for snapshot in snapshots(found, host):
            for link in snapshot["links"]:
                if link["name"] == "eth0":
                    link["mac"] = "00:00:5e:00:01:33"
    assert "mac_conflict" not in answer(plan, found)


def test_a_link_address_on_another_network_is_no_conflict() -> None:
    plan, found = recorded("mac_conflict")
    for snapshot in snapshots(found, "db2"):
        snapshot["addresses"] = [each for each in snapshot["addresses"] if not each["address"].startswith(("10.0.2.", "2001:"))]
        snapshot["addresses"].append({"interface": "eth0", "address": "10.0.7.22", "prefix": 24, "flags": []})
    assert "mac_conflict" not in answer(plan, found)


def test_an_address_whose_check_for_duplicates_went_well_is_used() -> None:
    plan, found = recorded("ip_conflict.dad-failed")
    for snapshot in snapshots(found, "db1"):
        for each in snapshot["addresses"]:
            each["flags"] = []
    assert "ip_conflict" not in answer(plan, found)


def test_a_policy_for_what_leaves_must_have_counted_every_attempt() -> None:
    plan, found = recorded("ipsec_policy.out")
    for snapshot in snapshots(found, "web1"):
        snapshot["counters"]["Xfrm"]["OutPolBlock"] = 1
    assert list(answer(plan, found)) == ["connect_forbidden"]


def test_another_error_has_nothing_to_do_with_the_interface() -> None:
    plan, found = recorded("address_without_interface")
    for probe in found["web1"]["try"]["evidence"]["probes"]:
        probe["errno"] = "ENETUNREACH"
    assert "address_without_interface" not in answer(plan, found)
