# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.ingress: a SYN whose checksum is wrong, by the SYN itself as the server recorded it."""

from __future__ import annotations

import ipaddress
import struct
from typing import Literal

from ansible_collections.threeway.handshake.plugins.module_utils._headers import TCP, outline
from ansible_collections.threeway.handshake.plugins.plugin_utils._case import Case, Certainty, Finding, Fix, plural
from ansible_collections.threeway.handshake.plugins.plugin_utils._causes._catalogue import Cause
from ansible_collections.threeway.handshake.plugins.plugin_utils._evidence import Sighting

Checksum = Literal["right", "unfinished", "wrong"]
_COUNTERS = (("Tcp", "InCsumErrors"), ("IpExt", "InCsumErrors"))
_CHECKSUM_AT, _ALL_ONES = 16, 0xFFFF


def checksum(seen: Sighting) -> Checksum | None:
    """What the TCP checksum of a recorded packet is (RFC 9293, 3.1); None where the recording has not the whole packet.

    An unfinished one covers the addresses alone: the kernel left the rest to the device. Between machines of one host no device computes
    it, and the receiver is told that it need not be checked.
    """
    packet, data = seen.packet, seen.frame.data
    if packet.tcp is None or packet.tcp.payload_length is None:
        return None
    start = outline(data, seen.frame.ethertype).transport
    length = (data[start + 12] >> 4) * 4 + packet.tcp.payload_length
    segment = data[start : start + length]
    if len(segment) < length:
        return None
    addresses = ipaddress.ip_address(packet.src).packed + ipaddress.ip_address(packet.dst).packed
    pseudo = _sum(addresses + struct.pack("!II", length, TCP))
    (said,) = struct.unpack_from("!H", segment, _CHECKSUM_AT)
    if _sum(segment + bytes(length % 2), pseudo) == _ALL_ONES:
        return "right"
    return "unfinished" if said == pseudo else "wrong"


def _sum(data: bytes, begun: int = 0) -> int:
    """The ones' complement sum of the 16-bit words."""
    total: int = begun + sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > _ALL_ONES:
        total = (total & _ALL_ONES) + (total >> 16)
    return total


def _bad_checksum(case: Case) -> Finding | None:
    server = case.server
    rises = [rise for group, name in _COUNTERS if server and (rise := server.delta(group, name))]
    arrived = [seen for row in case.rows("syn") if server and (seen := row.at(server.name, "in"))]
    found = {checksum(seen) for seen in arrived}
    if server is None or not rises or not arrived or found == {"right"}:
        return None
    counted = max(rises) >= case.swallowed_at(server)
    certainty: Certainty = "possible" if not counted else "proven" if found == {"wrong"} else "likely"
    said = {
        "wrong": "the checksum of each is wrong",
        "unfinished": "the checksum of each covers the addresses alone, as one that was left to a device",
    }
    return Finding(
        certainty,
        server.name,
        "server.ingress",
        f"{server.name} drops the SYN: its checksum is wrong",
        (
            *case.passage(),
            case.saw(server, "counter InCsumErrors", f"+{max(rises)}, {plural(case.arrived, 'SYN')} of this flow came in"),
            *(case.saw(server, "capture", text) for state, text in said.items() if found == {state}),
        ),
        fix=Fix(
            "advice",
            server.name,
            "look for broken checksum offload on the way (ethtool -K IF tx off rx off), tunnels and virtual switches",
            "advice",
        ),
    )


CAUSES = (
    Cause(
        "bad_checksum",
        "The SYN's checksum is wrong",
        ("server.ingress",),
        ("unanswered",),
        "The checksum of each SYN that the server recorded is wrong, and InCsumErrors rises by the SYNs. Where the recording does not "
        "tell, for the checksum was left to a device: likely.",
        "The counter does not move, or the checksums are right.",
        _bad_checksum,
    ),
)
