# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two faults at once: what a host's state says is wrong as well is not proven to be what stopped the packets, which ended before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

Snapshot = dict[str, Any]


class Scene(NamedTuple):
    """A recording, the second fault and on which host, and its code."""

    recording: str
    host: str
    change: Callable[[Snapshot, str], None]
    code: str


def snapshots(found: Phases, host: str) -> Iterator[Snapshot]:
    for answer in found[host].values():
        yield from (answer["evidence"][part] for part in ("snapshot", "before", "after") if answer["evidence"].get(part))


def given_up(snapshot: Snapshot, address: str) -> None:
    for each in snapshot["addresses"]:
        if each["address"] == address:
            each["flags"] = ["dadfailed", "tentative"]


def without_carrier(snapshot: Snapshot, _address: str) -> None:
    for link in snapshot["links"]:
        if link["name"] != "lo":
            link.update(up=True, carrier=False, operstate="DOWN")


def pinned(snapshot: Snapshot, address: str) -> None:
    """The next hop there has a link address that is none of its own."""
    (gateway,) = {each["gateway"] for each in snapshot["routes"] if each["remote"] == address}
    others = [each for each in snapshot["neighbours"] if each["address"] != gateway]
    snapshot["neighbours"] = [*others, {"address": gateway, "interface": "eth0", "mac": "02:00:00:00:00:99", "state": "PERMANENT"}]


def not_forwarding(snapshot: Snapshot, _address: str) -> None:
    snapshot["sysctls"].update({name: "0" for name in snapshot["sysctls"] if name.endswith(".forwarding")})


def refusing(snapshot: Snapshot, _address: str) -> None:
    for route in snapshot["routes"]:
        route.update(type="blackhole", prefix=f"{route['remote']}/32", interface=None, gateway=None)


SCENES = {
    "the client's own firewall stops the SYN": Scene("firewall_drop.client-output-ipv6", "db1", without_carrier, "server_link_down"),
    "a router rejects the SYN": Scene("firewall_reject.router-reset", "db1", given_up, "ip_conflict"),
    "a router that is not managed forbids it": Scene("path_icmp_rejected", "db1", without_carrier, "server_link_down"),
    "a router that is not managed forbids it, to an address that was given up": Scene(
        "path_icmp_rejected.ipv6", "db1", given_up, "ip_conflict"
    ),
    "the client sends the SYN to another address": Scene("nat_wrong_target.client-elsewhere", "db1", given_up, "ip_conflict"),
    "a router does": Scene("nat_wrong_target.router-elsewhere", "db1", given_up, "ip_conflict"),
    "some attempts complete by the pinned entry": Scene("path_loss", "web1", pinned, "neighbour_wrong"),
    "some attempts complete by the address": Scene("path_loss", "db1", given_up, "ip_conflict"),
    "a rule behind the routing decision counts the SYN": Scene("firewall_drop.router-syn", "r1", not_forwarding, "router_not_forwarding"),
    "a rule behind the route counts it": Scene("firewall_drop.router-syn", "r1", refusing, "router_route"),
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_the_state_of_a_host_that_the_packet_did_not_come_to_is_not_proven_to_stop_it(scene: Scene) -> None:
    plan, found = recorded(scene.recording)
    whole = causes(plan, found)
    for snapshot in snapshots(found, scene.host):
        scene.change(snapshot, plan.entries[0].address)
    first, *others = causes(plan, found)
    assert first == whole[0]
    assert (scene.code, "proven") not in [(code, certainty) for code, _host, certainty in others]


def test_a_router_that_takes_the_packet_itself_need_not_forward() -> None:
    plan, found = recorded("router_not_forwarding")
    asked = {"packet": "syn", "direction": "forward", "source": "10.0.1.11", "destination": plan.entries[0].address, "port": 5432}
    taken = {"source": "10.0.1.11", "destination": "10.0.1.1", "port": 3128, "source_port": None, "changes": []}
    for snapshot in snapshots(found, "r1"):
        snapshot["firewall"]["verdicts"].append({**asked, "verdict": "accept", "path": [], "rewritten": taken})
    assert "router_not_forwarding" not in [code for code, _host, _certainty in causes(plan, found)]


def test_a_route_that_hides_the_way_is_told_where_the_client_itself_stops_the_syn() -> None:
    plan, found = recorded("firewall_drop.client-output")
    for snapshot in snapshots(found, "web1"):
        for route in snapshot["routes"]:
            route.update(gateway=None, interface="docker0", prefix="10.0.0.0/16", source="10.0.2.1")
    assert causes(plan, found) == [("firewall_drop", "web1", "proven"), ("shadowing_route", "web1", "possible")]


def refusing_others(found: Phases, resets: int) -> None:
    """Nothing listens on the flow's port, and the server refuses connections of others as well."""
    before, after = (found["db1"][phase]["evidence"][part] for phase, part in (("open", "snapshot"), ("close", "after")))
    before["listeners"], after["listeners"] = [], []
    after["counters"]["Tcp"]["OutRsts"] = before["counters"]["Tcp"]["OutRsts"] + resets


@pytest.mark.parametrize("resets", [15, 500])
def test_the_resets_of_others_do_not_prove_that_the_server_answers_the_syns_that_its_firewall_drops(resets: int) -> None:
    plan, found = recorded("firewall_drop.server-input")
    refusing_others(found, resets)
    told = causes(plan, found)
    assert told[0] == ("firewall_drop", "db1", "proven")
    assert ("no_listener", "db1", "proven") not in told


def test_the_resets_of_others_are_not_those_that_a_rule_made() -> None:
    plan, found = recorded("firewall_reject.no-listener-either")
    refusing_others(found, 500)
    told = causes(plan, found)
    assert told[0] == ("firewall_reject", "db1", "likely")
    assert ("no_listener", "db1", "proven") not in told


def test_resets_of_others_change_nothing_where_no_rule_stops_the_syn() -> None:
    plan, found = recorded("no_listener")
    refusing_others(found, 500)
    assert causes(plan, found) == [("no_listener", "db1", "proven")]
