# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flows as keys, and records of packets put together by hand. What the program really writes is in test_tracer.py."""

from __future__ import annotations

import contextlib
import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._drops import records
from ansible_collections.threeway.handshake.plugins.module_utils._drops.records import Flow, Segment
from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.segments import segment4, segment6
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.wire import CLIENT, CLIENT6, PORT, SERVER, SERVER6

IPV4, IPV6, NONE = 0x0800, 0x86DD, 0


def record(
    packet: bytes, ethertype: int, kind: int = records.DROP, length: int | None = None, addresses: bytes = b"", ports: bytes = b""
) -> bytes:
    made = bytearray(records.SIZE)
    for name, value in (
        ("time", struct.pack("=Q", 42)),
        ("location", struct.pack("=Q", 2)),
        ("reason", struct.pack("=I", 12)),
        ("protocol", struct.pack("!H", ethertype)),
        ("kind", struct.pack("=Q", kind)),
        ("addresses", addresses),
        ("ports", ports),
        ("stack_length", struct.pack("=q", 24)),
        ("stack", struct.pack("=4Q", 1, 2, 3, 99)),
        ("length", struct.pack("=Q", len(packet) if length is None else length)),
        ("packet", packet[: records.PACKET]),
    ):
        made[records.PLACES[name] : records.PLACES[name] + len(value)] = value
    assert len(made) == records.SIZE
    return bytes(made)


@pytest.mark.parametrize(
    ("packet", "ethertype", "ends"),
    [
        (segment4(), IPV4, (CLIENT, SERVER)),
        (segment4(options=b"\x01" * 40), IPV4, (CLIENT, SERVER)),
        (segment6(), IPV6, (CLIENT6, SERVER6)),
        (segment6(extensions=[0, 60, 43]), IPV6, (CLIENT6, SERVER6)),
    ],
)
def test_a_packet_is_read(packet: bytes, ethertype: int, ends: tuple[str, str]) -> None:
    raw = records.decode(record(packet[: records.PACKET], ethertype))
    assert raw is not None
    assert raw.segment == Segment(source=ends[0], source_port=40001, destination=ends[1], destination_port=PORT, flags=2, sequence=1000)
    assert (raw.time_ns, raw.reason, raw.kind) == (42, 12, records.DROP)
    assert (raw.stack, raw.code()) == ((1, 2, 3), (2, 3))


@pytest.mark.parametrize(
    ("packet", "ethertype"),
    [
        (segment4()[:27], IPV4),  # no whole sequence number
        (segment4()[:10], IPV4),
        (segment4()[:6] + b"\0\1" + segment4()[8:], IPV4),  # a later fragment
        (segment4(flags=0x11), IPV4),  # FIN
        (segment6(extensions=[60])[:44], IPV6),  # within the extension header
        (segment6(), IPV4),
        (segment6(), 0x0806),
    ],
)
def test_what_has_no_ports_or_is_no_handshakes_is_left_out(packet: bytes, ethertype: int) -> None:
    assert records.decode(record(packet, ethertype)) is None


def test_a_packet_without_headers_is_known_by_its_socket() -> None:
    mapped = b"".join(ipaddress.ip_address(f"::ffff:{address}").packed for address in (SERVER, CLIENT))
    raw = records.decode(record(b"", NONE, records.SYN_ACK_AGAIN, 0, mapped, struct.pack("!HH", PORT, 40001)))
    assert raw is not None and raw.segment == Segment(
        source=SERVER, source_port=PORT, destination=CLIENT, destination_port=40001, sequence=None
    )


@given(st.binary(max_size=records.SIZE + 8))
def test_noise_is_refused_or_left_out(noise: bytes) -> None:
    with contextlib.suppress(DecodeError):
        records.decode(noise)


@given(st.binary(max_size=records.PACKET), st.sampled_from([IPV4, IPV6, NONE, 1]))
def test_a_packet_of_noise_is_left_out_or_read(noise: bytes, ethertype: int) -> None:
    records.decode(record(noise, ethertype))


PORTS = st.integers(1, 65535)
ADDRESSES = st.sampled_from([CLIENT, SERVER, "192.0.2.77"])


@given(st.builds(Flow, st.none() | ADDRESSES, ADDRESSES, PORTS), ADDRESSES, PORTS, ADDRESSES, PORTS)
def test_a_packet_belongs_to_a_flow_when_the_program_finds_its_key(
    flow: Flow, source: str, sport: int, destination: str, dport: int
) -> None:
    def key(client: str | None, server: str, port: int, backwards: bool) -> bytes:
        return list(records.keys(Flow(client, server, port)))[backwards]

    asked = [key(source, destination, dport, False), key(destination, source, sport, True)]
    asked += [key(None, destination, dport, False), key(None, source, sport, True)]
    found = bool(set(asked) & set(records.keys(flow)))
    assert records.belongs(Segment(source, sport, destination, dport), {flow}) is found


def test_keys_have_the_size_of_the_map() -> None:
    found = [*records.keys(Flow(CLIENT, SERVER, PORT)), *records.keys(Flow(None, SERVER6, PORT))]
    assert {len(key) for key in found} == {records.KEY_SIZE}
    assert len(set(found)) == len(found)
