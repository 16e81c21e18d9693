# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SYN-ACKs with a rising TTL: what is sent, and what is read from ICMP errors. Faults in tests/faults/ send them over routers."""

from __future__ import annotations

import socket
import struct

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._connect import way_back
from ansible_collections.threeway.handshake.plugins.module_utils._connect.way_back import HalfOpen
from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack

IPV4 = HalfOpen("10.0.2.21", 5432, "10.0.1.11", 40001, 7, 9)
IPV6 = HalfOpen("2001:db8:2::21", 5432, "2001:db8:1::11", 40001, 7, 9)
ENDS = pytest.mark.parametrize("end", [IPV4, IPV6], ids=["IPv4", "IPv6"])


def ethertype(end: HalfOpen) -> int:
    return 0x0800 if end.family == socket.AF_INET else 0x86DD


@ENDS
def test_the_packet_is_the_connections_syn_ack(end: HalfOpen) -> None:
    packet = decode(way_back.packet_of(end, 3), ethertype(end))
    assert packet.tcp is not None and packet.tcp.is_syn_ack
    assert (packet.src, packet.tcp.sport, packet.dst, packet.tcp.dport, packet.tcp.seq, packet.tcp.ack, packet.ttl) == (*end, 3)


@ENDS
def test_its_checksum_is_right(end: HalfOpen) -> None:
    data = way_back.packet_of(end, 3)[-20:]
    addresses = socket.inet_pton(end.family, end.local) + socket.inet_pton(end.family, end.remote)
    total = sum(struct.unpack(f"!{(len(addresses) + 28) // 2}H", addresses + struct.pack("!II", 20, 6) + data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF


@ENDS
def test_an_error_tells_which_ttl_it_answers(end: HalfOpen) -> None:
    sent = way_back.packet_of(end, 12)
    least = sent[:28] if end.family == socket.AF_INET else sent  # RFC 792: 8 bytes behind the header
    assert way_back.quote(end.family, least) == (end.remote, end.remote_port, end.local_port, 12)
    assert way_back.quote(end.family, least[:20]) is None


@ENDS
def test_an_error_about_the_kernels_own_is_not_taken_for_one(end: HalfOpen) -> None:
    sent = bytearray(way_back.packet_of(end, 12))
    at = 4 if end.family == socket.AF_INET else 54
    sent[at : at + 2] = b"\x12\x34"
    assert way_back.quote(end.family, bytes(sent)) is None


def test_one_half_open_connection_of_each_client_is_taken_from_the_recording() -> None:
    other = IPV4._replace(remote_port=40002)
    established = IPV4._replace(remote="10.0.1.12")
    frames = [Frame(0, 2, 0x0800, 0, 4, b"", 40, way_back.packet_of(end, 64)) for end in (IPV4, other, established)]
    sockets = [
        {"state": state, "local": end.local, "local_port": end.local_port, "remote": end.remote, "remote_port": end.remote_port}
        for end, state in ((IPV4, "SYN_RECV"), (other, "SYN_RECV"), (established, "ESTABLISHED"))
    ]
    assert way_back.half_open({"sockets": sockets}, {"frames": pack(frames)}) == [other]
    assert way_back.half_open({"sockets": sockets}, {"frames": pack(frames[2:])}) == []
