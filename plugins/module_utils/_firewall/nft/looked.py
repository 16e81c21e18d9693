# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What a rule found when it looked into a set with a name, or what it found instead: made when somebody asks."""

from __future__ import annotations

import itertools
import typing as t

from ..evaluation import Membership, Reference
from ..nearest import Fields, nearest
from . import fields as _fields
from .context import Asking
from .described import comment
from .elements import IN_NETWORK_ORDER, interval, one
from .fields import Field
from .sets import CONSTANT, MAP, Element, Set

_MOST = 200_000  # elements among which the nearest one is looked for


class Looked:
    """`Looked` of evaluation.py."""

    def __init__(self, asking: Asking, found_set: Set, key: bytes, element: Element | None) -> None:
        self._asking, self._set, self._key, self._found = asking, found_set, key, element
        self.set: Membership = ("nft", *asking.key, found_set.about.name)
        self.element: bytes | None = element.key if element is not None else None

    def holds(self, value: bytes) -> bool:
        fields = self._asking.fields()
        ends = list(itertools.accumulate((field.length + 3) & ~3 for field in fields))
        return any(self._key[at : at + field.length] == value for at, field in zip([0, *ends], fields))

    def alone(self) -> bool:
        fields = self._asking.fields()
        return self._found is not None and all(first == last for first, last, _bits in self._cells(fields, self._found))

    def reference(self) -> Reference:
        """As docs/firewall.md has it."""
        family, table = self._asking.key
        fields, flags = self._asking.fields(), self._set.about.flags
        length = _length(fields) or self._set.about.key_length
        key, found = self._key[:length], self._found
        near = None if found is not None else self._nearest(fields, key)
        return {
            "kind": "nft",
            "family": family,
            "table": table,
            "set": self._set.about.name,
            "map": bool(flags & MAP),
            "key": _fields.written(fields, key, self._asking.links),
            "element": None if found is None else self._written(fields, found),
            "nearest": None if near is None else self._written(fields, near),
            "expires": None if found is None or found.expires is None else found.expires // 1000,
            "comment": None if found is None else comment(found.userdata),
            "count": self._set.count,
            "filled_by": self._asking.filled_by(self._set.about.name),
            "changeable": not flags & CONSTANT and (found is not None or not flags & MAP),
        }

    def _written(self, fields: t.Sequence[Field], element: Element) -> str:
        if self._set.interval and not self._set.ranged:
            return interval(fields, *self._set.ends(element), self._asking.links)
        return one(fields, element, self._asking.links)

    def _nearest(self, fields: t.Sequence[Field], key: bytes) -> Element | None:
        """The element that the key misses by the least."""
        if not fields or any(field.form not in IN_NETWORK_ORDER for field in fields):
            return None
        known = itertools.islice(self._set.elements(), _MOST)
        return nearest(_numbers(fields, key, key), ((self._cells(fields, each), each) for each in known))

    def _cells(self, fields: t.Sequence[Field], element: Element) -> Fields:
        if not self._set.interval or self._set.ranged:
            return _numbers(fields, element.key, element.last)
        first, behind = self._set.ends(element)
        bits = 8 * len(first)
        return [(int.from_bytes(first, "big"), (int.from_bytes(behind, "big") if behind is not None else 1 << bits) - 1, bits)]


def _numbers(fields: t.Sequence[Field], first: bytes, last: bytes) -> Fields:
    cells, at = [], 0
    for field in fields:
        piece = slice(at, at + field.length)
        cells.append((int.from_bytes(first[piece], "big"), int.from_bytes(last[piece], "big"), 8 * field.length))
        at += (field.length + 3) & ~3
    return cells


def _length(fields: t.Sequence[Field]) -> int:
    return sum((field.length + 3) & ~3 for field in fields[:-1]) + fields[-1].length if fields else 0
