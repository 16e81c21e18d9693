# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures in every format, cut and damaged, and what they say of handshakes; held against tshark."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._capture.handshakes import MOST_OPEN, observe
from ansible_collections.threeway.handshake.plugins.module_utils._capture.selected import select
from ansible_collections.threeway.handshake.plugins.module_utils._capture.source import CaptureError, Source
from ansible_collections.threeway.handshake.plugins.module_utils._capture.wanted import Wanted
from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._work.captures import observe as work
from tests.unit.plugins.module_utils._capture import files, same, tshark

needs_tshark = pytest.mark.skipif(not (shutil.which("tshark") and shutil.which("editcap")), reason="tshark and editcap are not installed")
TAGS = bytes.fromhex("88a80064 8100000a".replace(" ", ""))


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def one(content: bytes, **wanted: Any) -> dict[str, Any]:
        path = tmp_path / "some.pcap"
        path.write_bytes(content)
        return observe(str(path), Wanted(**wanted))

    return one


def by_outcome(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["outcome"]: each for each in answer["handshakes"]}


def test_each_outcome_is_told_in_the_terms_of_zeek_and_wireshark(read: Any) -> None:
    answer = read(files.pcap(files.everything()))
    assert answer["counts"] == files.OUTCOMES and answer["notes"] == [] and answer["packets"] == 22
    told = {outcome: (each["history"], each["conn_state"], each["completeness"]) for outcome, each in by_outcome(answer).items()}
    assert told == {
        "completed": ("ShADFf", "SF", 31),
        "refused": ("Sr", "REJ", 37),
        "unanswered": ("S", "S0", 1),
        "unacknowledged": ("Sh", "S1", 3),
        "icmp_error": ("S", "S0", 1),
    }
    assert "secret" not in repr(answer)


def test_what_one_capture_can_tell_of_a_loss(read: Any) -> None:
    found = by_outcome(read(files.pcap(files.everything())))
    assert found["unanswered"]["lost"] == {"packets": ["syn", "syn_ack"], "side": "server"}
    assert found["unanswered"]["syn_intervals_ms"] == [1000.0, 2000.0]
    assert found["unacknowledged"]["lost"] == {"packets": ["syn_ack"], "side": "client"}
    assert found["completed"]["lost"] is None
    again = [*files.completed()[:3], (1.0, files.completed()[1][1])]
    assert read(files.pcap(again))["handshakes"][0]["lost"] == {"packets": ["ack"], "side": "server"}


def test_round_trips_options_bytes_and_errors(read: Any) -> None:
    found = by_outcome(read(files.pcap(files.everything())))
    whole = found["completed"]
    assert (whole["syn_to_syn_ack_ms"], whole["syn_ack_to_ack_ms"]) == (20.0, 1.0)
    assert (whole["client_bytes"], whole["server_bytes"]) == (6, 10)
    assert whole["client_options"]["mss"] == 1460 and whole["server_options"]["window_scale"] == 7
    assert found["icmp_error"]["icmp"] == [{"from": "192.0.2.1", "type": 3, "code": 13, "mtu": None}]
    assert found["refused"]["reset"] == {"from": "server", "ttl": 60, "other_ttl": None}


def test_a_reset_that_answers_another_syn_refuses_nothing(read: Any) -> None:
    stray = [(0.0, files.segment(files.SYN, seq=1)), (0.1, files.segment(files.RST | files.ACK, seq=0, ack=999, back=True))]
    assert read(files.pcap([*stray, (5.0, files.segment(files.ACK, seq=1, port=9))]))["counts"]["unanswered"] == 1


def test_a_syn_at_the_end_of_the_capture_is_not_unanswered(read: Any) -> None:
    answer = read(files.pcap(files.unanswered(times=[0.0])))
    assert answer["counts"]["cut_off"] == 1 and answer["handshakes"][0]["lost"] is None


