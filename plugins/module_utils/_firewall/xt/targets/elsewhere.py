# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Targets that hand the packet over (net/netfilter/xt_NFQUEUE.c, xt_TPROXY.c, xt_set.c, ipt_SYNPROXY.c)."""

from __future__ import annotations

import typing as t

from ...._errors import DecodeError
from ... import queues
from ...evaluation import Action, Evaluation, Outcome, UnsupportedError
from ...packet import ACK, FIN, RST, SYN, Packet
from ...receivers import transparent
from ..condition import Place, number, value_and_mask
from ..condition import address as packed
from ..syntax import Clause
from . import CONTINUE, Done, Target
from .mark import turned


def _queue(clause: Clause, place: Place) -> Target:
    """Without a program that reads it, a queue drops the packet, or with --queue-bypass lets it pass."""
    single, balance = clause.get("queue-num"), clause.get("queue-balance")
    if balance:
        first, _colon, last = balance.value.partition(":")
        numbers = range(number(first, 0xFFFF), number(last, 0xFFFF) + 1)
    else:
        low = number(single.value, 0xFFFF) if single else 0
        numbers = range(low, low + 1)
    bypass = clause.get("queue-bypass") is not None

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        readers = {evaluation.facts.queue_read(each) for each in numbers}
        alike = readers.pop() if len(readers) == 1 else None
        read = evaluation.choose(*queues.unsure(numbers, evaluation.facts.queue_read)) if alike is None else alike
        unread = None if read else Action("unread_queue", queues.named(numbers))
        if bypass and not read:
            return "accept", unread
        return Outcome("queue" if read else "drop", queue=queues.known(numbers, read, alike is not None)), unread

    return apply


def _tproxy(clause: Clause, place: Place) -> Target:
    option, mark = clause.get("on-port"), clause.get("tproxy-mark")
    port = number(option.value, 0xFFFF) if option else None
    value, mask = value_and_mask(mark.value) if mark else (0, 0)
    own = clause.get("on-ip")
    address = packed(own.value, place.family) if own else None

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        wanted = packet.destination_port if port in (None, 0) else port
        found = transparent(packet, evaluation.facts, address, wanted)
        if found is None:
            found = evaluation.choose(f"whether a transparent socket listens on port {wanted} for TPROXY")
        if not found:
            return "drop", Action("no_transparent_socket", f"port {wanted}")
        packet.mark = turned(packet.mark, ~mask & 0xFFFFFFFF, value)
        done = Action("tproxy", f":{wanted}")
        packet.changed(done)
        return "accept", done

    return apply


def _synproxy(clause: Clause, place: Place) -> Target:
    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        flags = packet.flags & (SYN | ACK | FIN | RST)
        if flags == SYN:
            return Outcome("stolen"), Action("synproxy", "answers it")
        if flags == ACK:
            taken = evaluation.choose("whether the ACK answers a SYN cookie of SYNPROXY")
            return (Outcome("stolen"), Action("synproxy", "takes the cookie")) if taken else ("drop", None)
        return CONTINUE

    return apply


def _set(clause: Clause, place: Place) -> Target:
    names = [option.values[0] for option in clause.options if option.name in ("add-set", "del-set", "map-set") and option.values]
    if not names:
        raise DecodeError("SET without a set")

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        if clause.get("map-mark"):
            raise UnsupportedError(f"SET takes a mark from the ipset {names[-1]}, which we do not model")
        for option in clause.options:
            if option.name in ("add-set", "del-set"):
                evaluation.memory["ipset", option.values[0]] = True
        return CONTINUE

    return apply


BUILDERS: dict[str, t.Callable[[Clause, Place], Target]] = {
    "NFQUEUE": _queue,
    "QUEUE": _queue,
    "TPROXY": _tproxy,
    "SYNPROXY": _synproxy,
    "SET": _set,
}
