# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Turn users' questions to a firewall into packets. Routes and addresses fill in what a question leaves open."""

from __future__ import annotations

import ipaddress
import socket
import struct
import typing as t

from .._errors import ObserveError
from .packet import ACK, FLAGS, SYN, Header, Packet, packed
from .ruleset import Facts

KINDS, DIRECTIONS, STATES = ("syn", "syn_ack", "ack"), ("in", "out", "forward"), ("new", "established", "invalid", "untracked")

Question = t.Mapping[str, t.Any]


def packet_of(question: Question, facts: Facts) -> Packet:
    """The packet of one element of `packets`; ObserveError, a sentence that names the field, for what cannot be."""
    source, destination = address_of(question, "source"), address_of(question, "destination")
    if len(source) != len(destination):
        raise ObserveError(f"source {question['source']} and destination {question['destination']} are of different address families")
    packet = Packet(question.get("packet") or "syn", source, destination)
    packet.rewrite(source_port=_limited(question, "source_port", 1, 65535), destination_port=_limited(question, "port", 1, 65535))
    packet.generation = 0
    packet.mark = _limited(question, "mark", 0, 0xFFFFFFFF) or 0
    packet.state = question.get("state") or ("new" if packet.kind == "syn" else "established")
    packet.direction = question.get("direction") or _direction(packet, facts)
    if question.get("header"):
        _put_header(packet, question["header"])
    if question.get("sender"):
        packet.link.put(6, bytes.fromhex(question["sender"].replace(":", "")))
    packet.link.put(12, struct.pack("!H", 0x0800 if packet.family == 4 else 0x86DD))
    if packet.direction == "out":
        packet.uid, packet.has_socket = _limited(question, "uid", 0, 0xFFFFFFFE), True
        packet.gid = _limited(question, "gid", 0, 0xFFFFFFFE)
    elif packet.kind != "syn":
        packet.has_socket = None  # the kernel may have found its socket before the rules see it, or not
    _interfaces(packet, question, facts)
    return packet


def asked(packet: Packet, question: Question) -> dict[str, t.Any]:
    """The question as it was understood, for the answer."""
    return {
        "packet": packet.kind,
        "direction": packet.direction,
        "source": socket.inet_ntop(socket.AF_INET if packet.family == 4 else socket.AF_INET6, packet.source),
        "source_port": packet.source_port,
        "destination": socket.inet_ntop(socket.AF_INET if packet.family == 4 else socket.AF_INET6, packet.destination),
        "port": packet.destination_port,
        "interface": packet.iif.name if packet.iif else None,
        "out_interface": packet.oif.name if packet.oif else None,
        "state": packet.state,
        "mark": packet.mark,
        "uid": packet.uid,
        "gid": packet.gid,
    }


def address_of(question: Question, field: str) -> bytes:
    """One end of a question, packed; ObserveError for what is no address."""
    try:
        return packed(str(ipaddress.ip_address(question[field])))
    except (ValueError, OSError) as error:
        raise ObserveError(f"{field} is {question[field]!r}: give an IP address, not a name") from error


def _limited(question: Question, field: str, least: int, most: int) -> int | None:
    number = question.get(field)
    if number is not None and not least <= number <= most:
        raise ObserveError(f"{field} is {number}: give a number from {least} to {most}")
    return t.cast("int | None", number)


def _direction(packet: Packet, facts: Facts) -> str:
    """From here, to here, or neither; what this host sends to itself is asked for as it leaves."""
    if facts.owns(packet.source):
        return "out"
    return "in" if facts.owns(packet.destination) else "forward"


def _interfaces(packet: Packet, question: Question, facts: Facts) -> None:
    """Where it arrives: by the way back to its source. Where it leaves: by the way to its destination."""
    arrives, leaves = question.get("interface"), question.get("out_interface")
    port = facts.link(question["port_in"]) if question.get("port_in") else None
    if port is not None and port.master and packet.direction == "forward":  # within the bridge
        packet.port_in, arrives, leaves = port, arrives or port.master, leaves or port.master
    if packet.direction == "out":
        leaves, arrives = leaves or arrives, None
        leaves = leaves or facts.route(packet.destination, packet.source, packet.mark or 0)["interface"]
    else:
        if arrives is None:
            here = packet.direction == "in" and facts.owns(packet.source)
            arrives = "lo" if here else facts.route(packet.source)["interface"]
        if packet.direction == "forward" and leaves is None:
            leaves = (
                facts.route(packet.destination, packet.source, packet.mark or 0, arrives)["interface"]
                or (facts.route(packet.destination)["interface"])
            )
    for field, name in (("interface", arrives), ("out_interface", leaves)):
        if name and question.get(field) and facts.link(name) is None:
            raise ObserveError(f"{field} is {name!r}, and this host has no interface of that name")
    packet.iif = facts.link(arrives) if arrives else None
    packet.oif = facts.link(leaves) if leaves and packet.direction != "in" else None


def _put_header(packet: Packet, text: str) -> None:
    """Make known what a real packet's headers say: hexadecimal digits from the IP header on. Its ends and flags must be the question's."""
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise ObserveError(f"header is {text[:40]!r}: give hexadecimal digits, from the IP header on") from error
    size = (data[0] & 0x0F) * 4 if packet.family == 4 and data else 40
    if len(data) < size + 20 or data[0] >> 4 != packet.family or data[9 if packet.family == 4 else 6] != socket.IPPROTO_TCP:
        raise ObserveError(f"header of {len(data)} bytes is not an IPv{packet.family} header followed by a TCP header")
    transport = data[size:]
    network, tcp = Header(size, packet.network.why), Header(20, packet.transport.why)
    network.put(0, data[:size])
    tcp.put(0, transport[:20])
    given = (packet.source, packet.destination, packet.source_port, packet.destination_port)
    packet.network, packet.transport = network, tcp
    ends = (packet.source, packet.destination, packet.source_port if given[2] else None, packet.destination_port if given[3] else None)
    if ends != given or packet.flags & (SYN | ACK) != FLAGS[packet.kind]:
        raise ObserveError("header is of another packet than the one that is asked for: its addresses, ports or flags differ")
    packet.options = transport[20 : (transport[12] >> 4) * 4]
    packet.length = int.from_bytes(data[2:4], "big") if packet.family == 4 else int.from_bytes(data[4:6], "big") + 40
