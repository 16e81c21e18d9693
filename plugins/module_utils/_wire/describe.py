# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Describe recorded frames as dictionaries and readable lines."""

from __future__ import annotations

from typing import Any, Iterator

from .._errors import DecodeError
from .decode import decode, mac
from .frames import Frame, unpack
from .packet import Icmp, Neighbour, Packet, Tcp, TcpFlags
from .pcapng import CapturedPacket, write

_DIRECTIONS = {0: "in", 1: "in", 2: "in", 3: "passing", 4: "out"}  # linux/if_packet.h
_ICMP_NAMES = {
    (4, 3): "unreachable",
    (4, 11): "time exceeded",
    (4, 12): "parameter problem",
    (6, 1): "unreachable",
    (6, 2): "packet too big",
    (6, 3): "time exceeded",
    (6, 4): "parameter problem",
}


def describe(recording: dict[str, Any]) -> list[dict[str, Any]]:
    """The packets of a recording (`F` of docs/evidence.md), in the order in which they were recorded. Raises DecodeError."""
    return [_describe(frame, recording["interfaces"][str(frame.ifindex)]) for frame in unpack(recording["frames"])]


def capture_file(recording: dict[str, Any], host: str) -> bytes:
    """A recording as a pcapng file: an interface for each one of the host, a comment for each packet. Raises DecodeError."""
    places = {int(index): place for place, index in enumerate(recording["interfaces"])}
    names = [f"{host}:{name}" for name in recording["interfaces"].values()]
    packets = [CapturedPacket(places[frame.ifindex], frame, summary(frame)) for frame in unpack(recording["frames"])]
    return write(names, packets, f"Recorded on {host} by threeway.handshake; headers only")


def summary(frame: Frame) -> str:
    """One line: who says what to whom."""
    try:
        packet = decode(frame.data, frame.ethertype)
    except DecodeError as error:
        return f"cannot be decoded: {error}"
    return " ".join(_words(packet))


def _describe(frame: Frame, interface: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "time": frame.ts_ns / 1e9,
        "interface": interface,
        "direction": _DIRECTIONS.get(frame.pkttype, "passing"),
        "vlan": frame.vlan or None,
        "link_address": mac(frame.lladdr) if any(frame.lladdr) else None,
        "summary": summary(frame),
    }
    try:
        packet = decode(frame.data, frame.ethertype)
    except DecodeError:
        return {**described, "protocol": "unknown"}
    described.update(source=packet.src, destination=packet.dst, protocol="ip")
    if packet.version:
        described.update(ttl=packet.ttl, ip_id=packet.ip_id)
    if packet.tcp:
        described.update(protocol="tcp", **_tcp(packet.tcp))
    elif packet.icmp:
        described.update(protocol="icmp", **_icmp(packet.icmp))
    elif packet.neighbour:
        described.update(protocol="neighbour", operation=packet.neighbour.operation)
    return described


def _tcp(tcp: Tcp) -> dict[str, Any]:
    options = tcp.options
    return {
        "source_port": tcp.sport,
        "destination_port": tcp.dport,
        "flags": TcpFlags.names(tcp.flags),
        "seq": tcp.seq,
        "ack": tcp.ack,
        "window": tcp.window,
        "payload_length": tcp.payload_length,
        "mss": options.mss,
        "wscale": options.wscale,
        "sack_permitted": options.sack_permitted,
        "timestamps": list(options.timestamps) if options.timestamps else None,
        "options": list(options.kinds),
    }


def _icmp(icmp: Icmp) -> dict[str, Any]:
    quote = icmp.quote
    described: dict[str, Any] = {"type": icmp.type, "code": icmp.code, "mtu": icmp.mtu, "quoted": None}
    if quote:
        described["quoted"] = {
            "source": quote.src,
            "source_port": quote.sport,
            "destination": quote.dst,
            "destination_port": quote.dport,
            "seq": quote.seq,
        }
    return described


def _words(packet: Packet) -> Iterator[str]:
    if packet.neighbour:
        yield from _neighbour_words(packet.neighbour)
    elif packet.tcp:
        tcp = packet.tcp
        yield f"{_socket(packet.src, tcp.sport)} > {_socket(packet.dst, tcp.dport)}"
        yield ",".join(TcpFlags.names(tcp.flags)) or "no flags"
        yield f"seq {tcp.seq}"
        if tcp.flags & TcpFlags.ACK:
            yield f"ack {tcp.ack}"
        if tcp.payload_length:
            yield f"length {tcp.payload_length}"
    else:
        yield f"{packet.src} > {packet.dst}"
        if packet.icmp:
            yield from _icmp_words(packet.version, packet.icmp)
        else:
            yield f"protocol {packet.protocol}"


def _neighbour_words(neighbour: Neighbour) -> Iterator[str]:
    if neighbour.operation == "request":
        yield f"{neighbour.sender} asks who has {neighbour.target}"
    else:
        yield f"{neighbour.sender} is at {neighbour.sender_mac or 'an address that it does not contain'}"


def _icmp_words(version: int, icmp: Icmp) -> Iterator[str]:
    yield f"ICMP {_ICMP_NAMES.get((version, icmp.type), f'type {icmp.type}')}, code {icmp.code}"
    if icmp.mtu:
        yield f"(mtu {icmp.mtu})"
    if icmp.quote:
        yield f"about {_socket(icmp.quote.src, icmp.quote.sport)} > {_socket(icmp.quote.dst, icmp.quote.dport)}"


def _socket(address: str, port: int | None) -> str:
    name = f"[{address}]" if ":" in address else address
    return name if port is None else f"{name}:{port}"
