# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Many records of one kind. Their fields were checked; a record is made when somebody looks at it.

Of a fleet, most records are of handshakes that are well: of these a few fields are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Generic, TypeVar, overload

T_co = TypeVar("T_co", covariant=True)


class Alike(Sequence[T_co], Generic[T_co]):
    """A field that all records have alike."""

    def __init__(self, value: T_co, length: int) -> None:
        self._value, self._length = value, length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T_co]:
        return repeat(self._value, self._length)

    @overload
    def __getitem__(self, index: int) -> T_co: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T_co]: ...

    def __getitem__(self, index: int | slice) -> T_co | Sequence[T_co]:
        places = range(self._length)[index]
        return Alike(self._value, len(places)) if isinstance(places, range) else self._value


class Many(Sequence[T_co], Generic[T_co]):
    """``columns``: field -> its value in each record. ``make``: the record that has these fields."""

    def __init__(self, length: int, columns: Mapping[str, Sequence[Any]], make: Callable[[Mapping[str, Any]], T_co]) -> None:
        self._columns, self._make = columns, make
        self._records: list[T_co | None] = [None] * length

    @classmethod
    def of(cls, records: Iterable[T_co]) -> Many[T_co]:
        """One whose records are made."""
        made = cls(0, {}, _never)
        made._records.extend(records)
        return made

    def each(self, field: str) -> Sequence[Any]:
        """What the records have for a field."""
        return self._columns[field] if field in self._columns else [getattr(record, field) for record in self]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[T_co]:
        return map(self._at, range(len(self)))

    @overload
    def __getitem__(self, index: int) -> T_co: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T_co]: ...

    def __getitem__(self, index: int | slice) -> T_co | Sequence[T_co]:
        return self._at(range(len(self))[index]) if isinstance(index, int) else [self._at(each) for each in range(len(self))[index]]

    def _at(self, index: int) -> T_co:
        found = self._records[index]
        if found is None:
            found = self._records[index] = self._make({name: values[index] for name, values in self._columns.items()})
        return found


def _never(_fields: Mapping[str, Any]) -> Any:
    raise LookupError("all records are made")
