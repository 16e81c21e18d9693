# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Records as JSON in which equal values are written once: thousands of flows share most of their sentences."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from functools import cache


class Pool:
    """``values[reference]`` is a scalar, or a list: the number of a shape, then references.

    ``shapes[number]`` has the names of a record's fields; shape 0 has none, and stands for a list.
    """

    def __init__(self) -> None:
        self.values: list[object] = []
        self.shapes: list[tuple[str, ...]] = [()]
        self.size = 0
        """About as many characters of JSON as the values take."""
        self._references: dict[Hashable, int] = {}
        self._numbers: dict[type, int] = {}

    def add(self, value: object) -> int:
        """The reference of a record (a dataclass), a list or a scalar; times have microseconds."""
        if isinstance(value, float):
            value = round(value, 3)
        if value is None or isinstance(value, str | int | float):
            return self._keep((type(value), value), value, len(value) + 3 if isinstance(value, str) else 6)
        if isinstance(value, tuple | list):
            entry = (0, *map(self.add, value))
        elif is_dataclass(value) and not isinstance(value, type):
            entry = (self._shape(type(value)), *(self.add(getattr(value, name)) for name in _names(type(value))))
        else:
            raise TypeError(type(value))
        return self._keep(entry, entry, 2 + 7 * len(entry))

    def _keep(self, key: Hashable, value: object, size: int) -> int:
        if key not in self._references:
            self._references[key] = len(self.values)
            self.values.append(value)
            self.size += size
        return self._references[key]

    def _shape(self, kind: type) -> int:
        if kind not in self._numbers:
            self._numbers[kind] = len(self.shapes)
            self.shapes.append(_names(kind))
        return self._numbers[kind]


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
