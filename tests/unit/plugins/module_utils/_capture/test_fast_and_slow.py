# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that are not decoded lead to the same handshakes, in every format and link type, with whatever is between them."""

from __future__ import annotations

import gc
import random
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._capture import course
from ansible_collections.threeway.handshake.plugins.module_utils._capture.flow import COURSE, KEPT, Flow
from ansible_collections.threeway.handshake.plugins.module_utils._capture.handshakes import Handshakes, observe
from ansible_collections.threeway.handshake.plugins.module_utils._capture.reader import Reader
from ansible_collections.threeway.handshake.plugins.module_utils._capture.source import Source
from ansible_collections.threeway.handshake.plugins.module_utils._capture.wanted import Wanted
from tests.unit.plugins.module_utils._capture import files, same

ETHERNET, NULL, LOOP, RAW, IPV4, SLL, SLL2 = 1, 0, 108, 101, 228, 113, 276
WANTED = {"none": Wanted(limit=0), "one": Wanted(limit=1), "failed": Wanted(failed=True)}
VLAN, QINQ = b"\x81\0\x25\x08", b"\x88\xa8\0\x64\x81\0\x45\x06"


def kind(packet: bytes) -> bytes:
    return b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd"


def frame(luck: random.Random, link: int, order: str, packet: bytes) -> bytes:
    """A packet behind the header of a link type."""
    if link == ETHERNET:
        return bytes(12) + luck.choice((b"", b"", b"", VLAN, QINQ)) + kind(packet) + packet
    if link == SLL:
        return struct.pack("!HHH8s", luck.choice((0, 4)), 1, 6, bytes(8)) + kind(packet) + packet
    if link == SLL2:
        return kind(packet) + struct.pack("!xxIHBB8s", 2, 1, luck.choice((0, 4)), 6, bytes(8)) + packet
    family = 2 if packet[0] >> 4 == 4 else 10
    if link == NULL:
        return struct.pack(order + "I", family) + packet
    return struct.pack("!I", family) + packet if link == LOOP else packet


def segment(luck: random.Random, number: int) -> bytes:
    """A segment with any flags, of a few ends and numbers, so that they meet by accident."""
    flags = luck.choice((2, 2, 18, 18, 16, 16, 16, 24, 17, 4, 20, 6, 1, 0, 194, 82))
    back = luck.random() < (0.9 if flags & 18 == 18 else 0.4)
    seq, ack = luck.choice(((1000, 0), (1001, 9001), (9000, 1001), (9001, 1001), (1007, 9011), (0, 1001), (77, 78)))
    payload = bytes(luck.choice((0, 0, 0, 5)))
    ends = luck.choice(((files.CLIENT, files.SERVER), (files.CLIENT, files.SERVER), (files.CLIENT6, files.SERVER6)))
    port = 40000 + luck.randrange(6)
    return files.segment(flags, seq=seq, ack=ack, back=back, port=port, payload=payload, ttl=60 + number % 3, ends=ends)


def changed(luck: random.Random, packet: bytes) -> bytes:
    """The packet as something else: fragments, IP options, a false length, other protocols, extension headers, an ICMP error about it."""
    if packet[0] >> 4 == 6:
        extension = luck.choice((b"\x06\0" + bytes(6), b"\x06\0\0\x01" + bytes(4), b"\x06\0\0\x09" + bytes(4)))
        number = 44 if extension[3] else luck.choice((0, 60))
        return packet[:6] + bytes((number,)) + packet[7:40] + extension + packet[40:]
    if luck.random() < 0.3:
        error = struct.pack("!BBHI", luck.choice((3, 3, 11, 8)), luck.choice((1, 13)), luck.getrandbits(16), 0) + packet[:28]
        return files.ip(error, 1, ends=("192.0.2.1", files.CLIENT))
    if luck.random() < 0.2:
        return b"\x46" + packet[1:20] + bytes(4) + packet[20:]
    if luck.random() < 0.2:
        return packet[:9] + b"\x11" + packet[10:]
    at = luck.choice((0, 2, 3, 6, 7, 9, 32))
    return packet[:at] + bytes((packet[at] ^ 1 << luck.randrange(8),)) + packet[at + 1 :]


def traffic(luck: random.Random, count: int, link: int, order: str) -> list[files.Timed]:
    packets = []
    for number in range(count):
        packet = segment(luck, number)
        if luck.random() < 0.15:
            packet = changed(luck, packet)
        packets.append((number * 0.013, frame(luck, link, order, packet)))
    return packets


