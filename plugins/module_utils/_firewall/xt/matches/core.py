# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Matches that every rule can have: addresses, interfaces, protocol, fragments (net/ipv4/netfilter/ip_tables.c: ip_packet_match)."""

from __future__ import annotations

import typing as t

from ...._errors import DecodeError
from ...evaluation import Evaluation
from ...packet import Link, Packet, text
from ...protocols import BY_NAME
from .. import condition as _condition
from ..condition import Answer, Condition, Place, Unknown
from ..syntax import Option

_TCP = 6
_ORDER = ("source", "destination", "in-interface", "out-interface", "protocol", "fragment")
_PROTOCOLS = {**BY_NAME, "all": 0, "ip": 0, "hopopt": 0, "icmpv6": 58, "icmp6": 58, "mh": 135, "ipv6-mh": 135}


def conditions(options: t.Sequence[Option], place: Place) -> list[Condition]:
    """In the kernel's order."""
    ordered = sorted(options, key=lambda option: _ORDER.index(option.name))
    return [condition for option in ordered for condition in _CONDITIONS[option.name](option, place)]


def _address(option: Option, place: Place) -> list[Condition]:
    wanted, mask = _condition.network(option.value, place.family)
    pick = _condition.source if option.name == "source" else _condition.destination
    reason = Option(option.name, option.values).text

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if packet.family != place.family:
            return False
        answer = _condition.in_network(pick(packet), wanted, mask)
        return _condition.unknown_field(packet, reason) if answer is None else answer

    def seen(packet: Packet) -> str:
        return f"{option.name} {text(packet.source if option.name == 'source' else packet.destination)}"

    return [Condition(option.text, test, option.negated, seen)]


def _interface(option: Option, place: Place) -> list[Condition]:
    name = option.value
    incoming = option.name == "in-interface"

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if not (packet.iif_known if incoming else packet.oif_known):
            return _condition.unknown_field(packet, Option(option.name, option.values).text)
        return named(packet.iif if incoming else packet.oif, name)

    def seen(packet: Packet) -> str:
        link = packet.iif if incoming else packet.oif
        return f"interface {link.name}" if link and link.name else "no interface"

    return [Condition(option.text, test, option.negated, seen)]


def named(link: Link | None, name: str) -> bool:
    """Whether an interface has that name, which may end in "+". Where there is no interface, the kernel compares an empty name."""
    own = link.name if link else ""
    return own.startswith(name[:-1]) if name.endswith("+") else own == name


def _protocol(option: Option, place: Place) -> list[Condition]:
    value = option.value.lower()
    protocol = _PROTOCOLS.get(value)
    if protocol is None:
        if not value.isdigit():
            raise DecodeError(f"{value[:40]!r} is not a protocol that we know")
        protocol = _condition.number(value.lstrip("0") or "0", 255)
    if protocol == 0:  # all; the kernel does not look at `!` either
        return []
    return [Condition(option.text, lambda packet, evaluation: protocol == _TCP, option.negated, lambda packet: "protocol tcp")]


def _fragment(option: Option, place: Place) -> list[Condition]:
    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if packet.family != 4:
            return False
        offset = packet.network.get(6, 2)
        answer = _condition.in_network(offset, b"\0\0", b"\x1f\xff")
        return Unknown("-f", ("-f", packet.generation)) if answer is None else not answer

    return [Condition(option.text, test, option.negated, lambda packet: "no later fragment")]


_CONDITIONS: dict[str, t.Callable[[Option, Place], list[Condition]]] = {
    "source": _address,
    "destination": _address,
    "in-interface": _interface,
    "out-interface": _interface,
    "protocol": _protocol,
    "fragment": _fragment,
}
