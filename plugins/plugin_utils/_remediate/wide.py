# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Fixes that start, restart or reload units: what else that changes on the host, which makes them disruptive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._values.words import plural
from .mending import Mending

MODULE = "threeway.handshake.unit_changes"
_STEP = "ansible.builtin.systemd_service"
_ACTIONS = ("started", "restarted", "reloaded")
_MOST_NAMED = 5
_WORDS = {
    "unread": "leaves unread what systemd has not read yet of the unit, which the next boot takes: {}",
    "file": "takes configuration that was changed since it was started: {}",
    "program": "runs what has been installed since in place of {}",
    "connections": "ends {count}: {}",
    "unit": "also stops or restarts {}",
}

Json = Mapping[str, Any]
Wide = Mapping[str, str]
"""Key of a fix -> what else it changes, half a sentence, which may be that this is not known; empty where it is nothing."""


def asked(several: Iterable[Mending]) -> list[dict[str, Any]]:
    """The fixes of one host that do something with units: their keys, and the units."""
    units = {each.key: [_unit(step["arguments"]) for step in each.steps if step["module"] == _STEP] for each in several}
    return [{"key": key, "units": found} for key, all_ in units.items() if (found := [each for each in all_ if each["action"] in _ACTIONS])]


def _unit(arguments: Json) -> dict[str, Any]:
    return {"name": arguments.get("name"), "action": arguments.get("state")}


def answered(order: Sequence[Json], returned: Json) -> dict[str, str]:
    """What a host's answer says of each of its fixes; a host that says nothing of a unit may change anything."""
    units = returned.get("units")
    found = units if isinstance(units, list) and not returned.get("failed") else []
    also = {(str(each.get("name")), str(each.get("action"))): each.get("also") for each in found if isinstance(each, Mapping)}
    return {
        fix["key"]: "; ".join(
            words for unit in fix["units"] for words in _words(unit["name"], also.get((str(unit["name"]), unit["action"])))
        )
        for fix in order
    }


def _words(unit: str, also: object) -> list[str]:
    if not isinstance(also, list) or not all(map(_is_change, also)):
        return [f"it is not known what else {unit} changes on the host"]
    found = [_change(each) for each in also]
    return [f"{unit} {', and '.join(found)}"] if found else []


def _is_change(each: object) -> bool:
    if not isinstance(each, Mapping):
        return False
    return each.get("kind") in _WORDS and isinstance(each.get("names"), list) and isinstance(each.get("count"), int)


def _change(change: Json) -> str:
    names = [str(name)[:200] for name in change["names"][:_MOST_NAMED]]
    more = change["count"] - len(names)
    listed = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    return _WORDS[change["kind"]].format(listed, count=plural(change["count"], "connection"))


def weighed(mending: Mending, wide: Wide) -> Mending:
    """The fix with what else it changes."""
    also = wide.get(mending.key)
    return replace(mending, risk="disruptive", why=f"{mending.why}; beside that, {also}") if also else mending


def explained(mending: Mending, barred: str | None, wide: Wide) -> str | None:
    """Why a fix is not made, with what else it would change."""
    also = wide.get(mending.key)
    return f"{barred}: {also}" if barred and also else barred
