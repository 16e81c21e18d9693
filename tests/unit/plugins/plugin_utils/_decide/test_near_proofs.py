# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence that lacks one of the conditions of a proof, see test_conditions.py: addresses, ways, draws and balancers."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, unpack
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_ARP, ETH_P_IP
from tests.unit.plugins.plugin_utils._decide.changes import (
    CLIENT,
    OTHER,
    ROUTER,
    SERVER,
    TARGET,
    Change,
    Scene,
    all_of,
    answer,
    came,
    counted,
    icmp,
    incomplete,
    probes,
    read_slowly,
    rose,
    served_on_another_port,
    snapshots,
    unit,
    unrecorded,
    without,
)
from tests.unit.plugins.plugin_utils._decide.test_firewalls import SYNS, Run
from tests.unit.plugins.plugin_utils._decide.test_fronts import BEHIND, CHECKED, FRONT, on_another_port, to_port
from tests.unit.plugins.plugin_utils._decide.test_not_proven import RST, SYN, SYN_ACK, flags, frames, moved
from tests.unit.plugins.plugin_utils.planted import IN, OUT
from tests.unit.plugins.plugin_utils.recordings import Phases

IN_ICMP = 1


def asked_for_itself(found: Phases) -> None:
    """Somebody else asks the server for its own address, as one does who takes it (RFC 5227)."""
    mac = bytes.fromhex("020000000088")
    own = bytes(map(int, TARGET.split(".")))
    request = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 1) + mac + own + bytes(6) + own
    like, recording = unpack(answer(found, CLIENT)["recording"]["frames"])[0], answer(found, SERVER)["recording"]
    recording["interfaces"] = {"2": "eth0"}
    frames(recording, lambda all_: [*all_, like._replace(ifindex=2, ethertype=ETH_P_ARP, pkttype=1, lladdr=mac, data=request)])


def fewer_than_syns(found: Phases) -> None:
    """One packet was counted as one for another address, and as one that the rule translated; more SYNs came in."""
    before, after = (snapshot["counters"]["Ip"] for snapshot in snapshots(found, SERVER))
    counted(SERVER, 1 - (after["InAddrErrors"] - before["InAddrErrors"]))(found)
    rose(SERVER, "Ip", "InAddrErrors", 1)(found)


def without_rules(found: Phases) -> None:
    """Which rules draw is not known."""
    for snapshot in snapshots(found, CLIENT):
        for target in (each for verdict in snapshot["firewall"]["verdicts"] for each in verdict.get("targets") or ()):
            target["rule"] = None


def leaves_with(ttl: int) -> Change:
    """The TTL with which SYNs leave the router."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        for frame in all_:
            leaves = flags(frame) == SYN and frame.pkttype == OUT
            yield frame._replace(data=frame.data[:8] + bytes([ttl]) + frame.data[9:]) if leaves else frame

    return lambda found: frames(answer(found, ROUTER)["recording"], change)


def time_exceeded(found: Phases) -> None:
    """The ICMP errors that come to the server say that the TTL was used up."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        for frame in all_:
            is_icmp = frame.ethertype == ETH_P_IP and frame.data[9] == IN_ICMP
            yield frame._replace(data=frame.data[:20] + bytes((11, 0)) + frame.data[22:]) if is_icmp else frame

    frames(answer(found, SERVER)["recording"], change)


def as_many_as_clients(found: Phases) -> None:
    """The host in front made three connections with the server, as many as there were attempts."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        left = 6  # SYNs and RSTs
        for frame in all_:
            between = to_port(frame, 1) != frame
            left -= between
            if not between or left >= 0:
                yield frame

    for host in (SERVER, OTHER):
        frames(answer(found, host)["recording"], change)


def not_dialled_directly(found: Phases) -> None:
    for phases in found.values():
        for each in phases.values():
            each["evidence"].pop("bypass", None)


def one_reset_by_the_kernel(found: Phases) -> None:
    """The first connection was reset before the program had it, as with tcp_abort_on_overflow; it logs for the others alone."""
    probes(peer="reset")(found)
    answer(found, CLIENT)["probes"][0].update(outcome="error", errno="ECONNRESET", peer=None, ended=False)
    for entry in answer(found, SERVER)["after"]["turned_away"]:
        entry["times"] = entry["times"][-2:]


def taken_beside(found: Phases) -> None:
    """The server takes a connection of the balancer's host on another port than the one that the balancer calls down."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        syn = next(frame for frame in all_ if flags(frame) == SYN)
        there, back = (b"\x9c\x40\x23\x8c", b"\x23\x8c\x9c\x40")  # ports 40000 and 9100
        yield from all_
        yield moved(syn, 0.001, pkttype=OUT, data=syn.data[:12] + FRONT + BEHIND + there + syn.data[24:])
        data = syn.data[:12] + BEHIND + FRONT + back + syn.data[24:33] + bytes([SYN_ACK]) + syn.data[34:]
        yield moved(syn, 0.002, pkttype=IN, data=data)

    frames(answer(found, OTHER)["recording"], change)


