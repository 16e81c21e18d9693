# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Matching on packets that are made here: every case in which two observations are, or are not, the same packet."""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.timeline import Attempt, Packets
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.many import Many
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.probe_records import Probe
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.recording import Observation, Recording

C, S = "10.0.1.11", "10.0.2.21"
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10
ISN, SERVER_ISN = 1000, 9000
INTERFACES = ("lo", "eth0", "eth1", "br0", "veth0", "bond0")
identities = itertools.count(1)


def segment(source: str, destination: str, sport: int, dport: int, seq: int, ack: int, flags: int, ip_id: int = 0, ttl: int = 64) -> bytes:
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, ip_id, 0x4000, ttl, 6, 0, socket.inet_aton(source), socket.inet_aton(destination))
    return ip + struct.pack("!HHIIHHHH", sport, dport, seq, ack, 5 << 12 | flags, 64240, 0, 0)


def syn(isn: int = ISN, ip_id: int = 7, source: str = C, sport: int = 40000) -> bytes:
    return segment(source, S, sport, 5432, isn, 0, SYN, ip_id)


def syn_ack(ack: int = ISN + 1, destination: str = C, dport: int = 40000) -> bytes:
    return segment(S, destination, 5432, dport, SERVER_ISN, ack, SYN_ACK)


def ack(isn: int = ISN) -> bytes:
    return segment(C, S, 40000, 5432, isn + 1, SERVER_ISN + 1, ACK, 8)


def seen(host: str, direction: str, time: float, data: bytes, interface: str = "eth0") -> Observation:
    frame = Frame(
        ts_ns=int(time * 1e9),
        ifindex=INTERFACES.index(interface),
        ethertype=0x0800,
        vlan=0,
        pkttype=4 if direction == "out" else 0,
        lladdr=b"",
        wire_length=len(data),
        data=data,
    )
    return Observation(host=host, interface=interface, direction=direction, time=time, packet=decode(data, 0x0800), frame=frame)


def recorded_at(observations: Iterable[Observation]) -> dict[str, Host]:
    """The hosts that made the observations, with their recordings."""
    hosts: dict[str, Host] = {}
    for name in sorted({each.host for each in observations}):
        recording = Recording(name)
        frames = [each.frame for each in observations if each.host == name]
        recording.add(pack(frames), {str(number): interface for number, interface in enumerate(INTERFACES)})
        hosts[name] = Host(name, observations=recording)
    return hosts


def attempt(*observations: Observation, client: str = "web1", strangers: frozenset[str] = frozenset()) -> Attempt:
    hosts = recorded_at(observations)
    probe = Probe(
        dial=0,
        attempt=0,
        address=S,
        port=5432,
        started=100.0,
        stage="done",
        outcome="connected",
        local_address=C,
        local_port=40000,
        elapsed_ms=5000.0,
    )
    return Packets(hosts.values()).attempt(probe, client, set(hosts) - strangers)


def test_a_handshake_is_three_packets_with_two_observations_each() -> None:
    found = attempt(
        seen("web1", "out", 100.000, syn()),
        seen("db1", "in", 100.001, syn()),
        seen("db1", "out", 100.001, syn_ack()),
        seen("web1", "in", 100.002, syn_ack()),
        seen("web1", "out", 100.002, ack()),
        seen("db1", "in", 100.003, ack()),
    )
    assert [(row.kind, row.sender, len(row.seen)) for row in found.rows] == [
        ("syn", "client", 2),
        ("syn_ack", "server", 2),
        ("ack", "client", 2),
    ]


def test_retransmissions_are_packets_of_their_own() -> None:
    found = attempt(
        seen("web1", "out", 100.0, syn(ip_id=7)),
        seen("web1", "out", 101.0, syn(ip_id=8)),
        seen("db1", "in", 101.001, syn(ip_id=8)),
    )
    assert [(row.transmission, len(row.seen)) for row in found.rows] == [(1, 1), (2, 2)]


def test_retransmissions_without_ip_id_are_told_apart_by_time() -> None:
    found = attempt(
        seen("db1", "out", 100.0, syn_ack()),
        seen("db1", "out", 101.0, syn_ack()),
        seen("web1", "in", 101.001, syn_ack()),
        seen("web1", "out", 99.999, syn()),
    )
    assert [len(row.seen) for row in found.rows if row.kind == "syn_ack"] == [1, 2]


