# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Which fixes are rehearsed in a copy of their host's firewall before they are made, and what follows from that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .mending import Mending

MODULE = "threeway.handshake.firewall_rehearsal"
_STEPS = ("threeway.handshake.firewall_rule", "community.general.ufw", "ansible.posix.firewalld")
_REFUSED = ("fails", "unknown")
NOT_REHEARSED = "not_rehearsed"

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
        if each.packets and each.steps and all(step["module"] in _STEPS for step in each.steps)
    ]


def answered(order: Sequence[Json], returned: Json) -> dict[str, dict[str, str]]:
    """What a host's answer says of each of its fixes; a rehearsal that was not possible says nothing against a fix."""
    fixes = returned.get("fixes")
    if returned.get("failed") or not isinstance(fixes, list) or len(fixes) != len(order):
        why = str(returned.get("msg") or "the host did not say what came of it")
        return {fix["key"]: {"result": NOT_REHEARSED, "why": why} for fix in order}
    return {fix["key"]: {name: str(each.get(name)) for name in ("result", "why")} for fix, each in zip(order, fixes, strict=True)}


def objection(key: str, host: str, rehearsed: Rehearsed) -> str | None:
    """Why a fix is not made, half a sentence; None if it may be."""
    found = rehearsed.get(key)
    if found is None or found["result"] not in _REFUSED:
        return None
    return f"rehearsed in a copy of the firewall of {host}, it does not do what it is for: {found['why']}"


def remark(mending: Mending, rehearsed: Rehearsed) -> str | None:
    """What the plan says of a fix that may be made; None for fixes of other things than firewalls."""
    found = rehearsed.get(mending.key)
    if found is None:
        return None
    if found["result"] == NOT_REHEARSED:
        return f"not rehearsed: {found['why']}"
    if found["result"] == "further":
        return f"rehearsed in a copy of the firewall: {found['why']}"
    if found["why"]:
        return f"rehearsed in a copy of the firewall: it lets through what is stopped now, and nothing else; {found['why']}"
    return "rehearsed in a copy of the firewall: it opens the flow, and nothing else"
