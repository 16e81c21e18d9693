# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures written by hand: handshakes of every kind, in pcap of every kind."""

from __future__ import annotations

import ipaddress
import struct
from typing import Iterable, Tuple

CLIENT, SERVER = "192.0.2.11", "192.0.2.21"
CLIENT6, SERVER6 = "2001:db8::11", "2001:db8::21"
BEGIN = 1_763_697_600.0
FIN, SYN, RST, ACK = 1, 2, 4, 16
OPTIONS = bytes.fromhex("020405b40402080a00000001000000000103 0307".replace(" ", ""))
Timed = Tuple[float, bytes]


def segment(
    flags: int,
    *,
    seq: int,
    ack: int = 0,
    back: bool = False,
    port: int = 40001,
    payload: bytes = b"",
    ttl: int = 64,
    ip_id: int = 1,
    ends: tuple[str, str] = (CLIENT, SERVER),
) -> bytes:
    """A packet of the client, or back from the server."""
    options = OPTIONS if flags & SYN else b""
    ports = (5432, port) if back else (port, 5432)
    tcp = struct.pack("!HHIIHHHH", *ports, seq % 2**32, ack % 2**32, (5 + len(options) // 4) << 12 | flags, 64240, 0, 0) + options + payload
    return ip(tcp, 6, back=back, ttl=ttl, ip_id=ip_id, ends=ends)


def ip(
    payload: bytes, protocol: int, *, back: bool = False, ttl: int = 64, ip_id: int = 1, ends: tuple[str, str] = (CLIENT, SERVER)
) -> bytes:
    source, target = (ipaddress.ip_address(end).packed for end in (reversed(ends) if back else ends))
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, ttl) + source + target + payload
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ip_id, 0x4000, ttl, protocol, 0) + source + target + payload


def ethernet(packet: bytes, tags: bytes = b"") -> bytes:
    kind = b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd"
    return bytes.fromhex("020000000001020000000002") + tags + kind + packet


def completed(at: float = 0.0, port: int = 40001, ends: tuple[str, str] = (CLIENT, SERVER)) -> list[Timed]:
    """SYN, SYN-ACK, ACK, data, FINs."""
    words = {"port": port, "ends": ends}
    return [
        (at, segment(SYN, seq=1000, **words)),  # type: ignore[arg-type]
        (at + 0.020, segment(SYN | ACK, seq=9000, ack=1001, back=True, ttl=60, **words)),  # type: ignore[arg-type]
        (at + 0.021, segment(ACK, seq=1001, ack=9001, **words)),  # type: ignore[arg-type]
        (at + 0.022, segment(ACK, seq=1001, ack=9001, payload=b"secret", **words)),  # type: ignore[arg-type]
        (at + 0.040, segment(ACK, seq=9001, ack=1007, back=True, ttl=60, payload=b"secret too", **words)),  # type: ignore[arg-type]
        (at + 0.050, segment(FIN | ACK, seq=1007, ack=9011, **words)),  # type: ignore[arg-type]
        (at + 0.070, segment(FIN | ACK, seq=9011, ack=1008, back=True, ttl=60, **words)),  # type: ignore[arg-type]
        (at + 0.071, segment(ACK, seq=1008, ack=9012, **words)),  # type: ignore[arg-type]
    ]


def refused(at: float = 0.0, port: int = 40002, ttl: int = 60) -> list[Timed]:
    return [
        (at, segment(SYN, seq=2000, port=port)),
        (at + 0.020, segment(RST | ACK, seq=0, ack=2001, port=port, back=True, ttl=ttl)),
    ]


def unanswered(at: float = 0.0, port: int = 40003, times: Iterable[float] = (0.0, 1.0, 3.0)) -> list[Timed]:
    return [(at + time, segment(SYN, seq=3000, port=port, ip_id=100 + number)) for number, time in enumerate(times)]


def unacknowledged(at: float = 0.0, port: int = 40004) -> list[Timed]:
    """The SYN-ACK comes by, the client does not get it."""
    found = []
    for number, time in enumerate((0.0, 1.0, 3.0)):
        found.append((at + time, segment(SYN, seq=4000, port=port, ip_id=200 + number)))
        found.append((at + time + 0.02, segment(SYN | ACK, seq=7000, ack=4001, port=port, back=True, ttl=60, ip_id=300 + number)))
    return found


def rejected(at: float = 0.0, port: int = 40005) -> list[Timed]:
    """An ICMP error, administratively prohibited, by a router."""
    syn = segment(SYN, seq=5000, port=port)
    error = struct.pack("!BBHI", 3, 13, 0, 0) + syn[:28]
    return [(at, syn), (at + 0.01, ip(error, 1, ends=("192.0.2.1", CLIENT)))]


def everything() -> list[Timed]:
    """One of each, interleaved in time."""
    kinds = [
        completed(),
        refused(0.1),
        unanswered(0.2),
        unacknowledged(0.3),
        rejected(0.4),
        [(9.0, segment(ACK, seq=1, ack=2, port=50000))],
    ]
    return sorted((each for kind in kinds for each in kind), key=lambda each: each[0])


OUTCOMES = {"completed": 1, "refused": 1, "unanswered": 1, "unacknowledged": 1, "icmp_error": 1, "aborted": 0, "cut_off": 0, "no_syn": 0}


def pcap(packets: Iterable[Timed], *, link: int = 1, order: str = "<", nano: bool = False, snap: int = 65535) -> bytes:
    """A file; packets get an Ethernet header where the link type is that."""
    unit = 10**9 if nano else 10**6
    found = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snap, link)]
    for time, packet in packets:
        frame = ethernet(packet) if link == 1 and packet[0] >> 4 in (4, 6) else packet
        ticks = round((BEGIN + time) * unit) if not nano else round(BEGIN) * unit + round(time * unit)
        found.append(struct.pack(order + "IIII", ticks // unit, ticks % unit, len(frame[:snap]), len(frame)) + frame[:snap])
    return b"".join(found)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def pcapng(packets: Iterable[Timed], *, link: int = 1, order: str = "<", nano: bool = False, snap: int = 65535) -> bytes:
    """A file with one section and two interfaces; packets are of the second one, and of the first one where their number ends in 7."""
    resolution = struct.pack(order + "HHB3x", 9, 1, 9) if nano else b""
    interface = block(1, struct.pack(order + "HHI", link, 0, snap) + resolution, order)
    found = [block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order), interface, interface]
    for number, (time, packet) in enumerate(packets):
        frame = ethernet(packet) if link == 1 and packet[0] >> 4 in (4, 6) else packet
        ticks = round((BEGIN + time) * 10**6) * (1000 if nano else 1)
        heading = struct.pack(order + "IIIII", number % 10 != 7, ticks >> 32, ticks & 0xFFFFFFFF, len(frame[:snap]), len(frame))
        found.append(block(6, heading + frame[:snap], order))
    return b"".join(found)
