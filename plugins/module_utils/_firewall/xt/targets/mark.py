# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Targets that set marks, or bypass conntrack (net/netfilter/xt_mark.c, xt_connmark.c, xt_HMARK.c, xt_CT.c)."""

from __future__ import annotations

import typing as t

from ...._errors import DecodeError
from ...evaluation import Action, Evaluation, UnsupportedError
from ...packet import NO_ZONE, Packet, Tracking, Zone
from ..condition import Place, number, value_and_mask
from ..syntax import Clause
from . import CONTINUE, Done, Target

_ALL = 0xFFFFFFFF


def _xmark(clause: Clause) -> tuple[int, int]:
    """(bits to keep, bits to turn): every way of setting a mark is `(mark & keep) ^ turn`."""
    for option in clause.options:
        value, mask = value_and_mask(option.value) if option.name in ("set-xmark", "set-mark") else (0, _ALL)
        if option.name == "set-xmark":
            return ~mask & _ALL, value
        if option.name == "set-mark":
            return ~(value | mask) & _ALL, value
        if option.name == "and-mark":
            return number(option.value), 0
        if option.name == "or-mark":
            return ~number(option.value) & _ALL, number(option.value)
        if option.name == "xor-mark":
            return _ALL, number(option.value)
    raise DecodeError(f"{clause.name} without a mark to set")


def _mark(clause: Clause, place: Place) -> Target:
    keep, turn = _xmark(clause)

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        return _set_mark(packet, turned(packet.mark, keep, turn))

    return apply


def turned(mark: int | None, keep: int, turn: int) -> int | None:
    """`(mark & keep) ^ turn`; None when the mark is not known and some of it is kept."""
    return turn if keep == 0 else None if mark is None else (mark & keep) ^ turn


def _set_mark(packet: Packet, mark: int | None) -> Done:
    if mark is not None and mark == packet.mark:
        return CONTINUE
    packet.mark = mark
    done = Action("set", "mark" if mark is None else f"mark {mark:#x}")
    packet.changed(done)
    return "continue", done


def _connmark(clause: Clause, place: Place) -> Target:
    masks = {option.name: number(option.value) for option in clause.options if option.name in ("nfmask", "ctmask", "mask")}
    nfmask, ctmask = (masks.get(name, masks.get("mask", _ALL)) for name in ("nfmask", "ctmask"))
    if any(option.name in ("left-shift-mark", "right-shift-mark") for option in clause.options):
        raise DecodeError("shifted marks are not modelled")
    if clause.get("save-mark"):
        return lambda packet, evaluation, hook: _save_mark(packet, nfmask, ctmask)
    if clause.get("restore-mark"):
        return lambda packet, evaluation, hook: _restore_mark(packet, nfmask, ctmask)
    keep, turn = _xmark(clause)

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        tracking = _tracked(packet)
        return CONTINUE if tracking is None else _set_connection_mark(packet, tracking, turned(tracking.mark, keep, turn))

    return apply


def _save_mark(packet: Packet, nfmask: int, ctmask: int) -> Done:
    tracking = _tracked(packet)
    if tracking is None:
        return CONTINUE
    unknown = (packet.mark is None and nfmask != 0) or (tracking.mark is None and ctmask != _ALL)
    mark = None if unknown else ((tracking.mark or 0) & ~ctmask) ^ ((packet.mark or 0) & nfmask)
    return _set_connection_mark(packet, tracking, mark)


def _restore_mark(packet: Packet, nfmask: int, ctmask: int) -> Done:
    tracking = _tracked(packet)
    if tracking is None:
        return CONTINUE
    unknown = (tracking.mark is None and ctmask != 0) or (packet.mark is None and nfmask != _ALL)
    return _set_mark(packet, None if unknown else ((packet.mark or 0) & ~nfmask) ^ ((tracking.mark or 0) & ctmask))


def _tracked(packet: Packet) -> Tracking | None:
    """The packet's connection; None where conntrack has none for it (nf_ct_get)."""
    return packet.tracking if packet.tracking is not None and packet.tracking.state not in ("invalid", "untracked") else None


def _set_connection_mark(packet: Packet, tracking: Tracking, mark: int | None) -> Done:
    tracking.mark = mark
    done = Action("set", "ct mark" if mark is None else f"ct mark {mark:#x}")
    packet.changed(done)
    return "continue", done


def _hash_mark(clause: Clause, place: Place) -> Target:
    return lambda packet, evaluation, hook: _set_mark(packet, None)


def _ct(clause: Clause, place: Place) -> Target:
    if clause.name == "NOTRACK" or clause.get("notrack"):
        return _untrack
    option = clause.get("zone") or clause.get("zone-orig") or clause.get("zone-reply")
    if option is None:
        return lambda packet, evaluation, hook: _give_zone(packet, NO_ZONE)
    ways = {"zone-orig": ("original",), "zone-reply": ("reply",)}.get(option.name, NO_ZONE.ways)
    if option.value == "mark":
        return lambda packet, evaluation, hook: _give_zone(packet, None if packet.mark is None else Zone(packet.mark & 0xFFFF, ways))
    zone = Zone(number(option.value, 0xFFFF), ways)
    return lambda packet, evaluation, hook: _give_zone(packet, zone)


def _give_zone(packet: Packet, zone: Zone | None) -> Done:
    if packet.tracking is not None:
        return CONTINUE
    if zone is None:
        raise UnsupportedError("CT puts it into the zone of its mark, which is not known")
    packet.put_in_zone(zone)
    return "continue", packet.changes[-1].action


def _untrack(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
    if packet.tracking is not None:  # seen before: over the loopback interface
        return CONTINUE
    packet.tracking = Tracking("untracked", "original")
    done = Action("notrack")
    packet.changed(done)
    return "continue", done


BUILDERS: dict[str, t.Callable[[Clause, Place], Target]] = {
    "MARK": _mark,
    "CONNMARK": _connmark,
    "HMARK": _hash_mark,
    "CT": _ct,
    "NOTRACK": _ct,
}
