# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The three packets of a handshake as they traverse a host, as questions to its firewall (option `packets` of firewall_info).

Pure functions over data, which the controller uses to write work orders and hosts to complete them.
"""

from __future__ import annotations

import contextlib
import socket
import typing as t

from .._errors import DecodeError
from .._wire.frames import Frame, unpack

MOST_HANDSHAKES = 100  # that a host's firewall is asked about in one snapshot
_OTHERHOST, _OUTGOING = 3, 4  # linux/if_packet.h PACKET_*
_DIRECTIONS = {"client": ("out", "in", "out"), "server": ("in", "out", "in"), "via": ("forward",) * 3}

Question = t.Dict[str, t.Any]
End = t.Tuple[str, t.Optional[int]]  # address, port; None: unknown


def traversal(role: str, client: End, server: End, uid: int | None = None) -> list[Question]:
    """SYN, SYN-ACK and ACK between two ends, as they cross a host that is client, server or via.

    `uid`: whose socket the client's packets are, where the host is the client. The kernel sends a SYN-ACK before any socket has an owner.
    """
    kinds = zip(("syn", "syn_ack", "ack"), _DIRECTIONS[role], ((client, server), (server, client), (client, server)))
    return [
        {
            "packet": kind,
            "direction": direction,
            "source": source[0],
            "source_port": source[1],
            "destination": destination[0],
            "port": destination[1],
            "uid": uid if direction == "out" and role == "client" else None,
        }
        for kind, direction, (source, destination) in kinds
    ]


def bounded(handshakes: t.Sequence[tuple[str, End, End]], most: int = MOST_HANDSHAKES) -> tuple[list[Question], int]:
    """The questions of as many handshakes (role, client, server) as one snapshot asks about, and how many are left out."""
    known = list(dict.fromkeys(each for each in handshakes if (":" in each[1][0]) == (":" in each[2][0])))
    asked = [question for handshake in known[:most] for question in traversal(*handshake)]
    return asked, max(0, len(known) - most)


def arrivals(recording: t.Mapping[str, t.Any]) -> set[str]:
    """The addresses for which a recording has SYNs that came in. Raises DecodeError."""
    seen = _incoming(unpack(recording["frames"]), recording.get("interfaces") or {})
    return {question["destination"] for question in seen.values() if question["packet"] == "syn"}


def ports_of(recording: t.Mapping[str, t.Any], sequence_numbers: t.Iterable[int]) -> set[int]:
    """The ports to which SYNs with these numbers came: behind an address translation others than were dialled. Raises DecodeError."""
    from .._record.filter import tcp_offset, tcp_ports
    from .._wire.headers import outline

    wanted, found = frozenset(sequence_numbers), set()
    for frame in unpack(recording["frames"]) if wanted else ():
        with contextlib.suppress(DecodeError):
            where = outline(frame.data, frame.ethertype)
            tcp = tcp_offset(frame.data, where)
            if tcp is None or where.quote is not None or frame.pkttype == _OUTGOING:
                continue
            begins = frame.data[tcp + 13] & 0x12 == 0x02
            if begins and int.from_bytes(frame.data[tcp + 4 : tcp + 8], "big") in wanted:
                found.add(tcp_ports(frame.data, tcp)[1])
    return found


def recorded(recording: t.Mapping[str, t.Any], asked: t.Sequence[Question]) -> list[Question]:
    """`asked`, with the packets that a recording shows coming in instead: with their ports, interface and headers.

    What address translation made of a handshake, which no plan can know, is asked as well. Raises DecodeError.
    """
    seen = _incoming(unpack(recording["frames"]), recording.get("interfaces") or {})
    begun = {_key(each)[1:] for each in (*asked, *seen.values()) if each["packet"] != "ack"}
    seen = {key: question for key, question in seen.items() if key[1:] in begun}
    for question in [each for each in seen.values() if each["packet"] == "syn"][:MOST_HANDSHAKES]:
        client, server = (question["source"], question["source_port"]), (question["destination"], question["port"])
        for packet in traversal("via", client, server):  # whether a packet ends here or is forwarded, the host knows best
            seen.setdefault(_key(packet), {**packet, "direction": None})
    return [*seen.values(), *(question for question in asked if _key(question) not in seen)][: 3 * MOST_HANDSHAKES]


def _incoming(frames: t.Sequence[Frame], interfaces: t.Mapping[str, str]) -> dict[tuple[t.Any, ...], Question]:
    """The first packet of each kind between two ends that came in, by `_key`."""
    from .._wire.decode import decode, mac
    from .._wire.packet import TcpFlags

    found: dict[tuple[t.Any, ...], Question] = {}
    for frame in frames:
        if frame.pkttype == _OUTGOING:
            continue
        try:
            packet = decode(frame.data, frame.ethertype)
        except DecodeError:
            continue
        tcp = packet.tcp
        kind = None if tcp is None or tcp.is_rst else "syn" if tcp.is_syn else "syn_ack" if tcp.is_syn_ack else "ack"
        if tcp is None or kind is None or (kind == "ack" and (tcp.flags & TcpFlags.FIN or tcp.payload_length)):
            continue
        question = {
            "packet": kind,
            "direction": "in" if interfaces.get(str(frame.ifindex)) == "lo" else None,  # from this host to itself
            "source": packet.src,
            "source_port": tcp.sport,
            "destination": packet.dst,
            "port": tcp.dport,
            # What a bridge takes in for another machine passes IP's rules, if at all, as if it came from the bridge itself.
            "interface": None if frame.pkttype == _OTHERHOST else interfaces.get(str(frame.ifindex)),
            "port_in": interfaces.get(str(frame.ifindex)) if frame.pkttype == _OTHERHOST else None,
            "sender": mac(frame.lladdr) if len(frame.lladdr) == 6 and any(frame.lladdr) else None,
            "header": frame.data.hex() if packet.version == 4 or frame.data[6] == socket.IPPROTO_TCP else None,  # no extension headers
        }
        first = found.setdefault(_key(question), question)
        if frame.vlan or first["interface"] != question["interface"]:
            first["interface"] = None  # a bond, a bridge, a VLAN or a VRF: the routes know best where it arrives
    return found


def _key(question: Question) -> tuple[t.Any, ...]:
    """What makes two handshakes one to a firewall, but for the client's port."""
    if question["packet"] == "syn_ack":
        return "syn_ack", question["destination"], question["source"], question["source_port"]
    return question["packet"], question["source"], question["destination"], question["port"]
