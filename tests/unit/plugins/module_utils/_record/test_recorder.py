# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder against the kernel, with dumpcap (libpcap) and tshark as witnesses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.describe import capture_file
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import unpack
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

HERE = Path(__file__).parent
COLLECTIONS = HERE.parents[4] / "build" / "collections"
FIELDS = (
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "ip.id",
    "ip.ttl",
    "ipv6.hlim",
    "sll.pkttype",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.window_size_value",
    "tcp.len",
    "tcp.options.mss_val",
    "tcp.options.wscale.shift",
    "tcp.options.timestamp.tsval",
    "icmp.type",
    "icmp.code",
    "icmpv6.type",
    "icmpv6.code",
)

pytestmark = pytest.mark.skipif(not (shutil.which("tshark") and shutil.which("dumpcap")), reason="the witnesses are missing")


@pytest.fixture(scope="module")
def net() -> Iterator[Rootless]:
    with Rootless() as rootless:
        yield rootless


def run(net: Rootless, script: str) -> str:
    return net.sh(f"PYTHONPATH={COLLECTIONS} {sys.executable} {script}")


@pytest.fixture(scope="module")
def witnessed(net: Rootless, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A recording, and what dumpcap wrote of the same traffic."""
    dump = tmp_path_factory.mktemp("traffic") / "dumpcap.pcapng"
    return json.loads(run(net, f"{HERE / 'record_traffic.py'} {dump}")), dump


def tshark(path: Path, *arguments: str) -> list[dict[str, str]]:
    """Fields of each packet, the outer ones when there are several (quotes in ICMP errors)."""
    command = ["tshark", "-r", str(path), "-T", "fields", "-E", "occurrence=a", "-E", "separator=/t", *arguments]
    for field in FIELDS:
        command += ["-e", field]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [{name: value.split(",")[0] for name, value in zip(FIELDS, line.split("\t")) if value} for line in lines]


def ours(recording: dict[str, Any]) -> list[dict[str, str]]:
    """The same fields as our decoder reads them."""
    told = []
    for frame in unpack(recording["frames"]):
        packet = decode(frame.data, frame.ethertype)
        names: dict[str, object] = {"sll.pkttype": frame.pkttype}
        quoted = packet.icmp.quote if packet.icmp else None
        tcp = packet.tcp or (quoted.tcp if quoted else None)
        if packet.version == 4:
            names.update({"ip.src": packet.src, "ip.dst": packet.dst, "ip.ttl": packet.ttl, "ip.id": f"0x{packet.ip_id:04x}"})
        elif packet.version == 6:
            names.update({"ipv6.src": packet.src, "ipv6.dst": packet.dst, "ipv6.hlim": packet.ttl})
        if packet.icmp:
            version = "icmp" if packet.version == 4 else "icmpv6"
            names.update({f"{version}.type": packet.icmp.type, f"{version}.code": packet.icmp.code})
        if packet.neighbour and packet.version == 6:
            names.update({"icmpv6.type": 135 if packet.neighbour.operation == "request" else 136, "icmpv6.code": 0})
        if tcp:
            names.update(
                {
                    "tcp.srcport": tcp.sport,
                    "tcp.dstport": tcp.dport,
                    "tcp.seq_raw": tcp.seq,
                    "tcp.ack_raw": tcp.ack,
                    "tcp.flags": f"0x{tcp.flags:04x}",
                    "tcp.window_size_value": tcp.window,
                    "tcp.options.mss_val": tcp.options.mss,
                    "tcp.options.wscale.shift": tcp.options.wscale,
                    "tcp.options.timestamp.tsval": tcp.options.timestamps and tcp.options.timestamps[0],
                }
            )
            if packet.tcp:
                names["tcp.len"] = tcp.payload_length
        told.append({name: str(value) for name, value in names.items() if value is not None})
    return told


def canonical(packets: list[dict[str, str]]) -> list[str]:
    return sorted(json.dumps(packet, sort_keys=True) for packet in packets)


def test_the_recorder_saw_what_libpcap_saw_and_the_decoder_reads_what_tshark_reads(witnessed: tuple[dict[str, Any], Path]) -> None:
    recording, dump = witnessed
    seen = [packet for packet in ours(recording) if "tcp.srcport" in packet]
    theirs = [packet for packet in tshark(dump) if "tcp.srcport" in packet]
    syns = {packet["tcp.seq_raw"] for packet in seen if packet["tcp.flags"] == "0x0002"}
    for packet in seen:
        if "icmp.type" in packet:  # of a packet quoted in ICMP, tshark does not tell the sequence number
            assert packet.pop("tcp.seq_raw") in syns
    assert len(seen) >= 20 and recording["dropped"] == 0 and recording["truncated"] is None
    assert canonical(seen) == canonical(theirs)
    assert {packet["icmp.code"] for packet in seen if "icmp.code" in packet} == {"13"}
    assert {packet["icmpv6.code"] for packet in seen if "icmpv6.code" in packet} == {"1"}


def test_arp_and_neighbour_discovery_are_there(witnessed: tuple[dict[str, Any], Path]) -> None:
    frames = unpack(witnessed[0]["frames"])
    messages = {
        (packet.version, packet.neighbour.operation, packet.neighbour.sender, packet.neighbour.sender_mac, frame.pkttype)
        for frame, packet in ((frame, decode(frame.data, frame.ethertype)) for frame in frames)
        if packet.neighbour
    }
    assert {
        (0, "request", "192.0.2.11", "02:00:5e:10:00:11", 4),
        (0, "reply", "192.0.2.21", "02:00:5e:10:00:21", 0),
        (6, "request", "2001:db8::11", "02:00:5e:10:00:11", 4),
        (6, "reply", "2001:db8::21", "02:00:5e:10:00:21", 0),
    } <= messages
    assert {frame.lladdr.hex() for frame in frames} == {"02005e100011", "02005e100021"}


def test_nothing_but_headers_is_recorded(witnessed: tuple[dict[str, Any], Path]) -> None:
    recording, dump = witnessed
    frames = unpack(recording["frames"])
    assert b"secret" in dump.read_bytes(), "it was on the wire"
    assert not any(b"secret" in frame.data for frame in frames)
    assert any(frame.wire_length > len(frame.data) for frame in frames), "and its length is known"


def test_wireshark_reads_our_file_as_it_reads_dumpcaps(witnessed: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    recording, dump = witnessed
    path = tmp_path / "ours.pcapng"
    path.write_bytes(capture_file(recording, "web1"))
    tcp = "tcp or icmp or icmpv6.type == 1"
    assert canonical(tshark(path, "-Y", tcp)) == canonical(tshark(dump, "-Y", tcp))
    assert tshark(path, "-Y", "_ws.malformed") == []
