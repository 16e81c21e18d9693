# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Targets that rewrite headers (net/netfilter/xt_HL.c, xt_DSCP.c, xt_TCPMSS.c, xt_TCPOPTSTRIP.c, net/ipv4/netfilter/ipt_ECN.c)."""

from __future__ import annotations

import typing as t

from ...._errors import DecodeError
from ...evaluation import Action, Evaluation
from ...packet import CWR, ECE, Packet
from ..condition import Place, number, value_and_mask
from ..matches.header import DSCP_CLASSES, time_to_live
from ..syntax import Clause
from . import CONTINUE, Done, Target

_MSS, _NOP = 2, 1
_NAMES = {"wscale": 3, "mss": 2, "sack-permitted": 4, "sack": 5, "timestamp": 8, "md5": 19}


def _ttl(clause: Clause, place: Place) -> Target:
    option = clause.options[0] if clause.options else None
    if option is None or option.name[-3:] not in ("set", "inc", "dec"):
        raise DecodeError(f"{clause.name} does not say what to set")
    how, value = option.name[-3:], number(option.value, 255)

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        at, before = (8 if packet.family == 4 else 7), time_to_live(packet)
        if how != "set" and before is None:
            return _changed(packet, "ttl", f"ttl {how} {value}")
        new = value if how == "set" else min((before or 0) + value, 255) if how == "inc" else max((before or 0) - value, 0)
        packet.network.put(at, bytes([new]))
        return _changed(packet, "ttl", f"ttl set {new}")

    return apply


def _changed(packet: Packet, kind: str, what: str) -> Done:
    done = Action(kind, what)
    packet.changed(done)
    return "continue", done


def _class(clause: Clause, place: Place) -> Target:
    value, mask = _class_value(clause)

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        # (octet & ~mask) ^ value: where value has bits outside of the mask, they turn what is there
        if packet.family == 4:
            at, size, shift = 1, 1, 0
        else:
            at, size, shift = 0, 2, 4
        header = packet.network
        have = int.from_bytes(header.bytes[at : at + size], "big")
        known = int.from_bytes(header.known[at : at + size], "big") | mask << shift
        new = ((have & ~(mask << shift)) ^ (value << shift)) & known
        header.bytes[at : at + size] = new.to_bytes(size, "big")
        header.known[at : at + size] = known.to_bytes(size, "big")
        return _changed(packet, "set", f"tos {value:#x}/{mask:#x}")

    return apply


def _class_value(clause: Clause) -> tuple[int, int]:
    for option in clause.options:
        if option.name == "set-dscp":
            return number(option.value, 63) << 2, 0xFC
        if option.name == "set-dscp-class" and option.value.lower() in DSCP_CLASSES:
            return DSCP_CLASSES[option.value.lower()] << 2, 0xFC
        if option.name == "set-tos":
            return value_and_mask(option.value, 255)
        if option.name == "and-tos":
            return 0, ~number(option.value, 255) & 0xFF
        if option.name == "or-tos":
            return (number(option.value, 255),) * 2
        if option.name == "xor-tos":
            return number(option.value, 255), 0
    raise DecodeError(f"{clause.name} does not say what to set")


def _ecn(clause: Clause, place: Place) -> Target:
    if clause.get("ecn-tcp-remove") is None:
        raise DecodeError("ECN with options that we do not model")

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        packet.transport.put(13, b"\0", bytes([ECE | CWR]))
        return _changed(packet, "remove", "ecn")

    return apply


def _mss(clause: Clause, place: Place) -> Target:
    option = clause.get("set-mss")
    wanted = number(option.value, 0xFFFF) if option else None

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        if packet.options is None:
            return CONTINUE
        if wanted is None or b"\x02\x04" not in packet.options:  # it adds one where there is none
            packet.options, packet.length = None, None
            return _changed(packet, "set", "mss")
        packet.options = _with_mss(packet.options, wanted)
        return _changed(packet, "set", f"mss {wanted}")

    return apply


def _with_mss(options: bytes, wanted: int) -> bytes:
    """The options with an MSS that is not greater than `wanted`."""
    changed = bytearray(options)
    at = 0
    while at < len(options) - 3:
        if options[at] == _MSS and options[at + 1] == 4:
            old = int.from_bytes(options[at + 2 : at + 4], "big")
            changed[at + 2 : at + 4] = min(old, wanted).to_bytes(2, "big")
            break
        at += 1 if options[at] < 2 else options[at + 1] or 1
    return bytes(changed)


def _strip(clause: Clause, place: Place) -> Target:
    option = clause.get("strip-options")
    if option is None:
        raise DecodeError("TCPOPTSTRIP without --strip-options")
    kinds = {_NAMES[name] if name in _NAMES else number(name, 255) for name in option.value.lower().split(",")}

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        if packet.options is None:
            return CONTINUE
        packet.options = _stripped(packet.options, kinds)
        return _changed(packet, "strip", "tcp options " + ",".join(str(kind) for kind in sorted(kinds)))

    return apply


def _stripped(options: bytes, kinds: t.Container[int]) -> bytes:
    """The options with those kinds overwritten by NOP."""
    changed = bytearray(options)
    at = 0
    while at < len(options) - 1:
        length = 1 if options[at] < 2 else options[at + 1] or 1
        if options[at] in kinds:
            changed[at : at + length] = bytes([_NOP]) * len(changed[at : at + length])
        at += length
    return bytes(changed)


BUILDERS: dict[str, t.Callable[[Clause, Place], Target]] = {
    "TTL": _ttl,
    "HL": _ttl,
    "TOS": _class,
    "DSCP": _class,
    "ECN": _ecn,
    "TCPMSS": _mss,
    "TCPOPTSTRIP": _strip,
}
