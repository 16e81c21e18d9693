# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our pcapng as tshark and capinfos read it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame
from ansible_collections.threeway.handshake.plugins.module_utils._wire.pcapng import CapturedPacket, write
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.packets import ARP, IPV4, IPV6, arp, icmp, ipv4, ipv6, tcp

pytestmark = pytest.mark.skipif(not (shutil.which("tshark") and shutil.which("capinfos")), reason="tshark and capinfos are the readers")

MAC = bytes.fromhex("02005e100011")
NS = 1763697600_123456789
PACKETS = [
    CapturedPacket(
        0,
        Frame(ts_ns=NS, ifindex=2, ethertype=IPV4, vlan=0, pkttype=4, lladdr=MAC, wire_length=60, data=ipv4(tcp())),
        "SYN leaves <web1> & is 1 of 3 — attempt ①",
    ),
    CapturedPacket(
        1, Frame(ts_ns=NS + 1, ifindex=3, ethertype=IPV4, vlan=100, pkttype=0, lladdr=MAC, wire_length=60, data=ipv4(tcp())), None
    ),
    CapturedPacket(
        1, Frame(ts_ns=NS + 2, ifindex=3, ethertype=ARP, vlan=0, pkttype=1, lladdr=MAC, wire_length=28, data=arp(1)), "x" * 70_000
    ),
    CapturedPacket(
        2,
        Frame(
            ts_ns=NS + 3,
            ifindex=9,
            ethertype=IPV6,
            vlan=0,
            pkttype=0,
            lladdr=b"",
            wire_length=580,
            data=ipv6(tcp(0x18, b"", bytes(520)))[:60],
        ),
        "",
    ),
    CapturedPacket(
        0,
        Frame(
            ts_ns=NS + 4, ifindex=2, ethertype=IPV4, vlan=0, pkttype=3, lladdr=MAC, wire_length=88, data=ipv4(icmp(3, 13, ipv4(tcp())), 1)
        ),
        "prohibited",
    ),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "flow.pcapng"
    file.write_bytes(write(["web1:eth0", "db1:eth0", "vpn:wg0"], PACKETS, "web-to-db: SYN dropped at db1"))
    return file


def fields(path: Path, *names: str) -> list[list[str]]:
    command = ["tshark", "-r", str(path), "-T", "fields", *(argument for name in names for argument in ("-e", name))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_interfaces_times_lengths_and_directions(path: Path) -> None:
    names = ("frame.interface_name", "frame.time_epoch", "frame.cap_len", "frame.len", "frame.packet_flags_direction", "sll.pkttype")
    assert fields(path, *names) == [
        ["web1:eth0", "1763697600.123456789", "80", "80", "0x00000002", "4"],
        ["db1:eth0", "1763697600.123456790", "84", "84", "0x00000001", "0"],
        ["db1:eth0", "1763697600.123456791", "48", "48", "0x00000001", "1"],
        ["vpn:wg0", "1763697600.123456792", "80", "600", "0x00000001", "0"],
        ["web1:eth0", "1763697600.123456793", "108", "108", "0x00000001", "3"],
    ]


def test_the_packets_are_decoded_behind_their_link_fields(path: Path) -> None:
    assert fields(path, "_ws.col.Protocol", "vlan.id", "sll.src.eth", "tcp.dstport", "tcp.len") == [
        ["TCP", "", "02:00:5e:10:00:11", "5432", "0"],
        ["TCP", "100", "02:00:5e:10:00:11", "5432", "0"],
        ["ARP", "", "02:00:5e:10:00:11", "", ""],
        ["TCP", "", "", "5432", "520"],
        ["ICMP", "", "02:00:5e:10:00:11", "5432", ""],
    ]


def test_comments_are_shown(path: Path) -> None:
    comments = [row[0] for row in fields(path, "frame.comment")]
    assert comments[0] == "SYN leaves <web1> & is 1 of 3 — attempt ①" and comments[1] == comments[3] == "" and comments[4] == "prohibited"
    assert comments[2].strip("x") == "", "cut to what an option can hold"
    said = subprocess.run(["capinfos", str(path)], capture_output=True, text=True, check=True).stdout
    assert "web-to-db: SYN dropped at db1" in said and "threeway.handshake" in said
    assert "Number of interfaces in file: 3" in said and "Time precision = nanoseconds (9)" in said


def test_nothing_is_malformed(path: Path) -> None:
    command = ["tshark", "-r", str(path), "-Y", "_ws.malformed || _ws.expert.severity >= 8388608"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""


def test_a_file_without_packets_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "empty.pcapng"
    file.write_bytes(write([], []))
    assert fields(file, "frame.number") == []
