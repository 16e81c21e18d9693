# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A difference in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .compare import KEYS, KINDS, Difference

_WHAT = {
    "name": "the name",
    "listener": "the listener on",
    "service": "the service",
    "firewall": "the firewall's answer to",
    "route": "the way",
    "neighbour": "the next hop",
    "sysctl": "the sysctl",
}
_NAMING = {KINDS[part]: names for part, names in KEYS.items()}


def sentence(difference: Difference) -> str:
    """What differs, without judging it."""
    was, is_ = difference.before, difference.after
    if difference.kind == "reboot":
        return _reboot(difference)
    if difference.kind == "flow":
        return f"the flow {difference.name} was {difference.change} since the baseline was written"
    what = f"{_WHAT[difference.kind]} {difference.name}"
    if difference.change == "added":
        return f"{what} is new: {_record(difference.kind, is_)}"
    if difference.change == "removed":
        return f"{what} is gone: it was {_record(difference.kind, was)}"
    if isinstance(was, Mapping) and isinstance(is_, Mapping):
        changed = [name for name in {**was, **is_} if was.get(name) != is_.get(name)]
        if "rules" in changed:  # which say as much
            changed = [name for name in changed if name not in ("decided_by", "manager")]
        return f"{what} differs: " + "; ".join(_field(name, was.get(name), is_.get(name)) for name in changed)
    return f"{what} is {_said(is_)}, and was {_said(was)}"


def _record(kind: str, record: Any) -> str:
    """All of a record that is not in its name."""
    if kind == "firewall":
        rules = record.get("decided_by") or "; ".join(record.get("rules") or ())
        return f"{record['verdict']} by {rules}" if rules else str(record["verdict"])
    return _said(
        {name: value for name, value in record.items() if name not in _NAMING.get(kind, ())} if isinstance(record, Mapping) else record
    )


def _reboot(difference: Difference) -> str:
    change = difference.after or difference.before
    lasts = f"{change['kind']} {change['name']}: now {change['now'] or 'empty'}, after a reboot {change['then'] or 'empty'}"
    if difference.change == "removed":
        return f"a reboot would no longer change {change['kind']} {change['name']}"
    return f"a reboot would change {lasts} ({change['because']})"


def _field(name: str, was: Any, is_: Any) -> str:
    words = name.replace("_", " ")
    if isinstance(was, list) and isinstance(is_, list):
        gone, new = ([each for each in these if each not in those] for these, those in ((was, is_), (is_, was)))
        said = [f"without {_said(gone)}"] * bool(gone) + [f"with {_said(new)}"] * bool(new)
        return f"{words} {' and '.join(said) or 'in another order'}"
    return f"{words} is {_said(is_)} instead of {_said(was)}"


def _said(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_said(each)}" for name, each in value.items())[:500]
    if isinstance(value, list):
        return "; ".join(map(str, value))[:500]
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
