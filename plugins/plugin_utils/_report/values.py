# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Values of a JSON document that may hold anything: what is of the wrong kind reads as absent, and lists are bounded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from .._values.text import SENTENCE, clean

LIST = 64
"""Entries of a list that are read at most, where nothing else is asked for."""


def record(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def each_record(value: object) -> Iterator[Mapping[str, object]]:
    """All of a list, one after the other."""
    items = value if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping) else ()
    return (item for item in items if isinstance(item, Mapping))


def records(value: object, limit: int | None = LIST) -> list[Mapping[str, object]]:
    return [item for item in sequence(value)[:limit] if isinstance(item, Mapping)]


def texts(value: object, length: int = SENTENCE, limit: int | None = LIST) -> tuple[str, ...]:
    return tuple(clean(item, length) for item in sequence(value)[:limit])


def sequence(value: object) -> list[object]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping) else []


def number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e12:
        return None
    return float(value)


def integer(value: object, default: int = 0) -> int:
    found = number(value)
    return default if found is None else int(found)


def boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
