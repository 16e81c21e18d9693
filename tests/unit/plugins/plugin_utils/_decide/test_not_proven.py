# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence that is like that of a proven cause, and proves nothing: recordings changed by hand."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterable
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import TCP
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

SYN, SYN_ACK, RST = 2, 18, 4


def causes(plan: Any, found: Phases) -> list[tuple[str, str, str]]:
    """(code, host, certainty) for the first flow, the first one first; nothing in the evidence may make the collection stumble."""
    flow, *_others = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    said = (*flow["not_observed"], *flow["undecided"])
    assert not [sentence for sentence in said if "fault of the collection" in sentence], said
    return [(cause["code"], cause["host"], cause["certainty"]) for cause in flow["causes"]]


def evidence(found: Phases, host: str, phase: str) -> dict[str, Any]:
    answer: dict[str, Any] = found[host][phase]["evidence"]
    return answer


def flags(frame: Frame) -> int | None:
    tcp = decode(frame.data, frame.ethertype).tcp
    return None if tcp is None else int(tcp.flags)


def frames(recording: dict[str, Any], change: Callable[[list[Frame]], Iterable[Frame]]) -> None:
    recording["frames"] = pack(sorted(change(unpack(recording["frames"])), key=lambda frame: frame.ts_ns))


def moved(frame: Frame, seconds: float, **fields: Any) -> Frame:
    return frame._replace(ts_ns=frame.ts_ns + int(seconds * 1e9), **fields)


def test_a_full_tracking_table_that_drops_others_too() -> None:
    plan, found = recorded("conntrack_full")
    evidence(found, "db1", "close")["after"]["conntrack"]["stats"]["drop"] += 5000
    assert ("conntrack_full", "db1", "proven") not in causes(plan, found)


def test_answers_that_were_lost_before_one_came_too_late() -> None:
    """The way takes 0.1 s; of four SYN-ACKs the last one arrives."""
    plan, found = recorded("syn_retries_too_low")
    there, here = evidence(found, "db1", "close")["recording"], evidence(found, "web1", "try")["recording"]
    frames(there, lambda all_: [moved(frame, -1.65) for frame in all_ if flags(frame) != RST])
    last = {decode(frame.data, frame.ethertype).tcp.dport: frame for frame in unpack(there["frames"]) if flags(frame) == SYN_ACK}  # type: ignore[union-attr]
    index = next(frame.ifindex for frame in unpack(here["frames"]) if flags(frame) == SYN_ACK)
    arrived = [moved(frame, 0.05, pkttype=0, ifindex=index) for frame in last.values()]
    frames(here, lambda all_: [*(frame for frame in all_ if flags(frame) not in (SYN_ACK, RST)), *arrived])
    assert ("syn_retries_too_low", "web1", "likely") in causes(plan, found)


def test_an_answer_to_a_wrong_link_address_where_no_syn_was_recorded() -> None:
    plan, found = recorded("path_drop.syn-ack")
    there, here = evidence(found, "db1", "close")["recording"], evidence(found, "web1", "try")["recording"]
    index = unpack(here["frames"])[0].ifindex
    answers = [moved(frame, 0.4, pkttype=3, ifindex=index) for frame in unpack(there["frames"]) if flags(frame) == SYN_ACK]
    frames(there, lambda all_: [frame for frame in all_ if flags(frame) != SYN])
    frames(here, lambda all_: [*all_, *(frame for frame in answers if frame.ts_ns / 1e9 < here["to"])])
    assert not [cause for cause in causes(plan, found) if cause[2] == "proven"]


def test_a_server_that_answers_got_the_syn_that_its_recording_lacks() -> None:
    plan, found = recorded("application_closes")
    frames(evidence(found, "db1", "close")["recording"], lambda all_: [frame for frame in all_ if flags(frame) != SYN])
    assert [code for code, _host, _certainty in causes(plan, found)] == ["application_closes"]


def test_a_neighbour_entry_for_an_address_that_the_router_translates() -> None:
    """What is for 10.0.2.100 leaves for 10.0.2.22, of which the router has the right link address."""
    plan, found = recorded("neighbour_wrong.learned-at-router")
    target = ipaddress.ip_address("10.0.2.22").packed

    def translated(frame: Frame) -> Frame:
        leaves = frame.pkttype == 4 and flags(frame) == SYN
        return frame._replace(data=frame.data[:16] + target + frame.data[20:]) if leaves else frame

    frames(evidence(found, "r1", "close")["recording"], lambda all_: map(translated, all_))
    assert "neighbour_wrong" not in [code for code, _host, _certainty in causes(plan, found)]


