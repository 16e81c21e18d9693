# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence that lacks a condition of the proofs about bridges, neighbours and policy rules, as `test_conditions` has it for others."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils._decide.changes import (
    CLIENT,
    OTHER,
    ROUTER,
    SERVER,
    Scene,
    added,
    each,
    incomplete,
    only,
    setting,
    snapshots,
    unrecorded,
)
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

MANAGED = "02:00:00:00:01:11"
"""web1's link address on a network of its own, by which both hosts are managed."""


def forwarding(found: Phases, when: int) -> None:
    """The port of db1's bridge forwards before the handshakes (0), or behind them (1)."""
    for link in snapshots(found, SERVER)[when]["links"]:
        if link["name"] == "eth0":
            link["port_state"] = "forwarding"


def unseen_afterwards(found: Phases) -> None:
    """What db1's bridge makes of its port after the handshakes is not known."""
    for link in snapshots(found, SERVER)[1]["links"]:
        link["port_state"] = None


def alone(found: Phases, host: str, interface: str) -> None:
    """An interface is a bridge, and no other one is a port of it."""
    for snapshot in snapshots(found, host):
        for link in snapshot["links"]:
            link.update(kind="bridge" if link["name"] == interface else link["kind"], master=None)


def taken_in(found: Phases, error: str | None) -> None:
    """The kernel's answer for what comes in from the client is another one."""
    for snapshot in snapshots(found, SERVER):
        for route in snapshot["routes"]:
            if route["iif"]:
                route.update(error=error, type=None if error else "local")


def met(found: Phases, interface: str, mac: str) -> None:
    """db1 knows a link address of web1 by one of its interfaces."""
    for host in (CLIENT, SERVER):
        for snapshot in snapshots(found, host):
            snapshot["links"].append({"name": "eth1", "up": True, "mac": MANAGED if host == CLIENT else "02:00:00:00:01:21"})
    for snapshot in snapshots(found, SERVER):
        snapshot["neighbours"].append({"address": "192.0.2.11", "interface": interface, "mac": mac, "state": "REACHABLE"})


def met_on_the_link(found: Phases) -> None:
    met(found, "eth0", next(link["mac"] for link in snapshots(found, CLIENT)[0]["links"] if link["name"] == "eth0"))


def met_by_a_link_address_of_two_links(found: Phases) -> None:
    """As VLANs have the link address of their interface: db1 may have met web1 on the other one."""
    met_on_the_link(found)
    for snapshot in snapshots(found, CLIENT):
        mac = next(link["mac"] for link in snapshot["links"] if link["name"] == "eth0")
        snapshot["links"].append({"name": "eth0.20", "up": True, "mac": mac, "kind": "vlan"})


def third(found: Phases, address: str, mac: str, gateway: bool = False) -> None:
    """Both web1 and db1 know it, each on its eth0."""
    for host in (CLIENT, SERVER):
        for snapshot in snapshots(found, host):
            snapshot["neighbours"].append({"address": address, "interface": "eth0", "mac": mac, "state": "REACHABLE"})
            if gateway and snapshot["routes"]:
                snapshot["routes"].append({**snapshot["routes"][0], "remote": "198.51.100.1", "gateway": address, "prefix": "0.0.0.0/0"})


