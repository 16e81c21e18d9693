# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes with the flows' other hosts on other ports, and that the flows' own packets have room beside them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._record import program
from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import unpack
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._record.bpf_machine import run
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.packets import ARP, IPV4, IPV6, arp, icmp, ipv4, ipv6, tcp
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

HERE = Path(__file__).parent
COLLECTIONS = HERE.parents[4] / "build" / "collections"
SYN, SYN_ACK, RST_ACK, ACK = 0x02, 0x12, 0x14, 0x10
PEER4, PEER6 = bytes((192, 0, 2, 11)), bytes.fromhex("20010db8000000000000000000000011")
STRANGER = bytes((198, 51, 100, 9))
PROGRAM = program.beside(frozenset([5432]), frozenset([PEER4, PEER6])).assemble()


@pytest.mark.parametrize(
    ("data", "ethertype", "kept"),
    [
        (ipv4(tcp(SYN, dport=8080)), IPV4, 60),
        (ipv4(tcp(SYN_ACK, sport=8080, dport=40001), src=STRANGER, dst=PEER4), IPV4, 60),
        (ipv4(tcp(RST_ACK, b"", sport=8080, dport=40001)), IPV4, 40),
        (ipv4(tcp(ACK, b"", b"secret", dport=8080)), IPV4, 0),
        (ipv4(tcp(SYN, dport=5432)), IPV4, 0),
        (ipv4(tcp(SYN_ACK, sport=5432, dport=40001)), IPV4, 0),
        (ipv4(tcp(SYN, dport=8080), src=STRANGER, dst=STRANGER), IPV4, 0),
        (ipv4(icmp(3, 13, ipv4(tcp(SYN, dport=8080, payload=b"secret"))), 1), IPV4, 20 + 8 + 60),
        (ipv4(icmp(3, 13, ipv4(tcp(SYN, dport=8080, payload=b"secret"))), 1, src=STRANGER, dst=STRANGER), IPV4, 20 + 8 + 60),  # a router's
        (ipv4(icmp(3, 13, ipv4(tcp(SYN, dport=8080), src=STRANGER, dst=STRANGER)), 1), IPV4, 0),
        (ipv4(icmp(3, 13, ipv4(tcp(SYN, dport=5432))), 1), IPV4, 0),
        (ipv6(tcp(SYN, b"", dport=8080)), IPV6, 60),
        (ipv6(tcp(ACK, b"", dport=8080)), IPV6, 0),
        (arp(1), ARP, 0),
    ],
)
def test_what_opens_or_refuses_is_kept_without_payload(data: bytes, ethertype: int, kept: int) -> None:
    assert run(PROGRAM, data, {0: ethertype, 4: program.PACKET_HOST, 8: 2}) == kept


@pytest.fixture(scope="module")
def net() -> Iterator[Rootless]:
    with Rootless() as rootless:
        yield rootless


def recorded(net: Rootless, rate: int) -> tuple[dict[str, Any], dict[str, Any]]:
    whole, selected = json.loads(net.sh(f"PYTHONPATH={COLLECTIONS} {sys.executable} {HERE / 'beside_traffic.py'} {rate}"))
    return whole, selected


def kinds(recording: dict[str, Any]) -> Counter[tuple[int, str]]:
    """How many packets of which kind there are, by the server's port."""
    found: Counter[tuple[int, str]] = Counter()
    for frame in unpack(recording["frames"]):
        packet = decode(frame.data, frame.ethertype)
        assert b"secret" not in frame.data
        tcp = packet.tcp
        if packet.icmp and packet.icmp.quote and packet.icmp.quote.dport:
            found[packet.icmp.quote.dport, "icmp"] += 1
        elif tcp:
            kind = "syn" if tcp.is_syn else "syn_ack" if tcp.is_syn_ack else "rst" if tcp.is_rst else "other"
            found[min(tcp.sport, tcp.dport), kind] += 1
    return found


def test_handshakes_with_a_peer_on_other_ports_are_there() -> None:
    with Rootless() as net:
        for recording in recorded(net, 0):
            found = kinds(recording)
            assert recording["beside"] == "recorded" and recording["dropped"] == 0
            assert {(port, kind): count for (port, kind), count in found.items() if port != 5432 and kind != "rst"} == {
                **{(8080, "syn"): 3, (8080, "syn_ack"): 3, (80, "syn"): 3, (8443, "syn"): 3, (8443, "icmp"): 3},
            }
            assert found[80, "rst"] == 3 and found[5432, "syn"] == found[5432, "syn_ack"] == 3 and found[5432, "other"] >= 9


def test_a_flood_on_other_ports_takes_no_room_of_the_flows_packets() -> None:
    with Rootless() as net:
        for recording in recorded(net, 60_000):
            found = kinds(recording)
            assert (recording["beside"], recording["dropped"], recording["truncated"]) == ("lost", 0, None)
            assert found[5432, "syn"] == found[5432, "syn_ack"] == 20 and found[5432, "other"] >= 60
            assert {port for port, _kind in found} == {5432}, "a part of the others would look like losses"


def test_more_than_travels_is_not_taken_for_all() -> None:
    with Rootless() as net:
        whole, selected = recorded(net, 2_000)
        assert whole["beside"] == "lost" and {port for port, _kind in kinds(whole)} == {5432}, "which are a handshake's is not known"
        others = sum(count for (port, _kind), count in kinds(selected).items() if port != 5432)
        assert (selected["beside"], others) == ("cut", 200)
