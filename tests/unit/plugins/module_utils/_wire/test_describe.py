# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.describe import describe, summary
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack
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


def frame(data: bytes, ethertype: int, pkttype: int = 0) -> Frame:
    return Frame(
        ts_ns=1763697600_500000000,
        ifindex=2,
        ethertype=ethertype,
        vlan=0,
        pkttype=pkttype,
        lladdr=bytes.fromhex("02005e100011"),
        wire_length=len(data),
        data=data,
    )


@pytest.mark.parametrize(
    ("data", "ethertype", "line"),
    [
        (ipv4(tcp()), IPV4, "192.0.2.11:40001 > 192.0.2.21:5432 SYN seq 1000"),
        (ipv4(tcp(0x18, b"", b"hello")), IPV4, "192.0.2.11:40001 > 192.0.2.21:5432 PSH,ACK seq 1000 ack 2000 length 5"),
        (ipv4(tcp(0)), IPV4, "192.0.2.11:40001 > 192.0.2.21:5432 no flags seq 1000"),
        (ipv6(tcp(0x14)), IPV6, "[2001:db8::11]:40001 > [2001:db8::21]:5432 RST,ACK seq 1000 ack 2000"),
        (
            ipv4(icmp(3, 4, ipv4(tcp()), 1280), 1),
            IPV4,
            "192.0.2.11 > 192.0.2.21 ICMP unreachable, code 4 (mtu 1280) about 192.0.2.11:40001 > 192.0.2.21:5432",
        ),
        (ipv6(icmp(3, 0, b""), 58), IPV6, "2001:db8::11 > 2001:db8::21 ICMP time exceeded, code 0"),
        (ipv4(b"", 17), IPV4, "192.0.2.11 > 192.0.2.21 protocol 17"),
        (arp(1), ARP, "192.0.2.11 asks who has 192.0.2.21"),
        (arp(2), ARP, "192.0.2.11 is at 02:00:00:00:00:01"),
        (ipv6(advertisement()[:24], 58), IPV6, "2001:db8::21 is at an address that it does not contain"),
        (b"", IPV4, "cannot be decoded: an IPv4 header has at least 20 bytes, here are 0"),
    ],
)
def test_a_packet_in_one_line(data: bytes, ethertype: int, line: str) -> None:
    assert summary(frame(data, ethertype)) == line


def test_a_recording_as_dictionaries() -> None:
    frames = [frame(ipv4(tcp()), IPV4, 4), frame(ipv4(icmp(3, 13, ipv4(tcp())[:28]), 1), IPV4), frame(b"?", IPV4, 3)]
    syn, error, broken = describe({"interfaces": {"2": "eth0"}, "frames": pack(frames)})
    assert syn["interface"] == "eth0" and syn["direction"] == "out" and syn["time"] == 1763697600.5 and syn["vlan"] is None
    assert (syn["protocol"], syn["flags"], syn["mss"], syn["options"]) == ("tcp", ["SYN"], 1460, [2, 4, 8, 1, 3])
    assert error["quoted"] == {
        "source": "192.0.2.11",
        "source_port": 40001,
        "destination": "192.0.2.21",
        "destination_port": 5432,
        "seq": 1000,
    }
    assert (broken["protocol"], broken["direction"]) == ("unknown", "passing")