def test_ports_that_are_used_again_are_handshakes_of_their_own(read: Any) -> None:
    second = [(5.0, files.segment(files.SYN, seq=77))]
    answer = read(files.pcap([*files.completed(), *second]))
    assert [each["isn"] for each in answer["handshakes"]] == [1000, 77]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_byte_orders_and_resolutions(read: Any, order: str, nano: bool) -> None:
    answer = read(files.pcap(files.everything(), order=order, nano=nano))
    assert answer["counts"] == files.OUTCOMES
    assert (answer["begins"], answer["ends"]) == (files.BEGIN, files.BEGIN + 9)


@pytest.mark.parametrize(
    ("link", "header"),
    [
        (1, None),
        (1, TAGS),
        (101, b""),
        (228, b""),
        (0, b"\x02\0\0\0"),
        (108, b"\0\0\0\x02"),
        (113, bytes.fromhex("0000000100060200000000010000") + b"\x08\0"),
        (276, b"\x08\0" + bytes.fromhex("0000000000020001 0006 0200000000010000".replace(" ", ""))),
    ],
)
def test_link_types(read: Any, link: int, header: bytes | None) -> None:
    packets = files.everything()
    if header == TAGS:
        packets = [(time, files.ethernet(packet, TAGS)) for time, packet in packets]
    elif header:
        packets = [(time, header + packet) for time, packet in packets]
    assert read(files.pcap(packets, link=link))["counts"] == files.OUTCOMES


def test_ipv6(read: Any) -> None:
    packets = files.completed(ends=(files.CLIENT6, files.SERVER6))
    answer = read(files.pcap(packets))
    assert answer["handshakes"][0]["client"] == files.CLIENT6 and answer["handshakes"][0]["completeness"] == 31


@pytest.mark.parametrize("link", [105, 127, 195])
def test_other_links_are_refused_with_a_sentence(read: Any, link: int) -> None:
    with pytest.raises(CaptureError, match=rf"some.pcap: link type {link} is .*: "):
        read(files.pcap([], link=link))


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "the file is empty"), (b"\x7fELF" + bytes(99), "neither pcap nor pcapng"), (b"\x1f\x8b", "gzip")]
)
def test_what_is_no_capture(read: Any, content: bytes, says: str) -> None:
    with pytest.raises(CaptureError, match=says):
        read(content)


def test_a_file_that_is_cut_off_gives_what_is_before(read: Any) -> None:
    whole = files.pcap(files.everything())
    answer = read(whole[:-5])
    assert answer["packets"] == 21 and answer["notes"] == ["the last packet of the file is cut off: 5 bytes are missing"]
    packed = read(gzip.compress(whole)[:-40])
    assert any("gzip compression is cut off" in note for note in packed["notes"])


def test_gzip_of_several_members(read: Any) -> None:
    whole = files.pcap(files.everything())
    assert read(gzip.compress(whole[:300]) + gzip.compress(whole[300:]))["counts"] == files.OUTCOMES


def test_snap_length_that_leaves_the_headers(read: Any) -> None:
    assert read(files.pcap(files.everything(), snap=74))["counts"] == files.OUTCOMES


def test_filters_and_the_limit(read: Any) -> None:
    whole = files.pcap(files.everything())
    assert sum(read(whole, port=5432)["counts"].values()) == 5 and sum(read(whole, port=80)["counts"].values()) == 0
    few = read(whole, limit=2, failed=True)
    assert [each["outcome"] for each in few["handshakes"]] == ["refused", "unanswered"] and few["unlisted"] == 3
    assert sum(read(whole, since=files.BEGIN + 0.15, until=files.BEGIN + 0.35)["counts"].values()) == 2


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("client", "web", "give an IP address"),
        ("port", 70000, "from 1 to 65535"),
        ("since", "noon", "seconds since"),
        ("since", "nan", "seconds since"),
        ("limit", -1, "limit is -1"),
    ],
)
def test_options_that_cannot_be(option: str, value: object, says: str) -> None:
    options = {**dict.fromkeys(("client", "server", "port", "since", "until")), "path": "/dev/null", "failed": False, "limit": 100}
    with pytest.raises(ObserveError, match=says):
        work({**options, option: value})


def test_a_time_must_begin_before_it_ends() -> None:
    options = {**dict.fromkeys(("client", "server", "port")), "path": "/dev/null", "failed": False, "limit": 100}
    with pytest.raises(ObserveError, match="since is 2, and until is 1"):
        work({**options, "since": "2", "until": "1"})


