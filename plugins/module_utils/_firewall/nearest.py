# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which element of a set a packet just misses: by one field, and by no other that begins alike."""

from __future__ import annotations

import typing as t

Fields = t.List[t.Tuple[int, int, int]]  # of each field: the first number, the last one, and how many bits it has
Kind = t.TypeVar("Kind")


def nearest(key: Fields, elements: t.Iterable[tuple[Fields, Kind]]) -> Kind | None:
    """The element whose field that the key misses is the nearest; None where none begins with half of the bits that the key has there."""
    best: tuple[int, Kind] | None = None
    for fields, element in elements:
        gap = _gap(key, fields)
        if gap is not None and (best is None or gap < best[0]):
            best = (gap, element)
    return best[1] if best else None


def _gap(key: Fields, fields: Fields) -> int | None:
    """By how much the key misses one field, where it misses no other."""
    if len(key) != len(fields):
        return None
    missed = [(mine, first, last, bits) for (mine, _last, bits), (first, last, _bits) in zip(key, fields) if not first <= mine <= last]
    if len(missed) != 1:
        return None
    mine, first, last, bits = missed[0]
    end = first if mine < first else last
    return abs(mine - end) if len(key) > 1 or not (mine ^ end) >> (bits // 2) else None
