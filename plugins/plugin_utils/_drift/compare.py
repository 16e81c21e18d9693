# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Two states of a host, compared record by record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._model.records import whole
from .._values.words import endpoint
from .state import PARTS, State

Record = Mapping[str, Any]

KINDS = {
    "names": "name",
    "listeners": "listener",
    "services": "service",
    "firewall": "firewall",
    "routes": "route",
    "neighbours": "neighbour",
    "sysctls": "sysctl",
    "reboot": "reboot",
}
KEYS = {
    "listeners": ("port", "family", "address", "device"),
    "firewall": ("packet", "direction", "source", "source_port", "destination", "port", "uid"),
    "routes": ("to", "source_asked", "port", "uid"),
    "neighbours": ("address", "interface"),
    "reboot": ("kind", "name"),
}
_OF_AN_INTERFACE = re.compile(r"net\.ipv[46]\.conf\.(?!all\.)(.+)\.\w+")
# Which the kernel computes at boot from the memory that it finds then.
_COMPUTED = re.compile(r"fs\.file-max|net\.ipv4\.tcp_mem")
# Which they are only where it takes root to know: missing on one side says nothing.
_PRIVILEGED = ("process", "unit", "container", "md5", "filtered", "min_ttl", "defer_accept")


@dataclass(frozen=True)
class Difference:
    """``change``: added, removed or changed. ``before`` and ``after`` are records, None for what was or is not there."""

    kind: str
    name: str
    change: str
    before: Any
    after: Any


def differences(before: State, after: State) -> list[Difference]:
    """What differs, in the order of the parts and of their names. A part that was not observed on either side is not compared."""
    found: list[Difference] = []
    old, new = before.to_json(), after.to_json()
    for part in PARTS:
        if part in old and part in new:
            found += _of_part(part, _by_name(part, old[part]), _by_name(part, new[part]))
    return found


def not_compared(before: State, after: State) -> list[str]:
    """The parts of the baseline that could not be observed this time."""
    return [part for part in PARTS if getattr(before, part) is not None and getattr(after, part) is None]


def interfaces(state: State) -> list[str]:
    """Whose sysctls a state has."""
    return sorted({interface for interface in map(interface_of, state.sysctls or ()) if interface})


def interface_of(sysctl: str) -> str | None:
    """The interface that a sysctl is of; None for those of the host, and of `all`."""
    found = _OF_AN_INTERFACE.fullmatch(sysctl)
    return found[1] if found else None


def _of_part(part: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[Difference]:
    known = {interface_of(name) for name in old}
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if part in _SAYING_NOTHING:
            was, now = (None if each is not None and _SAYING_NOTHING[part](each) else each for each in (was, now))
        if part == "firewall" and name not in new and new:  # not asked: no way any more, or no such flow, which is reported elsewhere
            continue
        if part == "sysctls" and interface_of(name) and interface_of(name) not in known:  # used by a way that is reported elsewhere
            continue
        if part == "listeners" and was is not None and now is not None:
            was, now = _known_to_both(was, now)
        if part == "sysctls" and _COMPUTED.fullmatch(name) and _about(was, now):
            continue
        if part == "reboot" and was and now and same_change(was, now):
            continue
        if was != now:
            yield Difference(KINDS[part], name, "removed" if now is None else "added" if was is None else "changed", was, now)


def same_change(one: Record, other: Record) -> bool:
    """Whether a reboot would change the same. Older baselines have no data beside `because`, which says it as well."""
    first, second = ({name: value for name, value in each.items() if name not in ("file", "line", "enabled")} for each in (one, other))
    return first == second


def _by_name(part: str, records: Any) -> dict[str, Any]:
    if part in ("names", "services", "sysctls"):
        return dict(records)
    return {_name(part, record): record for record in records}


def _name(part: str, record: Record) -> str:
    """A record as people call it, different for each of a part."""
    said = {name: record.get(name) for name in KEYS[part]}
    of_user = f" for uid {said['uid']}" if said.get("uid") is not None else ""
    if part == "listeners":
        device = f" dev {said['device']}" if said["device"] else ""
        return f"{_end(said['address'], said['port'])} ({said['family']}{device})"
    if part == "firewall":
        return (
            f"{said['packet']} {said['direction']} {_end(said['source'], said['source_port'])} -> {_end(said['destination'], said['port'])}"
            f"{of_user}"
        )
    if part == "routes":
        source = f" from {said['source_asked']}" if said["source_asked"] else ""
        return f"to {_end(said['to'], said['port'])}{source}{of_user}"
    if part == "neighbours":
        return f"{said['address']} dev {said['interface']}"
    return f"{said['kind']} {said['name']}"


def _end(address: Any, port: Any) -> str:
    return endpoint(str(address), port) if port else str(address)


def _meets_nothing(verdict: Record) -> bool:
    return verdict["verdict"] == "accept" and not verdict.get("rules") and not verdict.get("rewritten")


# A packet that meets no rule is not reported where there are none; a next hop is reported with its way, unless somebody pinned it.
_SAYING_NOTHING: Mapping[str, Callable[[Record], bool]] = {
    "firewall": _meets_nothing,
    "neighbours": lambda neighbour: "permanent_mac" not in neighbour,
}


def _about(was: str | None, now: str | None) -> bool:
    """Whether these are the same but for a tenth, number by number."""
    first, second = ([whole(word) for word in (each or "").split()] for each in (was, now))
    if len(first) != len(second):
        return False
    pairs = zip(first, second, strict=True)
    return all(one is not None and other is not None and abs(one - other) * 10 <= one for one, other in pairs)


def _known_to_both(was: Record, now: Record) -> tuple[Record, Record]:
    """Without what one of them could not see: a listener whose process is not known has no owner that could be compared."""
    if ("process" in was) == ("process" in now):
        return was, now
    first, second = ({name: value for name, value in each.items() if name not in _PRIVILEGED} for each in (was, now))
    return first, second
