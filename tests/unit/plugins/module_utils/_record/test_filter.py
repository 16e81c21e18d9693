# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import array
import random
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._record.filter import (
    PACKET_HOST,
    PACKET_OUTGOING,
    Selection,
    kernel_filter,
)
from ansible_collections.threeway.handshake.plugins.module_utils._wire import bpf
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import header_length, outline
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._record.bpf_machine import run
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.packets import (
    ARP,
    IPV4,
    IPV6,
    advertisement,
    arp,
    icmp,
    ipv4,
    ipv6,
    tcp,
)

SYN, RST_ACK, ACK = 0x02, 0x14, 0x10
BROADCAST = 1
STRANGER4, STRANGER6 = bytes((198, 51, 100, 9)), bytes.fromhex("20010db8000000000000000000000099")
ONE = Selection.of([5432], ["192.0.2.11", "2001:db8::11"])


def verdict(selection: Selection, data: bytes, ethertype: int, pkttype: int = PACKET_HOST, ifindex: int = 2) -> int:
    return run(kernel_filter(selection), data, {0: ethertype, 4: pkttype, 8: ifindex})


def foreign(flags: int, **ports: int) -> bytes:
    return ipv4(tcp(flags, b"", b"secret", **ports), src=STRANGER4, dst=STRANGER4)


@pytest.mark.parametrize(
    ("data", "ethertype", "kept"),
    [
        (ipv4(tcp(ACK, b"", b"secret")), IPV4, 40),
        (ipv4(tcp(SYN)), IPV4, 60),
        (ipv4(tcp(SYN), options=bytes(8)), IPV4, 68),
        (ipv4(tcp(SYN, sport=5432, dport=40001)), IPV4, 60),
        (ipv4(tcp(SYN, dport=5433)), IPV4, 0),
        (ipv4(b"x" * 30, 17), IPV4, 0),
        (ipv4(tcp(SYN), flags_offset=1), IPV4, 0),
        (foreign(SYN), IPV4, 40),
        (foreign(RST_ACK), IPV4, 40),
        (foreign(ACK), IPV4, 0),
        (ipv4(icmp(3, 13, ipv4(tcp(SYN, payload=b"secret"))), 1, src=STRANGER4), IPV4, 20 + 8 + 60),
        (ipv4(icmp(11, 0, ipv4(tcp(SYN, payload=b"secret"), options=bytes(4))[: 24 + 8]), 1), IPV4, 256),
        (ipv4(icmp(3, 3, ipv4(b"x" * 8, 17)), 1), IPV4, 0),
        (ipv4(icmp(3, 3, ipv4(tcp(dport=80))), 1), IPV4, 0),
        (ipv4(icmp(8, 0, b"ping"), 1), IPV4, 0),
        (ipv6(tcp(ACK, b"", b"secret")), IPV6, 60),
        (ipv6(tcp(ACK, b""), src=STRANGER6, dst=STRANGER6), IPV6, 0),
        (ipv6(tcp(SYN, b""), src=STRANGER6, dst=STRANGER6), IPV6, 60),
        (ipv6(bytes((6, 0)) + bytes(6) + tcp(), 60), IPV6, 256),
        (ipv6(struct.pack("!BBHI", 6, 0, 1, 7) + tcp(payload=b"secret"), 44), IPV6, 40 + 8 + 40),
        (ipv6(struct.pack("!BBHI", 6, 0, 1480, 7) + tcp(), 44), IPV6, 0),
        (ipv6(icmp(1, 4, ipv6(tcp(payload=b"secret"))), 58), IPV6, 40 + 8 + 40 + 40),
        (ipv6(icmp(128, 0, b"ping"), 58), IPV6, 0),
        (ipv6(advertisement(), 58), IPV6, 256),
        (arp(1), ARP, 256),
        (b"", IPV4, 0),
        (b"\x45", IPV4, 0),
        (b"", IPV6, 0),
        (b"", 0x88CC, 0),
    ],
)
def test_what_is_kept_and_how_much_of_it(data: bytes, ethertype: int, kept: int) -> None:
    assert verdict(ONE, data, ethertype) == kept


def test_neighbour_messages_of_others_count_when_they_are_about_the_addresses() -> None:
    elsewhere = Selection.of([5432], ["192.0.2.99"])
    assert verdict(ONE, arp(1), ARP, BROADCAST) and not verdict(elsewhere, arp(1), ARP, BROADCAST)
    assert verdict(elsewhere, arp(1), ARP, PACKET_OUTGOING) and verdict(elsewhere, arp(2), ARP, PACKET_HOST)


def test_the_loopback_interface_shows_a_packet_once() -> None:
    assert verdict(ONE, ipv4(tcp()), IPV4, PACKET_OUTGOING, ifindex=1) == 0
    assert verdict(ONE, ipv4(tcp()), IPV4, PACKET_HOST, ifindex=1) == 60


def test_a_tag_is_no_hindrance_on_the_way_out() -> None:
    """Where the device does not insert tags itself, the protocol is that of the tag, and the network header is still at 0."""
    assert verdict(ONE, ipv4(tcp()), 0x8100, PACKET_OUTGOING) == 60
    assert verdict(ONE, ipv6(tcp()), 0x88A8, PACKET_OUTGOING) == 80
    assert verdict(ONE, arp(1), 0x8100, PACKET_OUTGOING) == 256
    assert verdict(ONE, bytes((0, 200, 8, 0)) + ipv4(tcp()), 0x8100, PACKET_HOST) == 0, "double tags on reception"


def test_without_addresses_the_port_decides() -> None:
    assert verdict(Selection.of([5432], []), foreign(ACK), IPV4) == 40


