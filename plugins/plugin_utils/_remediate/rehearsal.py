# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Which fixes are rehearsed in a copy of their host's firewall before they are made, and what follows from that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._model import rehearsals
from .._model.rehearsals import NOT_REHEARSED
from .._model.values import bounded_text
from .mending import Mending

MODULE = "threeway.handshake.firewall_rehearsal"
_UNSAID = "the host did not report the outcome"

Json = Mapping[str, Any]
Rehearsed = Mapping[str, Json]
"""Key of a fix -> ``result`` and ``why``, as module firewall_rehearsal has them, or `NOT_REHEARSED`."""


def asked(several: Iterable[Mending]) -> list[dict[str, Any]]:
    """The fixes of one host that can be rehearsed, in the order in which they are made."""
    return [
        {
            "key": each.key,
            "steps": [{name: step[name] for name in ("module", "arguments")} for step in each.steps],
            "packets": list(each.packets),
        }
        for each in several
        if rehearsals.possible([step["module"] for step in each.steps], each.packets)
    ]


def answered(order: Sequence[Json], returned: Json) -> dict[str, dict[str, str]]:
    """What a host's answer says of each of its fixes; a rehearsal that was not possible says nothing against a fix."""
    fixes = returned.get("fixes")
    if returned.get("failed") or not isinstance(fixes, list) or len(fixes) != len(order):
        why = bounded_text(returned.get("msg") or _UNSAID)
        return {fix["key"]: {"result": NOT_REHEARSED, "why": why} for fix in order}
    return {fix["key"]: _said(each) for fix, each in zip(order, fixes, strict=True)}


def _said(fix: object) -> dict[str, str]:
    result, why = (fix.get("result"), fix.get("why")) if isinstance(fix, Mapping) else (None, None)
    if result not in rehearsals.RESULTS:
        return {"result": NOT_REHEARSED, "why": _UNSAID}
    return {"result": result, "why": bounded_text(why or "")}


def objection(key: str, host: str, rehearsed: Rehearsed) -> str | None:
    """Why a fix is not made, half a sentence; None if it may be."""
    found = rehearsed.get(key)
    return rehearsals.objection(host, found["result"], found["why"]) if found else None


def remark(mending: Mending, rehearsed: Rehearsed) -> str | None:
    """What the plan says of a fix that may be made; None for fixes of other things than firewalls."""
    found = rehearsed.get(mending.key)
    return None if found is None else rehearsals.remark(found["result"], found["why"])
