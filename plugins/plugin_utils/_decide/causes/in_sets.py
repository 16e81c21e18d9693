# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The element of a named set for which a rule stops a packet, or that the set lacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from ..._model.firewall_records import Verdict
from ..._model.host import Host
from ..._model.opening_records import InSet
from ..._values.words import plural
from ..finding import Evidence

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def in_words(verdict: Verdict) -> str:
    """``: set blocked (table inet filter) has 10.0.0.0/8``"""
    found = verdict.sets[0] if verdict.sets else None
    if found is None:
        return ""
    if found.elements:
        return f": {found.name} has {_listed(found)}" + (f" for {_age(found.expires)} more" if found.expires is not None else "")
    nearest = f": the nearest is {found.nearest}" if found.nearest else ""
    return f"; {found.name} has no element for {found.key}{nearest}"


def shown(host: Host, verdict: Verdict) -> Iterator[Evidence]:
    """Each set, who fills it, and where."""
    for found in verdict.sets:
        source = "ipset" if found.kind == "ipset" else "nftables"
        alike = found.elements == (found.key,)
        meets = (f"it has {_listed(found)}" + ("" if alike else f", for {found.key}")) if found.elements else f"none is for {found.key}"
        size = plural(found.count, "element")
        yield Evidence(host.name, source, f"{found.name}, {size}: {meets}" + "".join(f", {each}" for each in _about(found)))


def details(verdict: Verdict) -> list[dict[str, object]]:
    """For reports."""
    return [asdict(found) for found in verdict.sets]


def _about(found: InSet) -> Iterator[str]:
    if found.expires is not None:
        yield f"for {_age(found.expires)} more"
    if found.comment:
        yield f"comment '{found.comment}'"
    if found.nearest:
        yield f"{found.nearest} just misses it"
    if found.filled_by:
        yield f"{found.filled_by.name} adds to it"
    if found.file:
        yield f"written in {found.file}" + (f" line {found.line}" if found.line else "")


def _listed(found: InSet) -> str:
    return " and ".join(str(each) for each in found.elements)


def _age(seconds: int) -> str:
    """``59 min``"""
    return next((f"{seconds // length} {unit}" for length, unit in _UNITS if seconds >= length), f"{seconds} s")