_ADDRESSES = st.sampled_from([bytes((192, 0, 2, 11)), bytes((192, 0, 2, 21)), STRANGER4])
_ADDRESSES6 = st.sampled_from([bytes.fromhex("20010db80000000000000000000000" + last) for last in ("11", "21", "99")])
_TCP = st.builds(
    lambda flags, sport, dport, options: tcp(flags, bytes([1]) * options * 4, b"payload", sport, dport),
    st.integers(0, 255),
    st.sampled_from([5432, 40001, 80]),
    st.sampled_from([5432, 443, 65535]),
    st.integers(0, 10),
)
_IP4 = st.builds(
    lambda payload, options, fragment, src, dst: ipv4(payload, 6, bytes(options * 4), fragment, src, dst),
    _TCP,
    st.integers(0, 10),
    st.sampled_from([0, 0x4000, 1]),
    _ADDRESSES,
    _ADDRESSES,
)
_IP6 = st.builds(lambda payload, src, dst: ipv6(payload, 6, src, dst), _TCP, _ADDRESSES6, _ADDRESSES6)
_ERRORS4 = st.builds(
    lambda kind, quote, length: ipv4(icmp(kind, 1, quote[:length]), 1), st.sampled_from([0, 3, 5, 11, 12]), _IP4, st.integers(0, 120)
)
_ERRORS6 = st.builds(lambda kind, quote, length: ipv6(icmp(kind, 1, quote[:length]), 58), st.integers(0, 5), _IP6, st.integers(0, 120))
_SELECTIONS = st.builds(
    Selection.of,
    st.sets(st.sampled_from([5432, 443, 1, 65535])),
    st.sets(st.sampled_from(["192.0.2.11", "198.51.100.9", "2001:db8::11", "2001:db8::99"])),
)


@given(
    _SELECTIONS,
    st.one_of(
        _IP4.map(lambda p: (p, IPV4)),
        _ERRORS4.map(lambda p: (p, IPV4)),
        _IP6.map(lambda p: (p, IPV6)),
        _ERRORS6.map(lambda p: (p, IPV6)),
        st.binary(max_size=120).map(lambda p: (p, IPV4)),
    ),
)
def test_the_kernels_choice_is_the_same_as_pythons(selection: Selection, packet: tuple[bytes, int]) -> None:
    data, ethertype = packet
    kept = verdict(selection, data, ethertype)
    try:
        where = outline(data, ethertype)
        wanted = selection.wants(data, where, PACKET_HOST)
    except DecodeError:
        return
    assert bool(kept) == wanted or (kept and where.quote), "quotes of less than 8 bytes are sorted out in Python"
    if wanted:
        cut = data[:kept]
        assert cut[: header_length(cut, ethertype)] == data[: header_length(data, ethertype)], "the kernel leaves all headers"
        if kept != 256:
            assert min(kept, len(data)) == header_length(data, ethertype), "and nothing behind them"


@pytest.mark.parametrize(
    ("ports", "addresses", "exact"), [(1, 0, True), (100, 1000, True), (1000, 10, True), (100, 5000, False), (5000, 5000, False)]
)
def test_large_specifications(ports: int, addresses: int, exact: bool) -> None:
    numbers = [1000 + 7 * number for number in range(ports)]
    literals = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(1, 3 * addresses, 3)]
    selection = Selection.of(numbers, literals)
    program = kernel_filter(selection)
    assert len(program) <= 4096
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as judge:  # the kernel checks a filter when it is attached
        code = array.array("B", bpf.machine_code(program))
        judge.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", len(program), code.buffer_info()[0]))
    some = random.Random(7)
    for _turn in range(300):
        port = some.choice([some.choice(numbers), some.randrange(1, 65536)])
        src, dst = (
            socket.inet_aton(some.choice([*literals, "198.51.100.9"]) if some.random() < 0.3 else "198.51.100.9") for _turn in range(2)
        )
        data = ipv4(tcp(some.choice([SYN, ACK]), b"", b"", 1, port), src=src, dst=dst)
        kept = run(program, data, {0: IPV4, 4: PACKET_HOST, 8: 2})
        wanted = selection.wants(data, outline(data, IPV4), PACKET_HOST)
        assert bool(kept) == wanted or (kept and not exact)


@pytest.mark.parametrize("distance", [1, 254, 255, 256, 300, 5000])
def test_jumps_reach_any_distance(distance: int) -> None:
    program = bpf.Program()
    program.do(bpf.LDB, 0)
    program.when(bpf.JEQ, 1, "one", "other")
    for _turn in range(distance):
        program.do(bpf.LDB, 0)
    program.label("other")
    program.do(bpf.RET, 100)
    program.label("one")
    program.do(bpf.RET, 200)
    code = program.assemble()
    assert (run(code, b"\1", {}), run(code, b"\2", {})) == (200, 100)


@given(st.lists(st.integers(0, 2**32 - 1), unique=True, max_size=600).map(sorted), st.integers(0, 2**32 - 1))
def test_search_finds_what_is_there(values: list[int], other: int) -> None:
    program = bpf.Program()
    program.do(bpf.LDW, 0)
    program.search(values, "found", "missing")
    program.label("found")
    program.do(bpf.RET, 1)
    program.label("missing")
    program.do(bpf.RET, 0)
    code = program.assemble()
    for value in [*values[:3], *values[-3:], other]:
        assert run(code, struct.pack("!I", value), {}) == (value in values)


@pytest.mark.parametrize(("ports", "addresses"), [([0], []), ([65536], []), ([80], ["db.example.org"]), ([80], ["192.0.2.0/24"])])
def test_a_selection_of_nothing_that_exists(ports: list[int], addresses: list[str]) -> None:
    with pytest.raises(ValueError):
        Selection.of(ports, addresses)
