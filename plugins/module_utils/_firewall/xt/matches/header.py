# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Matches on the IP header (net/netfilter/xt_hl.c, xt_dscp.c, xt_ecn.c, xt_length.c, net/ipv6/netfilter/ip6t_ipv6header.c)."""

from __future__ import annotations

import operator
import typing as t

from ...._errors import DecodeError
from ...evaluation import Evaluation
from ...packet import CWR, ECE, Packet
from .. import condition
from ..condition import Answer, Builder, Condition, Place, Seen, Test
from ..syntax import Clause, Option

_COMPARISONS = {"eq": operator.eq, "lt": operator.lt, "gt": operator.gt}


def _ttl(option: Option, place: Place) -> tuple[Test, Seen | None]:
    name, _dash, how = option.name.partition("-")
    if how not in _COMPARISONS:
        raise DecodeError(f"--{option.name} is no comparison of a TTL")
    compare, wanted = _COMPARISONS[how], condition.number(option.value, 255)
    reason = f"-m {name} " + Option(option.name, option.values).text

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        ttl = time_to_live(packet)
        return condition.unknown_field(packet, reason) if ttl is None else bool(compare(ttl, wanted))

    def seen(packet: Packet) -> str | None:
        ttl = time_to_live(packet)
        return None if ttl is None else f"{name} {ttl}"

    return test, seen


def time_to_live(packet: Packet) -> int | None:
    """TTL or hop limit."""
    return packet.network.number(8 if packet.family == 4 else 7, 1)


DSCP_CLASSES = {
    "be": 0,
    "ef": 46,
    **{f"cs{number}": number << 3 for number in range(8)},
    **{f"af{class_}{drop}": class_ << 3 | drop << 1 for class_ in (1, 2, 3, 4) for drop in (1, 2, 3)},
}


def _traffic_class(packet: Packet, wanted: int, mask: int) -> bool | None:
    """Whether the TOS octet, which IPv6 calls traffic class, is `wanted` where `mask` has bits; None when unknown bits decide it."""
    if wanted & ~mask:
        return False
    if packet.family == 4:
        return condition.in_network(packet.network.get(1, 1), bytes([wanted]), bytes([mask]))
    return condition.in_network(packet.network.get(0, 2), (wanted << 4).to_bytes(2, "big"), (mask << 4).to_bytes(2, "big"))


def _class_test(text: str, wanted: int, mask: int) -> Test:
    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        answer = _traffic_class(packet, wanted, mask)
        return condition.unknown_field(packet, text) if answer is None else answer

    return test


def _tos(option: Option, place: Place) -> tuple[Test, Seen | None]:
    wanted, mask = condition.value_and_mask(option.value, 255)
    return _class_test("-m tos " + Option(option.name, option.values).text, wanted, mask), None


def _dscp(option: Option, place: Place) -> tuple[Test, Seen | None]:
    if option.name == "dscp-class":
        if option.value.lower() not in DSCP_CLASSES:
            raise DecodeError(f"{option.value[:20]!r} is not a DSCP class")
        value = DSCP_CLASSES[option.value.lower()]
    else:
        value = condition.number(option.value, 63)
    return _class_test("-m dscp " + Option(option.name, option.values).text, value << 2, 0xFC), None


def _ecn(option: Option, place: Place) -> tuple[Test, Seen | None]:
    if option.name == "ecn-ip-ect":
        return _class_test("-m ecn " + Option(option.name, option.values).text, condition.number(option.value, 3), 3), None
    bit = CWR if option.name == "ecn-tcp-cwr" else ECE

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        answer = condition.in_network(packet.transport.get(13, 1), bytes([bit]), bytes([bit]))
        return condition.unknown_field(packet, f"-m ecn --{option.name}") if answer is None else answer

    return test, None


def _length(option: Option, place: Place) -> tuple[Test, Seen | None]:
    low, high = condition.number_range(option.value)
    reason = "-m length " + Option(option.name, option.values).text

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        least, greatest = _lengths(packet)
        if low <= least and greatest <= high:
            return True
        return False if greatest < low or high < least else condition.unknown_field(packet, reason)

    return test, lambda packet: None if packet.length is None else f"length {packet.length}"


def _lengths(packet: Packet) -> tuple[int, int]:
    """The least and the greatest that it can be: a handshake's packet carries headers, TCP options of at most 40 bytes, and no data."""
    if packet.length is not None:
        return packet.length, packet.length
    least = (20 if packet.family == 4 else 40) + 20
    if packet.options is not None:
        return (least + (len(packet.options) + 3) // 4 * 4,) * 2
    return least, least + 40


_EXTENSIONS = {"hop-by-hop": 128, "hop": 128, "ipv6-opts": 64, "dst": 64, "ipv6-route": 32, "route": 32, "ipv6-frag": 16, "frag": 16,
               "ah": 8, "auth": 8, "esp": 4, "ipv6-nonxt": 2, "none": 2, "protocol": 1, "prot": 1, "0": 128, "60": 64, "43": 32,
               "44": 16, "51": 8, "50": 4, "59": 2, "255": 1}  # fmt: skip


def _ipv6header(clause: Clause, place: Place) -> list[Condition]:
    """A TCP segment without extension headers has the one "header" that the kernel calls protocol."""
    option = clause.get("header")
    if option is None:
        raise DecodeError("-m ipv6header without --header")
    wanted = 0
    for name in option.value.lower().split(","):
        if name not in _EXTENSIONS:
            raise DecodeError(f"{name[:20]!r} is not an IPv6 extension header")
        wanted |= _EXTENSIONS[name]
    matches = bool(wanted & 1) if clause.get("soft") else wanted == 1
    return [Condition(condition.whole(clause), lambda packet, evaluation: matches, option.negated, lambda packet: "no extension header")]


def _ttl_options(name: str) -> dict[str, t.Callable[[Option, Place], tuple[Test, Seen | None]]]:
    return {f"{name}-{how}": _ttl for how in _COMPARISONS}


BUILDERS: dict[str, Builder] = {
    "ttl": condition.per_option("-m ttl ", _ttl_options("ttl")),
    "hl": condition.per_option("-m hl ", _ttl_options("hl")),
    "tos": condition.per_option("-m tos ", {"tos": _tos}),
    "dscp": condition.per_option("-m dscp ", {"dscp": _dscp, "dscp-class": _dscp}),
    "ecn": condition.per_option("-m ecn ", {"ecn-ip-ect": _ecn, "ecn-tcp-cwr": _ecn, "ecn-tcp-ece": _ecn}),
    "length": condition.per_option("-m length ", {"length": _length}),
    "ipv6header": _ipv6header,
}