def test_what_is_not_a_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(CaptureError, match="fifo is not a regular file"):
        Source(str(tmp_path / "fifo"))


def section(name: bytes, packet: bytes, ticks: int, options: bytes = b"") -> bytes:
    """A section of pcapng with an interface of raw IP and one packet there."""
    interface = struct.pack("<HHI", 101, 0, 0) + struct.pack("<HH", 2, len(name)) + name + bytes(-len(name) % 4) + options
    heading = struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), len(packet))
    return (
        files.block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + files.block(1, interface) + files.block(6, heading + packet)
    )


def test_a_packet_belongs_to_the_interface_of_its_own_section(tmp_path: Path) -> None:
    path = tmp_path / "some.pcapng"
    syn = files.segment(files.SYN, seq=1)
    path.write_bytes(section(b"eth0", syn, 10**6) + section(b"eth1", files.segment(files.SYN, seq=1, port=40002), 2 * 10**6))
    found = select(str(path), [5432], [])
    assert [found.interfaces[frame.ifindex] for frame in found.frames] == ["eth0", "eth1"]


def test_frames_of_odd_files_can_be_kept(tmp_path: Path) -> None:
    """A packet type that Linux does not have, and a time that is none."""
    path = tmp_path / "some.pcap"
    syn = files.segment(files.SYN, seq=1)
    cooked = struct.pack("!HHH8sH", 0x1234, 1, 6, bytes(8), 0x0800) + syn
    path.write_bytes(files.pcap([(0.0, cooked)], link=113))
    found = select(str(path), [5432], [])
    assert [frame.pkttype for frame in found.frames] == [-1] and found.notes == []
    seconds = struct.pack("<HHB3x", 9, 1, 0)
    path.write_bytes(section(b"eth0", syn, 1 << 63, seconds))
    found = select(str(path), [5432], [])
    assert found.frames == [] and found.notes == ["packets with impossible times are left out"]


def test_more_handshakes_than_are_followed_at_a_time(read: Any) -> None:
    flood = [(number / 1e5, files.segment(files.SYN, seq=number, port=number % 60000 + 1)) for number in range(MOST_OPEN + 2000)]
    answer = read(files.pcap([*flood, (9.0, files.segment(files.ACK, seq=1, port=60001))]))
    assert sum(answer["counts"].values()) == MOST_OPEN + 2000 and "were judged early" in answer["notes"][0]


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_never_end_in_anything_but_a_sentence(tmp_path: Path, seed: int) -> None:
    """Bytes changed, taken out, put in and exchanged, in pcap and pcapng."""
    luck = random.Random(seed)
    path = tmp_path / "damaged"
    originals = [files.pcap(files.everything()), files.pcap(files.everything(), link=101, order=">", nano=True)]
    if shutil.which("editcap"):
        plain = tmp_path / "plain.pcap"
        plain.write_bytes(originals[0])
        subprocess.run(["editcap", "-F", "pcapng", str(plain), str(tmp_path / "plain.pcapng")], check=True)
        originals.append((tmp_path / "plain.pcapng").read_bytes())
    for _turn in range(150):
        content = bytearray(luck.choice(originals))
        for _change in range(luck.choice((1, 1, 2, 8))):
            at, width = luck.randrange(len(content)), luck.choice((1, 4, 60))
            noise = bytes(luck.randrange(256) for _byte in range(width))
            noise = bytes(luck.randrange(256) for _byte in range(width))
            content[at : at + width] = luck.choice((noise, b"", bytes(width), b"\xff" * width, content[:width]))
        path.write_bytes(bytes(content[: luck.randrange(len(content) + 1)] if luck.random() < 0.3 else content))
        try:
            observe(str(path), Wanted())
        except CaptureError as error:
            assert str(path) in str(error)


def test_one_handshake_of_very_many_packets(read: Any) -> None:
    again = [(number / 100, files.segment(files.SYN, seq=7)) for number in range(500)]
    end = [(6.0, files.segment(files.SYN | files.ACK, seq=1, ack=8, back=True)), (6.1, files.segment(files.ACK, seq=8, ack=2))]
    answer = read(files.pcap([*again, *end, (9.0, files.segment(files.ACK, seq=1, port=9))]))
    assert answer["counts"]["completed"] == 1 and answer["handshakes"][0]["history"] == "ShA"


