# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The entries of a report, in the order of the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

Document = dict[str, Any]


class Entries(Sequence[Document]):
    """The entry of a flow that is plainly well is made each time it is read: for a large fleet, all of them together take gigabytes."""

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self._kept: list[Document | Callable[[], Document]] = []
        self.counts = Counter[str]()
        """How many have a status."""
        for document in documents:
            self.add(document)

    def add(self, document: Document) -> None:
        self._kept.append(document)
        self.counts[document["status"]] += 1

    def add_well(self, make: Callable[[], Document]) -> None:
        self._kept.append(make)
        self.counts["ok"] += 1

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Document]:
        return (each() if callable(each) else each for each in self._kept)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and [*self] == [*other]

    def __repr__(self) -> str:
        return repr([*self])

    __hash__ = None  # type: ignore[assignment]

    @overload
    def __getitem__(self, index: int) -> Document: ...

    @overload
    def __getitem__(self, index: slice) -> Entries: ...

    def __getitem__(self, index: int | slice) -> Document | Entries:
        if isinstance(index, slice):
            return Entries([each() if callable(each) else each for each in self._kept[index]])
        found = self._kept[index]
        return found() if callable(found) else found
