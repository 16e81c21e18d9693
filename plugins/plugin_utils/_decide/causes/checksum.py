# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""server.ingress: a SYN whose checksum is wrong, by the SYN itself as the server recorded it."""

from __future__ import annotations

import ipaddress
import struct
from typing import Literal

from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_IP, TCP, outline

from ..._model.host import Host
from ..._model.recording import Observation
from ..._values.words import plural
from ..case import Case
from ..finding import Certainty, Finding
from .catalogue import Accounts, Cause
from .needs import COUNTERS, SERVER, needs

Checksum = Literal["right", "unfinished", "wrong"]
_CHECKSUM_AT, _ALL_ONES = 16, 0xFFFF


def checksum(seen: Observation) -> Checksum | None:
    """What the TCP checksum of a recorded packet is (RFC 9293, 3.1); None where the recording has not the whole packet.

    An unfinished one covers the addresses alone: the kernel left the rest to the device. Between machines of one host no device computes
    it, and the receiver is informed that it need not be checked.
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


def header_is_right(seen: Observation) -> bool:
    """Whether the checksum of a recorded packet's IPv4 header is right (RFC 791, 3.1); that of IPv6 has none."""
    data = seen.frame.data
    return seen.frame.ethertype != ETH_P_IP or _sum(data[: (data[0] & 0xF) * 4]) == _ALL_ONES


@needs(SERVER, COUNTERS)
def _bad_checksum(case: Case, server: Host, _counters: object) -> Finding | None:
    """IP counts wrong headers, and TCP wrong segments, which are not the same packets."""
    arrived = [seen for row in case.rows("syn") if (seen := row.at(server.name, "in"))]
    if not arrived:
        return None
    by_tcp, by_ip = server.delta("Tcp", "InCsumErrors") or 0, server.delta("IpExt", "InCsumErrors") or 0
    if by_tcp > 0 and (segments := {checksum(seen) for seen in arrived}) != {"right"}:
        return _wrong(case, server, "TCP", by_tcp, segments)
    if by_ip > 0 and not any(map(header_is_right, arrived)):
        return _wrong(case, server, "IP", by_ip, {"wrong"})
    return None


def _wrong(case: Case, server: Host, counted_by: str, delta: int, found: set[Checksum | None]) -> Finding:
    counted = delta >= case.swallowed_at(server)
    certainty: Certainty = "possible" if not counted else "proven" if found == {"wrong"} else "likely"
    said = {
        "wrong": "the checksum of each is wrong",
        "unfinished": "the checksum of each covers the addresses alone, as one that was left to a device",
    }
    return Finding(
        certainty,
        server.name,
        "server.ingress",
        f"{server.name} drops the SYN: its {counted_by} checksum is wrong",
        (
            *case.passage(),
            case.saw(server, f"counter InCsumErrors of {counted_by}", f"+{delta}, {plural(case.arrived, 'SYN')} of this flow came in"),
            *(case.saw(server, "capture", text) for state, text in said.items() if found == {state}),
        ),
    )


CAUSES = (
    Cause(
        "bad_checksum",
        "The SYN's checksum is wrong",
        ("server.ingress",),
        ("unanswered",),
        "The checksum of each SYN that the server recorded is wrong, and InCsumErrors rises by the SYNs: that of TCP for the checksum of "
        "the segment, that of IP for the one of the header. Where the recording does not show it, because the checksum was left to a "
        "device: likely.",
        "The counter does not move, or the checksums are right.",
        rule=_bad_checksum,
        accounts_for=(Accounts("counter", ("Tcp.InCsumErrors", "Tcp.InErrs", "IpExt.InCsumErrors")),),
    ),
)
