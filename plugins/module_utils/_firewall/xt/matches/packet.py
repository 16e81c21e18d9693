# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Matches on a packet's metadata (net/netfilter/xt_mark.c, xt_iprange.c, xt_mac.c, xt_pkttype.c, xt_devgroup.c, xt_physdev.c)."""

from __future__ import annotations

import contextlib

from ...._errors import DecodeError
from ...evaluation import Evaluation
from ...packet import Link, Packet, text
from .. import condition
from ..condition import Answer, Builder, Condition, Place, Seen, Test
from ..syntax import Clause, Option
from .core import named

_ARPHRD_ETHER = 1
_GROUPS = ("/usr/share/iproute2/group", "/etc/iproute2/group")


def _mark(option: Option, place: Place) -> tuple[Test, Seen | None]:
    wanted, mask = condition.value_and_mask(option.value)

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if packet.mark is None:
            return condition.unknown_field(packet, "-m mark " + Option(option.name, option.values).text)
        return packet.mark & mask == wanted

    return test, lambda packet: None if packet.mark is None else f"mark {packet.mark:#x}"


def _range(option: Option, place: Place) -> tuple[Test, Seen | None]:
    first, dash, last = option.value.partition("-")
    low, high = condition.address(first, place.family), condition.address(last if dash else first, place.family)
    is_source = option.name == "src-range"

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        value = condition.source(packet) if is_source else condition.destination(packet)
        if not isinstance(value, bytes):
            return condition.unknown_field(packet, "-m iprange " + Option(option.name, option.values).text)
        return low <= value <= high

    def seen(packet: Packet) -> str:
        return f"source {text(packet.source)}" if is_source else f"destination {text(packet.destination)}"

    return test, seen


def _mac(clause: Clause, place: Place) -> list[Condition]:
    """Where there is no Ethernet header, it never matches, `!` or not."""
    option = clause.get("mac-source")
    if option is None:
        raise DecodeError("-m mac without --mac-source")
    wanted = mac_address(option.value)
    text_ = "-m mac " + option.text

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if packet.iif is None or packet.iif.type != _ARPHRD_ETHER:
            return False
        answer = condition.in_network(packet.link.get(6, 6), wanted, b"\xff" * 6)
        return condition.unknown_field(packet, text_) if answer is None else answer is not option.negated

    return [Condition(text_, test)]


def mac_address(value: str) -> bytes:
    """Six bytes from 00:11:22:33:44:55."""
    try:
        found = bytes(int(each, 16) for each in value.split(":"))
    except ValueError:
        found = b""
    if len(found) != 6:
        raise DecodeError(f"{value[:40]!r} is not a MAC address")
    return found


_TYPES = {"unicast": "host", "host": "host", "broadcast": "broadcast", "bcast": "broadcast", "multicast": "multicast", "mcast": "multicast"}


def _pkttype(option: Option, place: Place) -> tuple[Test, Seen | None]:
    wanted = _TYPES.get(option.value.lower())
    if wanted is None:
        raise DecodeError(f"{option.value[:40]!r} is no packet type")

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        return (
            condition.unknown_field(packet, f"-m pkttype --pkt-type {option.value}") if packet.pkttype is None else packet.pkttype == wanted
        )

    return test, lambda packet: packet.pkttype


def _devgroup(option: Option, place: Place) -> tuple[Test, Seen | None]:
    wanted, mask = _group(option.value)

    def link_of(packet: Packet) -> Link | None:
        return packet.iif if option.name == "src-group" else packet.oif

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if not (packet.iif_known if option.name == "src-group" else packet.oif_known):
            return condition.unknown_field(packet, "-m devgroup " + Option(option.name, option.values).text)
        link = link_of(packet)
        return (0 if link is None else (link.group ^ wanted) & mask) == 0

    def seen(packet: Packet) -> str | None:
        link = link_of(packet)
        return f"group {link.group:#x}" if link else None

    return test, seen


def _group(value: str) -> tuple[int, int]:
    """A number and a mask, or a name of iproute2's file of groups."""
    if value[:1].isdigit():
        return condition.value_and_mask(value)
    names = {"default": "0"}
    for path in _GROUPS:
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            names.update({name: group for group, name in (line.split()[:2] for line in file if len(line.split()) > 1 and line[0] != "#")})
    return condition.number(names.get(value, value)), 0xFFFFFFFF


def _physdev(clause: Clause, place: Place) -> list[Condition]:
    """A packet that no bridge passed on matches only what is negated. Of one that a bridge did, the port out is not known."""

    def test_of(option: Option) -> Test:
        def test(packet: Packet, evaluation: Evaluation) -> Answer:
            if not _shown_to_ip(packet, place, evaluation):
                return False
            if packet.port_in is not None:
                if option.name in ("physdev-is-in", "physdev-is-out", "physdev-is-bridged"):
                    return packet.direction == "forward" or option.name == "physdev-is-in"
                if option.name == "physdev-in":
                    return named(packet.port_in, option.value)
            return condition.unknown_field(packet, "-m physdev " + Option(option.name, option.values).text)

        return test

    return [Condition("-m physdev " + option.text, test_of(option), option.negated, _port) for option in clause.options]


def _shown_to_ip(packet: Packet, place: Place, evaluation: Evaluation) -> bool:
    """Whether it may be a frame of a bridge that br_netfilter shows to the rules of IP."""
    bridges = [link for link in (packet.iif, packet.oif) if link is not None and link.kind == "bridge"]
    name = "net.bridge.bridge-nf-call-iptables" if place.family == 4 else "net.bridge.bridge-nf-call-ip6tables"
    return bool(bridges) and evaluation.facts.sysctl(name) not in (None, "0")


def _port(packet: Packet) -> str:
    return f"bridge port {packet.port_in.name}" if packet.port_in else "no bridge"


BUILDERS: dict[str, Builder] = {
    "mark": condition.per_option("-m mark ", {"mark": _mark}),
    "iprange": condition.per_option("-m iprange ", {"src-range": _range, "dst-range": _range}),
    "mac": _mac,
    "pkttype": condition.per_option("-m pkttype ", {"pkt-type": _pkttype}),
    "devgroup": condition.per_option("-m devgroup ", {"src-group": _devgroup, "dst-group": _devgroup}),
    "physdev": _physdev,
}