@pytest.mark.parametrize("order", ["<", pytest.param(">", marks=pytest.mark.slow)])
@pytest.mark.parametrize("link", [ETHERNET, NULL, LOOP, RAW, IPV4, SLL, SLL2])
@pytest.mark.parametrize("form", [files.pcap, files.pcapng])
def test_packets_that_are_not_decoded_lead_to_the_same_handshakes(tmp_path: Path, form: Any, link: int, order: str) -> None:
    luck = random.Random(f"{form.__name__} {link} {order}")
    path = tmp_path / "some"
    packets = traffic(luck, 1000, link, order)
    content = form(packets, link=link, order=order, nano=luck.random() < 0.5, snap=luck.choice((65535, 82)))
    path.write_bytes(content)
    answer = observe(str(path), Wanted())
    assert answer["retransmissions"]["syn"] > 3 and answer["packets"] == 1000 and answer["notes"] == []
    assert any(":" in each["client"] for each in answer["handshakes"]) and any("." in each["client"] for each in answer["handshakes"])
    same.assert_the_same(path)
    for cut in (len(content) - 5, len(content) - 70, luck.randrange(100, len(content))):
        path.write_bytes(content[:cut])
        same.assert_the_same(path)
    for _turn in range(5):
        damaged = bytearray(content)
        for _change in range(8):
            damaged[luck.randrange(40, len(damaged))] = luck.randrange(256)
        path.write_bytes(damaged)
        same.assert_the_same(path)


def test_a_connection_in_sections_of_both_byte_orders(tmp_path: Path) -> None:
    path, packets = tmp_path / "some.pcapng", files.completed()
    path.write_bytes(files.pcapng(packets[:2], order="<") + files.pcapng(packets[2:], order=">"))
    assert observe(str(path), Wanted())["handshakes"][0]["history"] == "ShADFf"
    same.assert_the_same(path)


def followed(path: Path, wanted: Wanted) -> tuple[Handshakes, list[Flow]]:
    """The handshakes of a file before anything is concluded, and their flows."""
    handshakes = Handshakes(wanted)
    with Source(str(path)) as source:
        for captured in Reader(source, handshakes.awaited.ports, handshakes.takes):
            handshakes.take(captured)
    return handshakes, [*handshakes._replaced, *handshakes._open.values()]


def test_what_follows_from_a_course_is_what_the_packets_say(tmp_path: Path) -> None:
    path = tmp_path / "some.pcap"
    path.write_bytes(files.pcap(traffic(random.Random(1), 20_000, RAW, "<"), link=RAW))
    _handshakes, flows = followed(path, Wanted(limit=10_000))
    for flow in flows:
        says, follows = flow[KEPT].handshake(), flow[COURSE]
        assert [follows.outcome, follows.state, follows.bits] == [says.outcome(2**80), says.state(), says.bits]
        assert follows.again == (max(0, len(says.syns) - 1), max(0, len(says.syn_acks) - 1))
    assert len({flow[COURSE].key for flow in flows}) > 50


def test_more_courses_than_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "some.pcap"
    path.write_bytes(files.pcap(traffic(random.Random(2), 3000, RAW, "<"), link=RAW))
    answer = observe(str(path), Wanted(limit=0))
    monkeypatch.setattr(course, "MOST_COURSES", 7)
    assert observe(str(path), Wanted(limit=0)) == answer


def test_the_packets_of_handshakes_that_will_not_be_listed_are_left_out(tmp_path: Path) -> None:
    """They are what a capture has most of: to keep them would cost more than all else."""
    path = tmp_path / "some.pcap"
    path.write_bytes(files.pcap([*files.completed(), *files.refused(0.1), (9.0, files.segment(files.ACK, seq=1, port=9))]))
    kept = {name: [flow[KEPT] is not None for flow in followed(path, wanted)[1]] for name, wanted in WANTED.items()}
    assert kept == {"none": [False, False], "one": [True, False], "failed": [False, True]}


def test_a_connection_of_very_many_packets_takes_no_more_memory_than_others(tmp_path: Path) -> None:
    """What is remembered of a course must not grow without end."""
    path = tmp_path / "some.pcap"
    ends = [(1.0 + number / 1000, files.segment(files.FIN | files.ACK, seq=1007, ack=9011)) for number in range(2000)]
    path.write_bytes(files.pcap([*files.completed(), *ends, (9.0, files.segment(files.ACK, seq=1, port=9))]))
    handshakes, (flow,) = followed(path, Wanted(limit=0))
    assert len(flow[COURSE].events) < 10 and len(list(handshakes._courses.remembered)) < 20
    assert handshakes.result(None)["completeness"] == {"31": 1}


def test_a_listed_handshake_takes_no_more_memory_than_its_record(tmp_path: Path) -> None:
    """Thousands may be listed: what they are made of is freed meanwhile, and options that many have are there once."""
    path = tmp_path / "some.pcap"
    count = 2000
    path.write_bytes(files.pcap([packet for number in range(count) for packet in files.completed(number / 100, port=20000 + number)]))
    tracemalloc.start()
    try:
        listed = observe(str(path), Wanted(limit=count))["handshakes"]
        gc.collect()
        size, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(listed) == count
    assert listed[0]["client_options"] is listed[-1]["client_options"]
    assert peak < 1.4 * size
