# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Matches on the TCP header: tcp, multiport, tcpmss (net/netfilter/xt_tcpudp.c, xt_multiport.c, xt_tcpmss.c)."""

from __future__ import annotations

import typing as t

from ...._errors import DecodeError
from ...evaluation import Evaluation
from ...packet import Packet
from .. import condition
from ..condition import Answer, Builder, Condition, Place, Seen, Test
from ..syntax import Clause, Option

_FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ECE": 64, "CWR": 128, "ALL": 63, "NONE": 0}
_MSS = 2


def _port(option: Option, place: Place) -> tuple[Test, Seen | None]:
    low, high = condition.port_range(option.value)
    at = 0 if option.name in ("sport", "source-port") else 2
    reason = Option(option.name, option.values).text

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        port = packet.transport.number(at, 2)
        if port is None:
            return (low, high) == (0, 0xFFFF) or condition.unknown_field(packet, reason)
        return low <= port <= high

    return test, (_seen_source if at == 0 else _seen_destination)


def _seen_source(packet: Packet) -> str | None:
    return None if packet.source_port is None else f"source port {packet.source_port}"


def _seen_destination(packet: Packet) -> str | None:
    return None if packet.destination_port is None else f"port {packet.destination_port}"


def _flags(option: Option, place: Place) -> tuple[Test, Seen | None]:
    if option.name == "syn":
        mask, wanted = 0x17, 0x02
    elif len(option.values) == 2:
        mask, wanted = (_bits(value) for value in option.values)
    else:
        raise DecodeError("--tcp-flags has not two lists of flags")

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        answer = condition.in_network(packet.transport.get(13, 1), bytes([wanted]), bytes([mask]))
        return condition.unknown_field(packet, Option(option.name, option.values).text) if answer is None else answer and not wanted & ~mask

    return test, lambda packet: "flags " + ",".join(name for name in list(_FLAGS)[:8] if packet.flags & _FLAGS[name])


def _bits(names: str) -> int:
    value = 0
    for name in names.split(","):
        if name.upper() not in _FLAGS:
            raise DecodeError(f"{name[:20]!r} is not a TCP flag")
        value |= _FLAGS[name.upper()]
    return value


def _option(option: Option, place: Place) -> tuple[Test, Seen | None]:
    wanted = condition.number(option.value, 255)

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if packet.options is None:
            return condition.unknown_field(packet, Option(option.name, option.values).text)
        return any(kind == wanted for kind in _kinds(packet.options))

    return test, None


def _kinds(options: bytes) -> t.Iterator[int]:
    """The kinds that xt_tcpudp finds: it steps over END and NOP one byte at a time, and over others by their length."""
    at = 0
    while at < len(options):
        yield options[at]
        at += 1 if options[at] < 2 or at + 1 >= len(options) else options[at + 1] or 1


_TCP_PORTS = {"sport": _port, "source-port": _port, "dport": _port, "destination-port": _port}
_tcp = condition.per_option("", {**_TCP_PORTS, "tcp-flags": _flags, "syn": _flags, "tcp-option": _option})

_MULTIPORTS = {
    "sports": (0,), "source-ports": (0,), "dports": (2,), "destination-ports": (2,), "ports": (0, 2),
}  # fmt: skip


def _multiport(clause: Clause, place: Place) -> list[Condition]:
    if len(clause.options) != 1 or clause.options[0].name not in _MULTIPORTS:
        raise DecodeError("-m multiport wants one list of ports")
    option = clause.options[0]
    ranges = [condition.port_range(each) for each in option.value.split(",")]
    fields = _MULTIPORTS[option.name]
    reason = "-m multiport " + Option(option.name, option.values).text

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        ports = [packet.transport.number(at, 2) for at in fields]
        if any(port is not None and low <= port <= high for port in ports for low, high in ranges):
            return True
        return condition.unknown_field(packet, reason) if None in ports else False

    def seen(packet: Packet) -> str | None:
        both = (_seen_source(packet) if 0 in fields else None, _seen_destination(packet) if 2 in fields else None)
        return ", ".join(each for each in both if each) or None

    return [Condition("-m multiport " + option.text, test, option.negated, seen)]


def _mss(option: Option, place: Place) -> tuple[Test, Seen | None]:
    low, high = condition.number_range(option.value)

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if packet.options is None:
            return condition.unknown_field(packet, "-m tcpmss " + Option(option.name, option.values).text)
        mss = maximum_segment_size(packet.options)
        return mss is not None and low <= mss <= high

    def seen(packet: Packet) -> str | None:
        return None if packet.options is None else f"mss {maximum_segment_size(packet.options)}"

    return test, seen


def maximum_segment_size(options: bytes) -> int | None:
    """The value of the first MSS option, as xt_tcpmss looks for it."""
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == _MSS and len(options) - at >= 4 and options[at + 1] == 4:
            return int.from_bytes(options[at + 2 : at + 4], "big")
        at += 1 if kind < 2 or at + 1 >= len(options) else options[at + 1] or 1
    return None


BUILDERS: dict[str, Builder] = {"tcp": _tcp, "multiport": _multiport, "tcpmss": condition.per_option("-m tcpmss ", {"mss": _mss})}