SCENES = {
    # addresses
    "two machines that claim an address to the client": Scene(
        "ip_conflict.both-answer.refused", "ip_conflict", "proven", unrecorded(SERVER)
    ),
    "an address that another one has, and SYNs that may have come": Scene(
        "ip_conflict.both-answer.refused", "ip_conflict", "likely", incomplete(SERVER)
    ),
    "an IPv6 address that another one claims, and SYNs that may have come": Scene(
        "ip_conflict.unnamed.ipv6", "ip_conflict", "likely", incomplete(SERVER)
    ),
    "an address that another one has, and a router that forbids": Scene("path_icmp_rejected", "ip_conflict", "likely", asked_for_itself),
    # for_own
    "an address that a client takes for its own, of which not all was recorded": Scene(
        "taken_for_own.local", "taken_for_own", "likely", incomplete(CLIENT)
    ),
    "an address that a router takes for its own, of which not all was recorded": Scene(
        "taken_for_own.local.router", "taken_for_own", "likely", incomplete(ROUTER)
    ),
    "an address that a router takes for its own, and SYNs that came on": Scene(
        "taken_for_own.local.router", "taken_for_own", "likely", came(CLIENT, SERVER)
    ),
    # forwarding
    "a translation that counted others' packets, too": Scene(
        "router_not_forwarding.published", "router_not_forwarding", "likely", counted(SERVER, 1)
    ),
    "translated packets of which fewer were dropped than SYNs came": Scene(
        "router_not_forwarding.published", "router_not_forwarding", "likely", fewer_than_syns
    ),
    # draws
    "a draw of which no rule is known": Scene("nat_wrong_target.client-by-lot", "nat_wrong_target", "likely", without_rules),
    "a draw of an end that a router forbids": Scene(
        "nat_wrong_target.client-by-lot", "nat_wrong_target", "likely", icmp(code=13, source=bytes((10, 0, 1, 1)))
    ),
    # fronts
    "a balancer that is refused on another port alone": Scene(
        CHECKED, "load_balancer_no_backend", "likely", all_of(as_many_as_clients, on_another_port)
    ),
    "a balancer that is refused, and served on another port as often": Scene(
        CHECKED, "load_balancer_no_backend", "likely", all_of(as_many_as_clients, served_on_another_port)
    ),
    "a balancer that calls the server down, which serves it on another port": Scene(
        "load_balancer_no_backend.other-port", "load_balancer_no_backend", "likely", taken_beside
    ),
    "a port where nobody listens, whose unit is stopped": Scene(
        "load_balancer_no_backend.http",
        "load_balancer_no_backend",
        "proven",
        all_of(unit(SERVER, "declared"), probes(peer="closed"), not_dialled_directly),
    ),
    # icmp_errors
    "a SYN-ACK with a normal TTL, which something on the way may have lowered": Scene(
        "path_icmp_rejected.back", "routing_loop", "likely", time_exceeded
    ),
    # lifetimes
    "a TTL that a rule on the way sets, and that would do for the next hop": Scene(
        "ttl_too_low.router", "ttl_too_low", "likely", leaves_with(20)
    ),
    # split
    "a handshake on two machines, which something on the way resets": Scene(
        "handshake_split", "handshake_split", "likely", without(SERVER, RST)
    ),
    "a handshake on two machines, of which the one without a SYN accepted connections": Scene(
        "handshake_split", "handshake_split", "likely", rose(SERVER, "Tcp", "PassiveOpens", 1)
    ),
    # turned_away
    "a service that logs that it ends each connection that it gets, and one that it did not get": Scene(
        "service_refuses.nginx-access", "service_refuses", "likely", one_reset_by_the_kernel
    ),
    # local_table
    "a local table without the address that the client dials, and SYNs that may have left": Scene(
        "no_local_route.own", "no_local_route", "likely", all_of(incomplete(CLIENT), probes(outcome="error", errno="EHOSTUNREACH"))
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_what_lacks_a_condition_is_not_proven(name: str) -> None:
    assert SCENES[name].certainty_found() == SCENES[name].certainty


def read_before(found: Phases) -> None:
    """The rules were read twice before the handshakes were tried."""
    before, after = (snapshot["firewall"] for snapshot in snapshots(found, SERVER))
    after.update(begun=before["begun"], ended=before["ended"])


@pytest.mark.parametrize(
    ("counts", "change", "certainty", "sentence"),
    [
        ((9, 0), incomplete(SERVER), "likely", "9 -> 0: rules were reloaded meanwhile"),
        ((5, 5), incomplete(SERVER), "possible", "5 -> 5: it did not move"),
        ((5, 5), read_slowly, "possible", f"5 -> 5, though 0 to {SYNS} packets of this run should hit it"),
        ((5, 5), read_before, "possible", "5 -> 5: it did not move"),
    ],
)
def test_a_counter_that_does_not_rise(counts: tuple[int, int], change: Change, certainty: str, sentence: str) -> None:
    run = Run("firewall_drop.server-input").says("db1", "syn", "in", "drop", counts)
    change(run.found)
    [cause] = [each for each in run.flow()["causes"] if each["code"] == "firewall_drop"]
    assert cause["certainty"] == certainty
    assert any(sentence in each["observation"] for each in (*cause["evidence"], *cause["against"])), cause
