# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
from typing import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import any_packet, decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import header_length
from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import Neighbour, Packet, TcpFlags
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


def test_a_syn_over_ipv4() -> None:
    packet = decode(ipv4(tcp()), IPV4)
    assert (packet.src, packet.dst, packet.ttl, packet.ip_id) == ("192.0.2.11", "192.0.2.21", 64, 0x1234)
    assert packet.df and packet.length == 60
    assert packet.tcp is not None and packet.tcp.is_syn
    assert (packet.tcp.sport, packet.tcp.dport, packet.tcp.seq, packet.tcp.ack, packet.tcp.window) == (40001, 5432, 1000, 2000, 64240)
    options = packet.tcp.options
    assert (options.mss, options.wscale, options.sack_permitted, options.timestamps) == (1460, 7, True, (1, 0))
    assert options.kinds == (2, 4, 8, 1, 3) and not options.malformed


def test_the_payload_length_is_that_of_the_ip_header_even_when_the_payload_is_cut_off() -> None:
    whole = ipv4(tcp(TcpFlags.ACK, b"", b"x" * 500))
    for data in (whole, whole[:40]):
        packet = decode(data, IPV4)
        assert packet.tcp is not None and packet.tcp.payload_length == 500


@given(st.lists(st.tuples(st.integers(0, 43), st.integers(0, 255)), max_size=4), st.integers(20, 60))
def test_usual_packets_are_decoded_as_all_others(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(ipv4(tcp()))
    for place, value in changes:
        data[place] = value

    def found(decoded: Callable[[bytes, int], Packet]) -> Packet | str:
        try:
            return decoded(bytes(data[:length]), IPV4)
        except DecodeError as error:
            return str(error)

    assert found(decode) == found(any_packet)


def test_all_flags_have_names() -> None:
    packet = decode(ipv4(tcp(0x1FF)), IPV4)
    assert packet.tcp is not None
    assert TcpFlags.names(packet.tcp.flags) == ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"]


@pytest.mark.parametrize(
    ("flags", "syn", "syn_ack", "rst"),
    [
        (0x02, True, False, False),
        (0xC2, True, False, False),
        (0x12, False, True, False),
        (0x52, False, True, False),
        (0x14, False, False, True),
        (0x10, False, False, False),
        (0x06, False, False, True),
    ],
)
def test_the_steps_of_a_handshake(flags: int, syn: bool, syn_ack: bool, rst: bool) -> None:
    segment = decode(ipv4(tcp(flags)), IPV4).tcp
    assert segment is not None and (segment.is_syn, segment.is_syn_ack, segment.is_rst) == (syn, syn_ack, rst)


def test_less_common_options() -> None:
    raw = (
        bytes((19, 18))
        + b"d" * 16
        + bytes((29, 4, 1, 2))
        + bytes((34, 2))
        + bytes((30, 4, 0, 1))
        + bytes((253, 4))
        + b"ab"
        + bytes((3, 4, 0, 0))
        + bytes(4)
    )
    segment = decode(ipv4(tcp(options=raw)), IPV4).tcp
    assert segment is not None
    options = segment.options
    assert (options.md5, options.ao, options.fast_open, options.mptcp) == (b"d" * 16, b"\1\2", b"", (b"\0\1",))
    assert options.unknown == ((253, b"ab"), (3, b"\0\0")), "a window scale of two bytes is not a window scale"
    assert options.wscale is None and options.kinds == (19, 29, 34, 30, 253, 3, 0)


def test_ipv4_options_move_the_tcp_header() -> None:
    data = ipv4(tcp(), options=bytes(8))
    packet = decode(data, IPV4)
    assert packet.tcp is not None and packet.tcp.dport == 5432 and packet.tcp.payload_length == 0
    assert header_length(data, IPV4) == 28 + 40


def test_a_later_fragment_has_no_transport_header() -> None:
    packet = decode(ipv4(tcp(), flags_offset=185), IPV4)
    assert (packet.tcp, packet.protocol) == (None, 6)
    fragment = ipv6(struct.pack("!BBHI", 6, 0, 1480, 77) + tcp(), 44)
    packet = decode(fragment, IPV6)
    assert (packet.tcp, packet.protocol, packet.ip_id) == (None, 6, 77)
    assert header_length(fragment, IPV6) == 48


def test_ipv6_extension_headers_are_walked() -> None:
    chain = bytes((60, 0)) + bytes(6) + bytes((44, 1)) + bytes(14) + struct.pack("!BBHI", 6, 0, 1, 99) + tcp(payload=b"secret")
    data = ipv6(chain, 0)
    packet = decode(data, IPV6)
    assert packet.tcp is not None and (packet.tcp.dport, packet.ip_id) == (5432, 99)
    assert header_length(data, IPV6) == 40 + 8 + 16 + 8 + 40


@pytest.mark.parametrize("quoted", [8, 16, 20, 40, 48])
def test_an_icmp_error_quotes_as_much_as_the_router_liked(quoted: int) -> None:
    sent = ipv4(tcp(payload=b"secret!!"))
    data = ipv4(icmp(3, 4, sent[: 20 + quoted], rest=1280), 1)
    message = decode(data, IPV4).icmp
    assert message is not None and (message.type, message.code, message.mtu) == (3, 4, 1280)
    assert message.quote is not None and (message.quote.sport, message.quote.dport, message.quote.seq) == (40001, 5432, 1000)
    assert (message.quote.tcp is not None) == (quoted >= 40)
    assert header_length(data, IPV4) == 20 + 8 + 20 + min(quoted, 40)


def test_an_icmpv6_error_quotes_too() -> None:
    data = ipv6(icmp(2, 0, ipv6(tcp(payload=b"secret")), rest=1280), 58)
    message = decode(data, IPV6).icmp
    assert message is not None and message.mtu == 1280 and message.quote is not None
    assert message.quote.dst == "2001:db8::21" and message.quote.tcp is not None and message.quote.tcp.is_syn
    assert header_length(data, IPV6) == 40 + 8 + 40 + 40


def test_arp_and_neighbour_discovery_say_the_same_thing() -> None:
    request = decode(arp(1), ARP).neighbour
    assert request is not None
    assert request == Neighbour("request", "192.0.2.11", "02:00:00:00:00:01", "192.0.2.21", 0)
    reply = decode(ipv6(advertisement(), 58), IPV6).neighbour
    assert reply is not None
    assert reply == Neighbour("reply", "2001:db8::21", "02:00:00:00:00:02", "2001:db8::21", flags=3), "solicited, override"
    assert header_length(ipv6(advertisement(), 58), IPV6) == 40 + 32


def test_other_protocols_keep_their_ip_header_only() -> None:
    for data in (ipv4(b"payload of UDP", 17), ipv4(icmp(8, 0, b"ping" * 9), 1)):
        assert header_length(data, IPV4) == 20
        assert isinstance(decode(data[:20], IPV4), Packet)


@pytest.mark.parametrize(
    ("data", "ethertype", "reason"),
    [
        (b"", IPV4, "an IPv4 header has at least 20 bytes, here are 0"),
        (b"\x60" * 40, IPV4, "0x60 does not begin an IPv4 header"),
        (b"\x45" * 40, IPV6, "0x45 does not begin an IPv6 header"),
        (ipv4(tcp()[:12]), IPV4, "a TCP header has 20 bytes, here are 12"),
        (ipv4(tcp()[:12] + b"\x10" + bytes(7)), IPV4, "a TCP header has at least 20 bytes, this one claims 4"),
        (bytes(10), ARP, "an ARP message for IPv4 has 28 bytes, this one has 10"),
        (b"", 0x88CC, "ethertype 0x88cc is neither IPv4, IPv6 nor ARP"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, ethertype: int, reason: str) -> None:
    with pytest.raises(DecodeError) as error:
        decode(data, ethertype)
    assert str(error.value) == reason


_PACKETS = st.sampled_from(
    [
        (ipv4(tcp()), IPV4),
        (ipv4(tcp(0x12), options=bytes(4)), IPV4),
        (ipv4(icmp(3, 1, ipv4(tcp())), 1), IPV4),
        (arp(2), ARP),
        (ipv6(tcp()), IPV6),
        (ipv6(icmp(1, 4, ipv6(tcp())), 58), IPV6),
        (ipv6(advertisement(), 58), IPV6),
        (ipv6(bytes((6, 0)) + bytes(6) + tcp(), 0), IPV6),
    ]
)


@given(_PACKETS, st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=8), st.integers(0, 200))
def test_damaged_packets_raise_nothing_but_decode_error(packet: tuple[bytes, int], damage: list[tuple[int, int]], length: int) -> None:
    data = bytearray(packet[0])
    for at, value in damage:
        if at < len(data):
            data[at] = value
    _survives(bytes(data[:length]), packet[1])


@given(st.binary(max_size=200), st.sampled_from([IPV4, IPV6, ARP]))
def test_random_bytes_raise_nothing_but_decode_error(data: bytes, ethertype: int) -> None:
    _survives(data, ethertype)


def _survives(data: bytes, ethertype: int) -> None:
    try:
        whole = decode(data, ethertype)
        kept = data[: header_length(data, ethertype)]
    except DecodeError:
        return
    assert len(kept) <= len(data)
    assert decode(kept, ethertype) == whole or whole.icmp is not None, "cutting after the headers changes nothing that is decoded"
