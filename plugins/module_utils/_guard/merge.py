# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Three-way merges: undo our own change, and keep what others have changed since then.

`saved` is the state before our change, `made` the state right after it, `now` the present state. What differs between `saved` and `made`
is ours and is undone; what differs between `made` and `now` is somebody else's and stays. Where both changed the same thing, ours is
undone and theirs is lost with it.
"""

from __future__ import annotations

import difflib
import typing as t

_MOST = 4000  # entries of a list that are aligned one by one; beyond, what is between equal beginnings and ends counts as replaced

K = t.TypeVar("K")
V = t.TypeVar("V")


class Entry(t.NamedTuple):
    """An entry of a list: what it says, by which it is compared, and the entry itself."""

    says: t.Hashable
    content: t.Any


def merge_maps(
    saved: t.Mapping[K, V], made: t.Mapping[K, V], now: t.Mapping[K, V], says: t.Callable[[V], object] = lambda value: value
) -> dict[K, V]:
    """In the order of `saved`, with what is new after it. Values are compared by what they say."""

    def said(values: t.Mapping[K, V], key: K) -> object:
        return (says(values[key]),) if key in values else None

    merged = {}
    for key in [*saved, *(key for key in now if key not in saved)]:
        source = now if said(saved, key) in (said(made, key), said(now, key)) else saved
        if key in source:
            merged[key] = source[key]
    return merged


def merge_lists(saved: t.Sequence[Entry], made: t.Sequence[Entry], now: t.Sequence[Entry]) -> list[Entry]:
    """The order counts: what is put back comes after the entry after which it was, or else before the one before which it was."""
    in_made, in_now = aligned(saved, made), aligned(made, now)
    ours = set(range(len(made))) - set(in_made.values())
    undone = {in_now[index] for index in ours if index in in_now}
    free = set(range(len(now))) - set(in_now.values())
    place: dict[int, int] = {}  # index in `saved` -> index in `now`
    missing = []
    for index, entry in enumerate(saved):
        if index in in_made:
            if in_made[index] in in_now:
                place[index] = in_now[in_made[index]]
            continue
        again = next((at for at in sorted(free) if now[at].says == entry.says), None)  # somebody has put it back already
        if again is None:
            missing.append(index)
        else:
            free.remove(again)
            place[index] = again
    behind: dict[int, list[Entry]] = {}
    for index in missing:
        before = max((other for other in place if other < index), default=None)
        after = min((other for other in place if other > index), default=None)
        at = place[before] if before is not None else place[after] - 1 if after is not None else -1
        behind.setdefault(at, []).append(saved[index])
    merged = list(behind.get(-1, ()))
    for at, entry in enumerate(now):
        if at not in undone:
            merged.append(entry)
        merged += behind.get(at, ())
    return merged


def without_marked(old: t.Sequence[Entry], now: t.Sequence[Entry], marked: t.Callable[[Entry], bool]) -> list[Entry]:
    """`now` without marked entries that are new, and with those that were there; nothing else is ours."""
    pairs = aligned(old, now)
    there = set(pairs.values())
    before = [entry for index, entry in enumerate(old) if index in pairs or marked(entry)]
    after = [entry for index, entry in enumerate(now) if index in there or marked(entry)]
    return merge_lists(before, after, now)


def aligned(one: t.Sequence[Entry], other: t.Sequence[Entry]) -> dict[int, int]:
    """Index in the one list -> index in the other, of the entries that say the same, in order."""
    first, most = 0, min(len(one), len(other))
    while first < most and one[first].says == other[first].says:
        first += 1
    last = 0
    while last < most - first and one[-1 - last].says == other[-1 - last].says:
        last += 1
    pairs = {index: index for index in range(first)}
    pairs.update({len(one) - index: len(other) - index for index in range(1, last + 1)})
    left, right = [entry.says for entry in one[first : len(one) - last]], [entry.says for entry in other[first : len(other) - last]]
    if left and right and len(left) + len(right) <= _MOST:
        for start, begin, size in difflib.SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks():
            pairs.update({first + start + step: first + begin + step for step in range(size)})
    return pairs