def test_address_translation_does_not_hide_a_packet() -> None:
    translated = syn(source="192.0.2.1", sport=61000)
    found = attempt(
        seen("web1", "out", 100.0, syn()),
        seen("db1", "in", 100.001, translated),
        seen("db1", "out", 100.001, syn_ack(destination="192.0.2.1", dport=61000)),
    )
    assert [(row.kind, row.sender, len(row.seen)) for row in found.rows] == [("syn", "client", 2), ("syn_ack", "server", 1)]


def test_a_rewritten_sequence_number_does_not_hide_a_packet() -> None:
    found = attempt(seen("web1", "out", 100.0, syn()), seen("db1", "in", 100.001, syn(isn=77)))
    assert [(row.kind, len(row.seen)) for row in found.rows] == [("syn", 2)]


def test_a_bystander_that_sees_it_with_other_numbers_sees_it_twice() -> None:
    other = syn(isn=77)
    found = attempt(
        seen("web1", "out", 100.0, syn()),
        seen("sw1", "in", 100.001, other, "eth0"),
        seen("sw1", "out", 100.001, other, "eth1"),
        seen("db1", "in", 100.002, syn()),
        strangers=frozenset({"sw1"}),
    )
    assert [(len(row.seen), len(row.strays)) for row in found.rows] == [(2, 2)] and found.strays == []


def test_a_router_is_seen_twice() -> None:
    found = attempt(
        seen("web1", "out", 100.0, syn()),
        seen("r1", "in", 100.001, syn(), "eth0"),
        seen("r1", "out", 100.001, syn(), "eth1"),
        seen("db1", "in", 100.002, syn()),
    )
    assert [[(s.host, s.direction) for s in row.seen] for row in found.rows] == [
        [("web1", "out"), ("r1", "in"), ("r1", "out"), ("db1", "in")]
    ]


def test_other_connections_do_not_belong() -> None:
    found = attempt(
        seen("web1", "out", 100.0, syn()),
        seen("web1", "out", 100.0, syn(isn=5, sport=40001)),
        seen("db1", "in", 100.0, syn(isn=6, source="10.0.1.12")),
    )
    assert [len(row.seen) for row in found.rows] == [1]


def test_an_ephemeral_port_may_be_used_again() -> None:
    found = attempt(seen("web1", "out", 50.0, syn(isn=1)), seen("web1", "out", 100.0, syn(isn=2)))
    assert found.isn == 2


@given(st.floats(-90.0, 1e6), st.floats(0.0001, 0.2), st.floats(0.0001, 0.2))
def test_the_clock_of_the_other_host_is_estimated(ahead: float, there: float, back: float) -> None:
    found = attempt(
        seen("web1", "out", 100.0, syn()),
        seen("db1", "in", 100.0 + there + ahead, syn()),
        seen("db1", "out", 100.0 + there + ahead, syn_ack()),
        seen("web1", "in", 100.0 + there + back, syn_ack()),
    )
    clock = found.clocks["db1"]
    assert clock.error is not None
    assert abs(clock.offset - ahead) <= clock.error + 1e-3
    assert [len(row.seen) for row in found.rows] == [2, 2]


def test_packets_with_other_numbers_and_another_clock_are_the_same_ones() -> None:
    """A middlebox gives them other numbers: what there is one of at each end is the same."""
    answer = segment(S, C, 5432, 40000, SERVER_ISN, 5001, SYN_ACK)
    found = attempt(
        seen("web1", "out", 100.0, syn()),
        seen("db1", "in", 7300.01, syn(5000, ip_id=9)),
        seen("db1", "out", 7300.02, answer),
        seen("web1", "in", 100.03, syn_ack()),
    )
    (row,) = found.of("syn")
    assert (row.at("web1", "out"), row.at("db1", "in")) != (None, None) and len(found.of("syn_ack")) == 1
    assert abs(found.clocks["db1"].offset - 7200) < 0.1


def test_a_connection_that_the_client_hears_nothing_of_is_not_taken_for_its_own() -> None:
    """Hours later, another one came from the same port."""
    found = attempt(
        seen("web1", "out", 100.0, syn()), seen("db1", "in", 7300.01, syn(5000, ip_id=9)), seen("db1", "out", 7300.02, syn_ack(5001))
    )
    assert len(found.of("syn")) == 2 and "db1" not in found.clocks