def test_a_time_that_cannot_be_is_no_reason_to_stop(read: Any) -> None:
    """As tcpdump and tshark have it: records with more than 999,999 microseconds are in use."""
    whole = bytearray(files.pcap(files.everything()))
    whole[28:32] = b"\xff\xff\xff\x7f"
    assert read(bytes(whole))["packets"] == 22


def test_reordered_packets_are_the_same_handshakes(read: Any) -> None:
    packets = files.everything()
    random.Random(1).shuffle(packets)
    answer = read(files.pcap(packets))
    assert len({(each["client_port"], each["isn"]) for each in answer["handshakes"]}) == 5


@needs_tshark
@pytest.mark.parametrize("form", ["pcap", "nsecpcap", "pcapng", "modpcap"])
def test_the_formats_of_editcap(tmp_path: Path, form: str) -> None:
    plain, other = tmp_path / "plain.pcap", tmp_path / "other"
    plain.write_bytes(files.pcap(files.everything()))
    subprocess.run(["editcap", "-F", form, str(plain), str(other)], check=True)
    answer = observe(str(other), Wanted())
    assert answer["counts"] == files.OUTCOMES and answer["notes"] == []
    assert (
        tshark.counted(other) == tshark.counted_by_tshark(other) == {"syn": 9, "syn_ack": 4, "rst": 1, "syn again": 4, "syn_ack again": 2}
    )


@needs_tshark
def test_several_interfaces_and_sections(tmp_path: Path) -> None:
    wire, raw, merged = tmp_path / "wire.pcap", tmp_path / "raw.pcap", tmp_path / "merged.pcapng"
    wire.write_bytes(files.pcap(files.completed()))
    raw.write_bytes(files.pcap(files.refused(), link=101))
    subprocess.run(["mergecap", "-F", "pcapng", "-w", str(merged), str(wire), str(raw)], check=True)
    merged.write_bytes(merged.read_bytes() * 2)
    answer = observe(str(merged), Wanted())
    assert answer["sections"] == 2 and [each["link_type"] for each in answer["interfaces"]] == [1, 101, 1, 101]
    assert answer["packets"] == 20 and answer["retransmissions"] == {"syn": 2, "syn_ack": 1}


@needs_tshark
def test_completeness_and_retransmissions_are_those_of_tshark(tmp_path: Path) -> None:
    path = tmp_path / "some.pcap"
    path.write_bytes(files.pcap(files.everything()))
    rows, content = tshark.fields(path, "tcp.completeness && !icmp", "tcp.srcport", "tcp.dstport", "tcp.completeness")
    theirs = {next(port for port in row[:2] if port != "5432"): int(row[2]) for row in rows if "5432" in row[:2]}
    theirs.pop("50000")
    answer = observe(str(path), Wanted())
    assert content and {str(each["client_port"]): each["completeness"] for each in answer["handshakes"]} == theirs
    again, _content = tshark.fields(path, "tcp.analysis.retransmission && tcp.flags.syn == 1", "tcp.flags.ack")
    assert answer["retransmissions"] == {"syn": sum(row == ["0"] for row in again), "syn_ack": sum(row == ["1"] for row in again)}


CORPUS = os.environ.get("HANDSHAKE_CAPTURES", "")


@pytest.mark.slow
@needs_tshark
@pytest.mark.skipif(not CORPUS, reason="HANDSHAKE_CAPTURES names no directory with captures, see docs/captures.md")
def test_captures_of_other_projects() -> None:
    """Those of Wireshark's and tcpdump's own tests: as many SYNs, SYN-ACKs, RSTs and retransmissions as tshark sees."""
    different = {}
    for path in sorted(each for each in Path(CORPUS).rglob("*") if each.is_file()):
        try:
            ours = tshark.counted(path)
        except CaptureError:
            continue
        same.assert_the_same(path)
        theirs = tshark.counted_by_tshark(path)
        if ours != theirs:
            different[path.name] = (ours, theirs)
    assert different == {}
