# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What is kept of a handshake that a host recorded as usual, in place of its packets: a few bytes, by which two hosts are compared.

Of a fleet, nearly all packets are of such handshakes: SYN, SYN-ACK and ACK once, in this order, and after them nothing that begins or
breaks off a connection.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import HEAD, LLADDR
from ansible_collections.threeway.handshake.plugins.module_utils._wire.packet import TcpFlags

from .recording import INCOMING, IPV4_ENDS, OUTGOING, Ends, Place, Recording

_SYN, _SYN_ACK, _ACK = TcpFlags.SYN, TcpFlags.SYN | TcpFlags.ACK, TcpFlags.ACK
_FLAGS = TcpFlags.FIN | TcpFlags.PSH | TcpFlags.SYN | TcpFlags.ACK | TcpFlags.RST
_BREAKING = TcpFlags.SYN | TcpFlags.RST
_MOST_PACKETS = 20
_PKTTYPE = 16  # where it is in the head of a frame
_HEAD = struct.Struct("!QI4xBB4xH")  # time, ifindex, pkttype, lengths of link address and data
_WAYS = ((OUTGOING, INCOMING), (INCOMING, OUTGOING))
_GLIMPSE = struct.Struct("!qIQIIIB?")
SIZE = _GLIMPSE.size
_ALIKE = 12  # of its bytes: what is the same at both ends
_MOST_NS = 0xFFFFFFFF

Glimpse = tuple[int, int, int, int, int, int, int, bool]
"""A usual handshake at one host:

- what is the same at both ends where the packets are as they were sent, beside addresses, TTL and checksums;
- the client's ISN;
- when the SYN was seen, and how many nanoseconds later SYN-ACK and ACK were;
- by which interface the host's first packet left;
- the TTL of all packets that came in;
- whether the host sent the SYN.
"""


def opened(glimpse: bytes) -> Glimpse:
    """A glimpse that is looked at."""
    return _GLIMPSE.unpack(glimpse)


def are_alike(one: bytes, other: bytes) -> bool:
    """Whether two hosts saw the same packets."""
    return one[:_ALIKE] == other[:_ALIKE]


def isn_of(glimpse: bytes) -> int:
    """The client's ISN."""
    return int.from_bytes(glimpse[_ALIKE - 4 : _ALIKE], "big")


class _Layout(NamedTuple):
    """Where things are in a packet of one IP version."""

    fields: struct.Struct
    """What routers leave alone of the IP header; TTL; sequence number, acknowledgement number and flags of TCP."""
    ttl: int
    numbers: int
    flags: int
    behind: int
    """The checksum of TCP, which a network card may compute after the recorder of who sends."""


_IPV4 = _Layout(struct.Struct("!8sB15xIIxB"), 8, 24, 33, 38)
_IPV6 = _Layout(struct.Struct("!7sB36xIIxB"), 7, 44, 53, 58)


def glimpses(recording: Recording) -> dict[Ends, bytes]:
    """Of each usual handshake in a recording, by the ends of its SYN."""
    tcp, raw = recording.tcp, recording.raw
    found = {}
    for forth, along in tcp.items():
        layout = _IPV4 if len(forth) == IPV4_ENDS else _IPV6
        syn = along[0]
        if raw[syn + HEAD + raw[syn + LLADDR] + layout.flags] & _FLAGS == _SYN:
            back = tcp.get(backwards(forth))
            if back and 2 <= len(along) <= _MOST_PACKETS and len(back) <= _MOST_PACKETS:
                glimpse = _usual(raw, along, back, layout)
                if glimpse is not None:
                    found[forth] = glimpse
    return found


def backwards(each: Ends) -> Ends:
    """The ends of what goes the other way."""
    size = (len(each) - 4) // 2
    return each[size:-4] + each[:size] + each[-2:] + each[-4:-2]


def _usual(raw: bytes, along: Sequence[Place], back: Sequence[Place], layout: _Layout) -> bytes | None:
    """A glimpse of a handshake in which nothing is unusual. Packets forth and back, of which the first one is a SYN."""
    head, (struct_, life, numbers, flags, behind) = _HEAD.unpack_from, layout
    fields = struct_.unpack_from
    syn, ack, syn_ack = along[0], along[1], back[0]
    began, interface, out, lladdr, syn_size = head(raw, syn)
    answered, other, came, lladdr_back, syn_ack_size = head(raw, syn_ack)
    acked, _by, out_again, lladdr_ack, ack_size = head(raw, ack)
    first, second, third = syn + HEAD + lladdr, syn_ack + HEAD + lladdr_back, ack + HEAD + lladdr_ack
    syn_ip, syn_ttl, isn, _none, _syn = fields(raw, first)
    syn_ack_ip, syn_ack_ttl, _number, acknowledged, syn_ack_flags = fields(raw, second)
    ack_ip, ack_ttl, sequence, _acknowledged, ack_flags = fields(raw, third)
    ttl = syn_ack_ttl if out == OUTGOING else syn_ttl
    if (
        (out, came) not in _WAYS
        or out_again != out
        or syn_ack_flags & _FLAGS != _SYN_ACK
        or ack_flags & _FLAGS != _ACK
        or not acknowledged == sequence == (isn + 1) & 0xFFFFFFFF
        or not (0 <= answered - began <= _MOST_NS and 0 <= acked - began <= _MOST_NS)
        or (out == INCOMING and not (interface == other and ack_ttl == ttl))
    ):
        return None
    for more, way in ((along[2:], out), (back[1:], came)):
        for place in more:
            packet = place + HEAD + raw[place + LLADDR]
            if raw[place + _PKTTYPE] != way or raw[packet + flags] & _BREAKING or (way == INCOMING and raw[packet + life] != ttl):
                return None
    alike = b"".join(
        (
            syn_ip,
            raw[first + numbers : behind + first - 2],
            raw[first + behind : first + syn_size],
            syn_ack_ip,
            raw[second + numbers : behind + second - 2],
            raw[second + behind : second + syn_ack_size],
            ack_ip,
            raw[third + numbers : behind + third - 2],
            raw[third + behind : third + ack_size],
        )
    )
    return _GLIMPSE.pack(hash(alike), isn, began, answered - began, acked - began, interface, ttl, out == OUTGOING)