def test_what_a_host_without_a_part_recorded_is_kept_beside_the_handshake() -> None:
    """Its SYN in the server's name would make the server the client, and its earlier answer the first one."""
    honest = [
        seen("web1", "out", 100.000, syn()),
        seen("db1", "in", 100.001, syn()),
        seen("db1", "out", 100.001, syn_ack()),
        seen("web1", "in", 100.002, syn_ack()),
    ]
    reversed_syn = segment(S, C, 5432, 40000, ISN, 0, SYN, 3)
    found = attempt(*honest, seen("web9", "in", 99.9, syn()), seen("web9", "in", 99.9, reversed_syn), strangers=frozenset(("web9",)))
    plain = attempt(*honest)
    assert [(row.kind, row.sender, row.packet, row.seen) for row in found.rows] == [
        (row.kind, row.sender, row.packet, row.seen) for row in plain.rows
    ]
    assert [[seen.host for seen in row.strays] for row in found.rows] == [["web9"], []]
    assert [(row.kind, [seen.host for seen in row.seen]) for row in found.strays] == [("syn", ["web9"])]


def test_who_invents_translations_costs_only_its_own_recording() -> None:
    invented = [seen("web9", "in", 100.0, syn(source=f"192.0.2.{number}", ip_id=number)) for number in range(1, 20)]
    honest = [seen("web1", "out", 100.0, syn()), seen("db1", "in", 100.001, syn())]
    assert attempt(*honest, *invented, strangers=frozenset(("web9",))).cut == frozenset()
    assert attempt(*honest, *invented).cut == {"web9"}


def fin(isn: int, sender: int) -> bytes:
    """The end of a connection, which its numbers alone do not tell from that of another one."""
    client = segment(C, S, 40000, 5432, isn + 500, SERVER_ISN + 700, 0x11, 60)
    return client if sender == 0 else segment(S, C, 5432, 40000, SERVER_ISN + 700, isn + 501, 0x11, 61)


def test_a_port_that_is_used_again_has_two_connections() -> None:
    """No SYN of the first one arrives; the second one completes, 4 s later, from the same port."""
    later = 5000
    observations = (
        seen("web1", "out", 100.0, syn()),
        seen("web1", "out", 101.0, syn(ip_id=8)),
        seen("web1", "out", 104.0, syn(isn=later, ip_id=9)),
        seen("db1", "in", 104.001, syn(isn=later, ip_id=9)),
        seen("db1", "out", 104.001, syn_ack(ack=later + 1)),
        seen("web1", "in", 104.002, syn_ack(ack=later + 1)),
        seen("web1", "out", 104.002, ack(later)),
        seen("db1", "in", 104.003, ack(later)),
        seen("web1", "out", 104.1, fin(later, 0)),
        seen("db1", "in", 104.101, fin(later, 0)),
        seen("db1", "out", 104.102, fin(later, 1)),
        seen("web1", "in", 104.103, fin(later, 1)),
    )
    hosts = recorded_at(observations)
    shared = {"dial": 0, "address": S, "port": 5432, "stage": "done", "local_address": C, "local_port": 40000}
    first = Probe(**shared, attempt=0, started=99.999, outcome="error", elapsed_ms=3000.0)  # type: ignore[arg-type]
    second = Probe(**shared, attempt=1, started=103.999, outcome="connected", elapsed_ms=3.0)  # type: ignore[arg-type]
    hosts["web1"].probes = Many.of((first, second))
    packets = Packets(hosts.values())
    one, two = (packets.attempt(probe, "web1", set(hosts)) for probe in (first, second))
    assert [(row.kind, len(row.seen)) for row in one.rows] == [("syn", 1), ("syn", 1)]
    assert [(row.kind, len(row.seen)) for row in two.rows] == [("syn", 2), ("syn_ack", 2), ("ack", 2), ("fin", 2), ("fin", 2)]


def test_a_port_that_is_used_again_after_a_connection_that_came() -> None:
    """What the server sends of the first one is not of the second one, whose SYN is lost."""
    later = 5000
    observations = (
        seen("web1", "out", 100.0, syn()),
        seen("db1", "in", 100.001, syn()),
        seen("db1", "out", 100.001, syn_ack()),
        seen("db1", "out", 100.5, fin(ISN, 1)),
        seen("web1", "out", 104.0, syn(isn=later, ip_id=9)),
    )
    hosts = recorded_at(observations)
    shared = {"dial": 0, "address": S, "port": 5432, "stage": "done", "local_address": C, "local_port": 40000}
    first = Probe(**shared, attempt=0, started=99.999, outcome="connected", elapsed_ms=3.0)  # type: ignore[arg-type]
    second = Probe(**shared, attempt=1, started=103.999, outcome="timeout", elapsed_ms=3000.0)  # type: ignore[arg-type]
    hosts["web1"].probes = Many.of((first, second))
    packets = Packets(hosts.values())
    assert [row.kind for row in packets.attempt(second, "web1", set(hosts)).rows] == ["syn"]
    assert [row.kind for row in packets.attempt(first, "web1", set(hosts)).rows] == ["syn", "syn_ack", "fin"]
