# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Matches on rates, counts and chance, which cannot be known, and on lists of recent addresses, which can be read.

Sources: net/netfilter/xt_limit.c, xt_hashlimit.c, xt_quota.c, xt_statistic.c, xt_recent.c.
"""

from __future__ import annotations

import re

from ...._errors import DecodeError
from ...evaluation import LIMIT, Evaluation
from ...packet import Packet, packed
from .. import condition
from ..condition import Answer, Builder, Condition, Place, Unknown
from ..syntax import Clause

_RECENT = "/proc/net/xt_recent/"
_ENTRY = re.compile(r"src=(\S+) ttl: \d+ last_seen: \d+ oldest_pkt: \d+((?:,? \d+)*)")


def _rate(clause: Clause, place: Place) -> list[Condition]:
    return condition.unknown_match(clause, place, f"the rate of {condition.whole(clause)}", LIMIT)


def _statistic(clause: Clause, place: Place) -> list[Condition]:
    text = condition.whole(clause)
    probability = clause.get("probability")
    if probability is None:
        return condition.unknown_match(clause, place, f"the count of {text}", LIMIT)
    try:
        odds = float(probability.value)
    except ValueError:
        raise DecodeError(f"{probability.value[:40]!r} is no probability") from None
    if odds in (0.0, 1.0):
        return [Condition(text, lambda packet, evaluation: odds == 1.0, probability.negated)]
    shown = 1 - odds if probability.negated else odds
    unknown = Unknown(f"chance ({shown:.4g} of all packets match {text})", (place.rule, text), LIMIT)
    return [Condition(text, lambda packet, evaluation: unknown)]


# -- recent


def _recent(clause: Clause, place: Place) -> list[Condition]:
    text = condition.whole(clause)
    list_ = clause.get("name")
    name = list_.value if list_ else "DEFAULT"
    if "/" in name or name in (".", ".."):
        raise DecodeError(f"{name[:60]!r} is no name of a list")
    how = next((option for option in clause.options if option.name in ("set", "rcheck", "update", "remove")), None)
    if how is None:
        raise DecodeError("-m recent does not say what to do")
    seconds, hits = (condition.number(each.value) if each else 0 for each in (clause.get("seconds"), clause.get("hitcount")))
    mask = clause.get("mask")
    keep = condition.address(mask.value, place.family) if mask else b"\xff" * (4 if place.family == 4 else 16)
    pick = condition.destination if clause.get("rdest") else condition.source
    unknown = Unknown(text, (place.rule, text), LIMIT)

    def entry(packet: Packet, evaluation: Evaluation) -> tuple[bytes | None, int | None]:
        """The address and how often it was seen: None unknown, 0 not in the list."""
        value = pick(packet)
        if not isinstance(value, bytes):
            return None, None
        address = bytes(have & wanted for have, wanted in zip(value, keep))
        known = evaluation.memory.get(("recent", name, address))
        if not isinstance(known, int):
            known = None if evaluation.facts.lasting else _stamps(name, address, keep)
        return address, known

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if how.name == "set":
            return True
        _address, stamps = entry(packet, evaluation)
        if stamps is None:
            return unknown
        if stamps == 0 or (how.name != "remove" and stamps < hits):
            return False
        return unknown if how.name != "remove" and (seconds or clause.get("rttl")) else True

    def act(packet: Packet, evaluation: Evaluation) -> None:
        address, stamps = entry(packet, evaluation)
        if address is not None and stamps is not None and how.name != "rcheck":
            evaluation.memory["recent", name, address] = 0 if how.name == "remove" else stamps + 1

    return [Condition(text, test, how.negated, None, None if how.name == "rcheck" else act)]


def _stamps(name: str, address: bytes, mask: bytes) -> int | None:
    """How often the kernel's list has seen an address; None when that cannot be read."""
    try:
        with open(_RECENT + name, encoding="ascii", errors="replace") as file:
            for line in file:
                found = _ENTRY.match(line)
                if found and bytes(have & keep for have, keep in zip(packed(found[1]), mask)) == address:
                    return len(found[2].replace(",", " ").split())
    except (OSError, ValueError):
        return None
    return 0


BUILDERS: dict[str, Builder] = {
    "limit": _rate,
    "hashlimit": _rate,
    "quota": _rate,
    "statistic": _statistic,
    "recent": _recent,
}
