# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that a host does not take, addresses that it takes for its own, and what is not said beside a cause, by changed evidence."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_ARP
from tests.unit.plugins.plugin_utils._decide.test_neighbours import causes, first, snapshots
from tests.unit.plugins.plugin_utils._decide.test_not_proven import frames
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

REPLY, REQUEST = 2, 1
_IN, _OUT = 0, 4  # linux/if_packet.h


def message(frame: Frame) -> int | None:
    """Which of them it is: a reply that came in, or a request that left."""
    operation = frame.data[7] if frame.ethertype == ETH_P_ARP else None
    return operation if (operation, frame.pkttype) in ((REPLY, _IN), (REQUEST, _OUT)) else None


def kept(found: Phases, keep: Iterable[tuple[int, int]]) -> None:
    """Of each kind of ARP message of db1, as many as are named, the first ones."""
    most = dict(keep)

    def change(all_: list[Frame]) -> Iterable[Frame]:
        for frame in all_:
            kind = message(frame)
            if kind in most:
                if most[kind] == 0:
                    continue
                most[kind] -= 1
            yield frame

    frames(found["db1"]["close"]["evidence"]["recording"], change)


def certainty(plan: object, found: Phases, code: str) -> str | None:
    return next((each["certainty"] for each in causes(plan, found) if each["code"] == code), None)


def test_answers_that_come_in_and_are_not_taken() -> None:
    assert first(causes(*recorded("neighbour_ignored"))) == ("neighbour_ignored", "db1", "proven")


@pytest.mark.parametrize(("replies", "requests", "expected"), [(1, 99, "likely"), (0, 99, None), (99, 1, None)])
def test_one_answer_may_be_late_and_who_does_not_ask_on_may_have_taken_it(replies: int, requests: int, expected: str | None) -> None:
    plan, found = recorded("neighbour_ignored")
    kept(found, [(REPLY, replies), (REQUEST, requests)])
    assert certainty(plan, found, "neighbour_ignored") == expected


def test_an_answer_that_two_interfaces_show_is_one() -> None:
    plan, found = recorded("neighbour_ignored")
    kept(found, [(REPLY, 1)])

    def twice(all_: list[Frame]) -> Iterable[Frame]:
        for frame in all_:
            yield frame
            if message(frame) == REPLY:
                yield frame._replace(ts_ns=frame.ts_ns + 2000)

    frames(found["db1"]["close"]["evidence"]["recording"], twice)
    assert certainty(plan, found, "neighbour_ignored") == "likely"


@pytest.mark.parametrize(("seconds", "expected"), [(0, "proven"), (9, None)])
def test_a_next_hop_that_answered_and_is_gone_later(seconds: float, expected: str | None) -> None:
    """Its answers were taken: they are all older than what is asked in vain."""
    plan, found = recorded("neighbour_ignored")

    def earlier(all_: list[Frame]) -> Iterable[Frame]:
        first_asked = min(frame.ts_ns for frame in all_ if message(frame) == REQUEST)
        for frame in all_:
            early = seconds and message(frame) == REPLY
            yield frame._replace(ts_ns=first_asked - int(seconds * 1e9) + (frame.ts_ns - first_asked) // 1000) if early else frame

    frames(found["db1"]["close"]["evidence"]["recording"], earlier)
    assert certainty(plan, found, "neighbour_ignored") == expected


def test_a_next_hop_that_is_answered_for_at_first_only() -> None:
    """As a watchdog asks its gateway time and again, which is dead by the end."""
    plan, found = recorded("neighbour_ignored")

    def on(all_: list[Frame]) -> Iterable[Frame]:
        yield from all_
        last = max((frame for frame in all_ if message(frame) == REQUEST), key=lambda frame: frame.ts_ns)
        yield from (last._replace(ts_ns=last.ts_ns + second * 10**9) for second in range(1, 6))

    frames(found["db1"]["close"]["evidence"]["recording"], on)
    assert certainty(plan, found, "neighbour_ignored") == "likely"


def test_who_knows_its_neighbour_took_the_answer() -> None:
    plan, found = recorded("neighbour_ignored")
    for snapshot in snapshots(found, "db1"):
        for entry in snapshot["neighbours"]:
            entry["state"] = "REACHABLE"
    assert certainty(plan, found, "neighbour_ignored") is None


def test_an_interface_that_is_no_port_takes_what_comes_in() -> None:
    plan, found = recorded("neighbour_ignored")
    for snapshot in snapshots(found, "db1"):
        for link in snapshot["links"]:
            link["master"] = None
    told = next(each for each in causes(plan, found) if each["code"] == "neighbour_ignored")
    assert "port" not in told["summary"] and "arptables, ebtables, tc" in told["fix"]["summary"]


@pytest.mark.parametrize("address", ["2001:db8:1::", None])
def test_an_address_that_a_host_has_is_its_own(address: str | None) -> None:
    plan, found = recorded("taken_for_own")
    assert first(causes(plan, found)) == ("taken_for_own", "web1", "proven")
    for snapshot in snapshots(found, "web1"):
        if address:
            snapshot["addresses"].append({**snapshot["addresses"][-1], "address": address})
        else:
            for route in snapshot["routes"]:
                route["type"] = "unicast"
    told = [each["detail"].keys() for each in causes(plan, found) if each["code"] == "taken_for_own"]
    assert told == ([{"interface"}] if address else [])  # server and client have it both then, which is another thing


def test_an_address_of_client_and_server() -> None:
    """Only a SYN that was seen to stay within the client proves that it is the client that answers."""
    plan, found = recorded("taken_for_own.on-both")
    assert first(causes(plan, found)) == ("taken_for_own", "web1", "proven")
    found["web1"]["try"]["evidence"]["recording"] = None
    assert certainty(plan, found, "taken_for_own") == "likely"
    for snapshot in snapshots(found, "web1"):
        for route in snapshot["routes"]:
            route["type"] = "unicast"
    assert certainty(plan, found, "taken_for_own") is None


def test_an_address_of_client_and_server_that_leaves_all_the_same() -> None:
    """As by a policy rule ahead of that for the local table, or by a balancer in the kernel."""
    plan, found = recorded("taken_for_own.on-both")
    wire = next(link["index"] for link in next(iter(snapshots(found, "web1")))["links"] if link["name"] == "eth0")
    frames(found["web1"]["try"]["evidence"]["recording"], lambda all_: [frame._replace(ifindex=wire) for frame in all_])
    assert certainty(plan, found, "taken_for_own") != "proven"


@pytest.mark.parametrize("name", ["nat_wrong_target.container", "listener_other_address.container"])
def test_what_a_container_refuses_no_firewall_rejects(name: str) -> None:
    assert [each["code"] for each in causes(*recorded(name))] == [name.partition(".")[0]]


def test_nobody_is_to_listen_on_the_port_of_a_service() -> None:
    assert [each["code"] for each in causes(*recorded("firewall_drop.no-local-endpoint"))] == ["firewall_drop"]


@pytest.mark.parametrize(("interface", "taken"), [("eth0", True), ("lo", False)])
def test_a_balancer_with_direct_routing_takes_what_its_servers_have_on_lo(interface: str, taken: bool) -> None:
    plan, found = recorded("taken_for_own.local.router.dropped")
    for phase, part in (("open", "snapshot"), ("close", "after")):
        for entry in found["db1"][phase]["evidence"][part]["addresses"]:
            entry["interface"] = interface if entry["address"] == "10.0.2.21" else entry["interface"]
    assert (certainty(plan, found, "taken_for_own") == "proven") is taken
