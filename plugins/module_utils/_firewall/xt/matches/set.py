# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The match set (net/netfilter/xt_set.c): whether an ipset contains the packet's addresses and ports."""

from __future__ import annotations

from ...._errors import DecodeError
from ...evaluation import Evaluation
from ...packet import Packet
from .. import condition
from ..condition import Answer, Condition, Place, Unknown
from ..looked import Looked
from ..syntax import Clause

_COUNTERS = ("packets-eq", "packets-lt", "packets-gt", "bytes-eq", "bytes-lt", "bytes-gt")
_KNOWN = ("match-set", "return-nomatch", "update-counters", "update-subcounters", *_COUNTERS)


def build(clause: Clause, place: Place) -> list[Condition]:
    option = clause.get("match-set")
    if option is None or len(option.values) != 2 or any(each.name not in _KNOWN for each in clause.options):
        raise DecodeError("-m set with options that we do not model")
    name, ends = option.values
    directions = tuple(ends.split(","))
    if not set(directions) <= {"src", "dst"}:
        raise DecodeError(f"{ends[:40]!r} says not src or dst")
    nomatch = clause.get("return-nomatch") is not None
    counted = any(each.name in _COUNTERS for each in clause.options)
    text = condition.whole(clause)

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if ("ipset", name) in evaluation.memory:
            return Unknown(f"what an earlier rule did to the ipset {name}", ("ipset", name, text, packet.generation))
        members = evaluation.facts.set_members(name)
        if members is None:
            return Unknown(f"the ipset {name}, which was not found", ("ipset", name, text))
        found = members.search(packet, directions, nomatch, evaluation.facts, changed=evaluation.changed_sets)
        if found.answer is None or (found.answer and counted):
            return condition.unknown_field(packet, text)
        evaluation.looked.append(Looked(found.set, found.member, found.set.own(packet, directions)))
        return bool(found.answer)

    def seen(packet: Packet) -> str:
        return "not in the set" if not option.negated else "in the set"

    return [Condition(text, test, option.negated, seen)]
