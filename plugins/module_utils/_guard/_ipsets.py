# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Saves ipsets, which rules of xtables refer to: what differs is filled beside and swapped in at once."""

from __future__ import annotations

import os
import re
import typing as t

from ._base import Blobs, Json, Run, packed, succeed, unpacked

_SPARE = "threeway-handshake"  # the name under which a set is filled; at most 31 characters
_PASSING = re.compile(r" (timeout|packets|bytes) \d+")

Set = t.Tuple[str, t.List[str]]  # what follows the name in `create`, and in each `add`


class Ipsets:
    """State: what `ipset save` prints, or None where it cannot be known."""

    def save(self, blobs: Blobs, run: Run) -> Json:
        """None when the kernel may have sets and there is no ipset to ask."""
        if not os.path.exists("/sys/module/ip_set"):
            return blobs.put(b"")
        code, output, _error = run(["ipset", "save"])
        return blobs.put(packed(output)) if code == 0 else None

    def bring_back(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Create what is missing and make equal what differs. New sets stay: rules may still refer to them, see `remove_new`."""
        now, saved = _now(record, run), _saved(record, blobs)
        if _SPARE in now:
            succeed(run, ["ipset", "destroy", _SPARE])
        missing = [name for name in saved if name not in now]
        _load(run, [f"create {name} {saved[name][0]}" for name in missing])
        for name, (kind, entries) in sorted(saved.items(), key=lambda item: item[1][0].startswith("list:")):
            if name in missing:
                _load(run, [f"add {name} {entry}" for entry in entries])
            elif _lasting(kind, entries) != _lasting(*now[name]):
                filled = [f"create {_SPARE} {kind}", *(f"add {_SPARE} {entry}" for entry in entries)]
                _load(run, [*filled, f"swap {_SPARE} {name}", f"destroy {_SPARE}"])

    def remove_new(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Destroy the sets that were not there, once no rule refers to them, those that list others first."""
        saved = _saved(record, blobs)
        new = [(not kind.startswith("list:"), name) for name, (kind, _entries) in _now(record, run).items() if name not in saved]
        _load(run, [f"destroy {name}" for _order, name in sorted(new)])

    def essence(self, record: Json, blobs: Blobs) -> Json:
        """Sets without the counters and remaining times of their entries, entries in no order."""
        return {name: _lasting(kind, entries) for name, (kind, entries) in sorted(_saved(record, blobs).items())}


def _now(record: Json, run: Run) -> dict[str, Set]:
    known = record is not None and os.path.exists("/sys/module/ip_set")
    return _parse(succeed(run, ["ipset", "save"])) if known else {}


def _saved(record: Json, blobs: Blobs) -> dict[str, Set]:
    return _parse(unpacked(blobs.get(record))) if record else {}


def _parse(text: str) -> dict[str, Set]:
    sets: dict[str, Set] = {}
    for line in text.splitlines():
        verb, name, rest = line.split(" ", 2)
        if verb == "create":
            sets[name] = (rest, [])
        else:
            sets[name][1].append(rest)
    return sets


def _load(run: Run, lines: t.Sequence[str]) -> None:
    if lines:
        succeed(run, ["ipset", "restore"], "".join(line + "\n" for line in lines))


def _lasting(kind: str, entries: t.Iterable[str]) -> list[str]:
    """What traffic and time do not change; `initval` is a random number of the kernel's."""
    return [re.sub(r" initval \S+| bucketsize \d+", "", kind), *sorted(_PASSING.sub("", entry) for entry in entries)]
