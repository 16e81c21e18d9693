# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find out how far SYN-ACKs get: those of half-open connections once more, from raw sockets, with a rising TTL.

To whatever is on the way they are retransmissions. Each carries its TTL where an ICMP error quotes it: IPv4 in the identification, IPv6,
which has none, in TCP's window.
"""

from __future__ import annotations

import select
import socket
import struct
import time
import typing as t

from .._wire.checksum import checksum
from .._wire.decode import decode
from .._wire.frames import unpack
from . import rising_ttl

MOST_ENDS = 4
_OUTGOING = 4  # linux/if_packet.h PACKET_OUTGOING
_IPV6_HDRINCL = 36  # linux/in6.h
_MARK = 0x7A00  # the TTL is in its low byte
_SYN_ACK = 0x12
_IPV4, _IPV6, _TCP = struct.Struct("!BBHHHBBH4s4s"), struct.Struct("!IHBB16s16s"), struct.Struct("!HHIIBBHHH")


class HalfOpen(t.NamedTuple):
    """A SYN-ACK that nobody acknowledged: from whom to whom, and its numbers."""

    local: str
    local_port: int
    remote: str
    remote_port: int
    seq: int
    ack: int

    @property
    def family(self) -> int:
        return socket.AF_INET6 if ":" in self.remote else socket.AF_INET


def half_open(snapshot: t.Mapping[str, t.Any], recording: t.Mapping[str, t.Any]) -> list[HalfOpen]:
    """One for each client that has half-open connections in the snapshot whose SYN-ACKs are recorded. Raises DecodeError."""
    waiting = {
        (each["local"], each["local_port"], each["remote"], each["remote_port"])
        for each in snapshot.get("sockets") or ()
        if each["state"] == "SYN_RECV"
    }
    found: dict[tuple[str, int, str], HalfOpen] = {}
    for frame in unpack(recording["frames"]) if waiting else ():
        packet = decode(frame.data, frame.ethertype) if frame.pkttype == _OUTGOING else None
        tcp = packet.tcp if packet else None
        if packet is None or tcp is None or not tcp.is_syn_ack:
            continue
        end = (packet.src, tcp.sport, packet.dst, tcp.dport)
        if end in waiting:
            found[end[:3]] = HalfOpen(*end, seq=tcp.seq, ack=tcp.ack)
    return list(found.values())[:MOST_ENDS]


def locate_back(ends: t.Sequence[HalfOpen]) -> list[dict[str, t.Any]]:
    """H of docs/evidence.md for each SYN-ACK that was sent. OSError where raw sockets are not permitted, or nothing may be sent."""
    found: list[dict[str, t.Any]] = []
    for family in sorted({end.family for end in ends}):
        found += _locate_back(family, [end for end in ends if end.family == family])
    return found


def _locate_back(family: int, ends: list[HalfOpen]) -> list[dict[str, t.Any]]:
    icmp = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    sent: list[rising_ttl.Step] = []
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as out, socket.socket(family, socket.SOCK_RAW, icmp) as errors:
        if family == socket.AF_INET6:
            out.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)

        def send(end: HalfOpen, ttl: int) -> rising_ttl.Step:
            out.sendto(packet_of(end, ttl), (end.remote, 0))
            sent.append(rising_ttl.Step(end, ttl))
            return sent[-1]

        rising_ttl.ask(ends, send, lambda until, deadline: _take_in(errors, family, sent, until, deadline))
    return [_record(step) for step in sent]


def _record(step: rising_ttl.Step) -> dict[str, t.Any]:
    return {
        "address": step.end.remote,
        "port": step.end.remote_port,
        "ttl": step.ttl,
        "local_port": step.end.local_port,
        "answer": step.answer,
        "offender": step.offender,
        "rtt_ms": None,
    }


def _take_in(
    errors: socket.socket, family: int, sent: t.Sequence[rising_ttl.Step], until: t.Sequence[rising_ttl.Step], deadline: float
) -> None:
    """Read ICMP errors, until all of `until` have theirs or the deadline is over."""
    while any(step.answer == "none" for step in until):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([errors], [], [], left)[0]:
            return
        data, sender = errors.recvfrom(2048)
        if family == socket.AF_INET:
            data = data[(data[0] & 15) * 4 :]
        answer = rising_ttl.ICMP_ANSWERS[family].get(data[0] if data else -1, "none")
        quoted = quote(family, data[8:])
        for step in sent:
            if step.answer == "none" and (step.end.remote, step.end.remote_port, step.end.local_port, step.ttl) == quoted:
                step.answer, step.offender = answer, sender[0]
                break


def quote(family: int, data: bytes) -> tuple[str, int, int, int] | None:
    """(remote address, its port, our port, TTL) of the SYN-ACK that an ICMP error quotes; None if it is none of ours, or cut too short."""
    try:
        if family == socket.AF_INET:
            mark, remote, start = _IPV4.unpack_from(data)[3], data[16:20], (data[0] & 15) * 4
        else:
            remote, start = data[24:40], _IPV6.size
            mark = _TCP.unpack_from(data, start)[6]
        local_port, remote_port = struct.unpack_from("!HH", data, start)
        if mark & 0xFF00 != _MARK:
            return None
        return socket.inet_ntop(family, remote), remote_port, local_port, mark & 0xFF
    except (struct.error, ValueError):
        return None


def packet_of(end: HalfOpen, ttl: int) -> bytes:
    """The whole IP packet as it is sent."""
    source, target = (socket.inet_pton(end.family, address) for address in (end.local, end.remote))
    window = _MARK | ttl if end.family == socket.AF_INET6 else 64240
    fields = [end.local_port, end.remote_port, end.seq, end.ack, 5 << 4, _SYN_ACK, window, 0, 0]
    length = struct.pack("!II", _TCP.size, socket.IPPROTO_TCP)
    fields[7] = checksum(source + target + length + _TCP.pack(*fields))
    if end.family == socket.AF_INET6:
        return _IPV6.pack(6 << 28, _TCP.size, socket.IPPROTO_TCP, ttl, source, target) + _TCP.pack(*fields)
    dont_fragment = 0x4000
    header = _IPV4.pack(0x45, 0, _IPV4.size + _TCP.size, _MARK | ttl, dont_fragment, ttl, socket.IPPROTO_TCP, 0, source, target)
    return header + _TCP.pack(*fields)  # the kernel adds the header's checksum