def test_a_backlog_that_the_syn_did_not_come_to() -> None:
    plan, found = recorded("firewall_drop.router-syn.uncounted")
    evidence(found, "db1", "close")["after"]["counters"]["Softnet"]["dropped"] += 500
    assert "softirq_drop" not in [code for code, _host, _certainty in causes(plan, found)]


def test_a_backlog_whose_count_fell() -> None:
    plan, found = recorded("softirq_drop")
    before = evidence(found, "db1", "open")["snapshot"]["counters"]["Softnet"]
    evidence(found, "db1", "close")["after"]["counters"]["Softnet"]["dropped"] = before["dropped"] - 7
    assert "softirq_drop" not in [code for code, _host, _certainty in causes(plan, found)]


def checksums(found: Phases, counted_by: str, change: Callable[[bytearray], None]) -> None:
    """SYNs changed as the server recorded them, and which of its counters has counted them."""
    recording = evidence(found, "db1", "close")["recording"]

    def changed(frame: Frame) -> Frame:
        if flags(frame) != SYN:
            return frame
        data = bytearray(frame.data)
        change(data)
        return frame._replace(data=bytes(data))

    frames(recording, lambda all_: map(changed, all_))
    before, after = (evidence(found, "db1", phase)[part]["counters"] for phase, part in (("open", "snapshot"), ("close", "after")))
    delta = after["Tcp"]["InCsumErrors"] - before["Tcp"]["InCsumErrors"]
    after["Tcp"]["InCsumErrors"] -= delta
    after[counted_by]["InCsumErrors"] = before[counted_by].get("InCsumErrors", 0) + delta


def right(data: bytearray) -> None:
    """Give a segment over IPv4 the checksum that it should have."""
    data[36:38] = b"\0\0"
    whole = bytes(data[12:20]) + struct.pack("!HH", TCP, len(data) - 20) + bytes(data[20:])
    total = sum(struct.unpack(f"!{len(whole) // 2}H", whole))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    data[36:38] = struct.pack("!H", 0xFFFF - total)
    assert ipaddress.ip_address(bytes(data[16:20])) == ipaddress.ip_address("10.0.2.21")


def test_the_checksum_of_the_ip_header() -> None:
    plan, found = recorded("bad_checksum")

    def spoil(data: bytearray) -> None:
        right(data)
        data[10] ^= 0x55

    checksums(found, "IpExt", spoil)
    assert causes(plan, found)[0] == ("bad_checksum", "db1", "proven")


def test_a_wrong_segment_that_tcp_did_not_count() -> None:
    plan, found = recorded("bad_checksum")
    checksums(found, "IpExt", lambda data: None)
    assert "bad_checksum" not in [code for code, _host, _certainty in causes(plan, found)]


def test_a_right_segment_that_tcp_may_have_counted() -> None:
    plan, found = recorded("bad_checksum")
    checksums(found, "Tcp", right)
    assert "bad_checksum" not in [code for code, _host, _certainty in causes(plan, found)]


def test_an_interface_without_carrier_has_not_taken_the_default_route_with_it() -> None:
    plan, found = recorded("link_down.administratively")
    for part in ("before", "after"):
        for link in evidence(found, "web1", "try")[part]["links"]:
            if link["name"] == "eth0":
                link.update(up=True, carrier=False, operstate="down")
    assert [cause for cause in causes(plan, found) if cause[0] == "link_down"] == [("link_down", "web1", "possible")]


def test_an_interface_that_is_switched_off_beside_another_one_is_named() -> None:
    plan, found = recorded("link_down.administratively")
    for part in ("before", "after"):
        snapshot = evidence(found, "web1", "try")[part]
        snapshot["links"].append({**snapshot["links"][-1], "index": 99, "name": "mgmt0", "up": True, "carrier": True, "operstate": "up"})
        snapshot["addresses"].append({**snapshot["addresses"][-1], "interface": "mgmt0", "address": "192.168.7.11", "prefix": 24})
    assert ("link_down", "web1", "possible") in causes(plan, found)


def test_an_unused_bridge_has_taken_no_route_with_it() -> None:
    plan, found = recorded("link_down.administratively")
    for part in ("before", "after"):
        snapshot = evidence(found, "web1", "try")[part]
        (link,) = (link for link in snapshot["links"] if link["name"] == "eth0")
        link.update(up=True, carrier=True, operstate="up")
        snapshot["links"].append({**link, "index": 98, "name": "docker0", "carrier": False, "operstate": "down"})
        snapshot["addresses"].append({**snapshot["addresses"][-1], "interface": "docker0", "address": "172.17.0.1", "prefix": 16})
    assert "link_down" not in [code for code, _host, _certainty in causes(plan, found)]
