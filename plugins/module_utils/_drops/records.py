# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Flows in the form that the program looks up, and the records that it writes. Pure functions over bytes, all little-endian."""

from __future__ import annotations

import ipaddress
import struct
import typing as t

from .._errors import DecodeError
from .._wire.headers import TCP, outline

DROP, RESET, SYN_ACK_AGAIN = 0, 1, 2
KINDS = {DROP: "drop", RESET: "reset", SYN_ACK_AGAIN: "syn_ack_again"}
TO_SERVER, FROM_SERVER, ANY_PORT = 0, 1, 2  # where in a packet the port of a key stands
FIN, SYN = 1, 2
KEY_SIZE = 36
PACKET = 128  # bytes of a packet at most: headers of IPv4 and TCP have up to 120
FRAMES, SKIPPED_FRAMES = 12, 2  # functions on the stack; the first ones are the program and what runs it

_KEY = struct.Struct("=16s16s2sH")
_FIELDS = {  # name: format; each begins at a multiple of 8 bytes
    "time": "Q",
    "location": "Q",
    "reason": "Ixxxx",
    "cgroup": "Q",
    "namespace": "Ixxxx",
    "interface": "Ixxxx",
    "protocol": "2s6x",
    "kind": "Q",
    "addresses": "16s16s",
    "ports": "2s2s4x",
    "stack_length": "q",
    "stack": f"{8 * FRAMES}s",
    "length": "Q",
    "packet": f"{PACKET}s",
}
PLACES: dict[str, int] = {}
SIZE = 0
for _name, _format in _FIELDS.items():
    PLACES[_name] = SIZE
    SIZE += struct.calcsize("=" + _format)
_RECORD = struct.Struct("=" + "".join(_FIELDS.values()))
_FRAMES = struct.Struct(f"={FRAMES}Q")
_TCP_BEGINNING, _TCP_FLAGS = 8, 13  # ports and the sequence number; the place of the flags


class Flow(t.NamedTuple):
    """Handshakes as this host sees them. Addresses are text; `client` None: of anybody."""

    client: str | None
    server: str
    port: int


class Segment(t.NamedTuple):
    """What is known of a packet."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    flags: int | None = None  # None: there was no header to look into
    sequence: int | None = None


class Raw(t.NamedTuple):
    """A record whose addresses of code are not named yet."""

    kind: int
    time_ns: int  # of the monotonic clock
    reason: int
    location: int  # 0: the tracepoint has none
    stack: tuple[int, ...]
    namespace: int  # 0: not known
    interface: int
    cgroup: int
    segment: Segment

    def code(self) -> tuple[int, ...]:
        """Addresses in the function that did it, and in those that called it."""
        if self.location in self.stack:
            return self.stack[self.stack.index(self.location) :]
        return (self.location, *self.stack) if self.location else self.stack


def keys(flow: Flow) -> t.Iterator[bytes]:
    """The keys of the packets of a flow in either direction. ValueError for addresses or a port that are none."""
    client, server = bytes(16) if flow.client is None else _packed(flow.client), _packed(flow.server)
    port = struct.pack("!H", flow.port) if 0 < flow.port < 1 << 16 else None
    if port is None:
        raise ValueError(f"{flow.port} is no port")
    yield _KEY.pack(client, server, port, TO_SERVER)
    yield _KEY.pack(server, client, port, FROM_SERVER)
    yield _KEY.pack(client, server, bytes(2), ANY_PORT)
    yield _KEY.pack(server, client, bytes(2), ANY_PORT)


def decode(record: bytes) -> Raw | None:
    """A record; None for a packet whose ports cannot be read, or that is no handshake's. DecodeError for what is no record."""
    if len(record) < _RECORD.size:
        raise DecodeError(f"a record of a drop has {_RECORD.size} bytes, this one has {len(record)}")
    time_ns, location, reason, cgroup, namespace, interface, protocol, kind, *ends, stacked, stack, length, packet = _RECORD.unpack_from(
        record
    )
    if kind not in KINDS or length > PACKET:
        raise DecodeError(f"a record of kind {kind} with {length} bytes of a packet is none of ours")
    ethertype = int.from_bytes(protocol, "big")
    segment = _of_packet(packet[:length], ethertype) if ethertype else _of_socket(*ends)
    if segment is None:
        return None
    frames = _FRAMES.unpack(stack)[: max(0, min(stacked // 8, FRAMES))]
    return Raw(
        kind=kind,
        time_ns=time_ns,
        reason=reason,
        location=location,
        stack=frames,
        namespace=namespace,
        interface=interface,
        cgroup=cgroup,
        segment=segment,
    )


def _of_socket(source: bytes, destination: bytes, source_port: bytes, destination_port: bytes) -> Segment:
    """A packet without headers, or none: the program has asked its socket."""
    return Segment(_text(source), int.from_bytes(source_port, "big"), _text(destination), int.from_bytes(destination_port, "big"))


def _of_packet(data: bytes, ethertype: int) -> Segment | None:
    try:
        where = outline(data, ethertype)
    except DecodeError:
        return None
    tcp = where.transport
    if where.protocol != TCP or where.fragment or len(data) < tcp + _TCP_BEGINNING:
        return None
    at, length = (8, 16) if where.version == 6 else (12, 4)
    source, destination = data[at : at + length], data[at + length : at + 2 * length]
    source_port, destination_port, sequence = struct.unpack_from("!HHI", data, tcp)
    flags = data[tcp + _TCP_FLAGS] if len(data) > tcp + _TCP_FLAGS else None
    if flags is not None and flags & (FIN | SYN) == FIN:  # the program does not see those after extension headers
        return None
    return Segment(
        source=_text(source),
        source_port=source_port,
        destination=_text(destination),
        destination_port=destination_port,
        flags=flags,
        sequence=sequence,
    )


def belongs(segment: Segment, flows: t.AbstractSet[Flow]) -> bool:
    """Whether a packet is one of some flows, whose addresses are in canonical text."""
    there = segment.source, Flow(None, segment.destination, segment.destination_port)
    back = segment.destination, Flow(None, segment.source, segment.source_port)
    return any(flow in flows or flow._replace(client=client) in flows for client, flow in (there, back))


def _packed(address: str) -> bytes:
    packed = ipaddress.ip_address(address).packed
    return packed if len(packed) == 16 else b"\0" * 10 + b"\xff\xff" + packed


def _text(packed: bytes) -> str:
    if len(packed) == 16 and packed[:12] == b"\0" * 10 + b"\xff\xff":
        packed = packed[12:]
    return str(ipaddress.ip_address(packed))