SCENES = {
    "a port that came to forward meanwhile": Scene(
        "bridge_port.spanning-tree", "bridge_port", "likely", lambda found: forwarding(found, 1)
    ),
    "a port that was looked at once": Scene("bridge_port.spanning-tree", "bridge_port", "likely", unseen_afterwards),
    "a port that forwarded": Scene("bridge_port.spanning-tree", "bridge_port", None, lambda found: forwarding(found, 0)),
    "a port that may send back by itself": Scene("bridge_port", "bridge_port", None, each(ROUTER, "links", hairpin=True)),
    "a bridge that shows nothing to iptables": Scene(
        "bridge_port", "bridge_port", None, setting(ROUTER, "net.bridge.bridge-nf-call-iptables", "0")
    ),
    "requests of which some were not recorded": Scene("requests_lost", "requests_lost", "likely", incomplete(SERVER)),
    "requests at a host without a recording": Scene("requests_lost", "requests_lost", None, unrecorded(SERVER)),
    "requests to an interface that is down": Scene("requests_lost", "requests_lost", None, each(SERVER, "links", up=False)),
    "requests that an XDP program may drop": Scene("requests_lost", "requests_lost", "likely", each(SERVER, "links", xdp=True)),
    "requests of a host that was met on the link": Scene("requests_lost.isolated", "requests_lost", "proven", met_on_the_link),
    "requests of a host that was met on another link": Scene(
        "requests_lost.isolated", "requests_lost", "likely", lambda found: met(found, "eth1", MANAGED)
    ),
    "requests of a host that may have been met on another VLAN": Scene(
        "requests_lost.isolated", "requests_lost", "likely", met_by_a_link_address_of_two_links
    ),
    "requests of a host that knows a third one": Scene(
        "requests_lost.isolated", "requests_lost", "proven", lambda found: third(found, "10.0.1.77", "52:54:00:00:00:77")
    ),
    "requests of a host that knows the router": Scene(
        "requests_lost.isolated", "requests_lost", "likely", lambda found: third(found, "10.0.1.1", "52:54:00:00:00:01", gateway=True)
    ),
    "requests of a host that knows a third one by an address that it may have on any link": Scene(
        "requests_lost.isolated", "requests_lost", "likely", lambda found: third(found, "fe80::1", "52:54:00:00:00:77")
    ),
    "requests on a bridge without a port": Scene("requests_lost", "requests_lost", None, lambda found: alone(found, ROUTER, "eth1")),
    "a container that may not be there": Scene(
        "not_answered_for", "not_answered_for", "likely", only(SERVER, "namespaces", lambda _each: False)
    ),
    "a container whose host did not record all": Scene("not_answered_for", "not_answered_for", "likely", incomplete(SERVER)),
    "a container whose address the host has": Scene(
        "not_answered_for",
        "not_answered_for",
        None,
        added(SERVER, "addresses", interface="eth0", address="2001:db8:2:0:c0::2", prefix=128, flags=[], since_s=None),
    ),
    "a rule ahead of the local table that leads back to it": Scene(
        "local_table_late", "local_table_late", None, lambda found: taken_in(found, None)
    ),
    "a packet that the check of its source refuses": Scene(
        "local_table_late", "local_table_late", None, lambda found: taken_in(found, "EXDEV")
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_what_lacks_a_condition_is_not_proven(name: str) -> None:
    assert SCENES[name].certainty_found() == SCENES[name].certainty


def test_servers_that_share_an_address_are_judged_by_what_came_to_each() -> None:
    plan, found = recorded("no_listener.anycast")
    ended = {code for code, host, _certainty in causes(plan, found) if host in (SERVER, OTHER)}
    assert ended == {"no_listener"}
    for host in (SERVER, OTHER):
        for snapshot in snapshots(found, host):
            for entry in snapshot["addresses"]:
                entry.update(interface="eth0" if entry["address"] == "10.0.9.9" else entry["interface"])
    assert [code for code, _host, _certainty in causes(plan, found)][:1] == ["ip_conflict"]  # both answer for it on the link


@pytest.mark.parametrize("state", ["REACHABLE", "PERMANENT"])
def test_only_who_was_asked_answers_on_the_link(state: str) -> None:
    """Of an entry that somebody made it is not known."""
    plan, found = recorded("path_drop.on-link")
    each(CLIENT, "neighbours", state=state)(found)
    [cause, *_others] = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"][0]["causes"]
    assert ("db1 answers ARP there" in cause["summary"]) is (state == "REACHABLE")
