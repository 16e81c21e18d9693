# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What failures have in common: the fewest patterns that have every failure and no success.

A pattern is a box in the matrix of clients, servers, ports and IP versions: on each of these dimensions it has one condition or none, such
as "client web1", "servers of group db", "port 7001". It holds where a failure is in it and no success is. Of patterns that have the same
failures, the one with the fewest conditions is reported, and what would distinguish it from the others is the next handshake to try.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Literal, NamedTuple

Dimension = Literal["client", "server", "port", "family"]
DIMENSIONS: tuple[Dimension, ...] = ("client", "server", "port", "family")
HOST = "host"
"""The kind of a condition that one host meets."""


class Cell(NamedTuple):
    """A place of the matrix, which may have been tried more than once; ``family`` is 4 or 6."""

    client: str
    server: str
    port: int
    family: int


class Trait(NamedTuple):
    """``kind`` is host, port or family, or what hosts have in common, such as group or network."""

    dimension: Dimension
    kind: str
    value: str | int


Box = tuple[Trait | None, ...]
"""A condition or None for each of the dimensions."""


@dataclass(frozen=True)
class Pattern:
    """``conditions`` that all of ``cells`` meet, which failed, and none that succeeded. ``rivals``: others that have the same failures.

    ``next_probe`` is a place that has not been tried, which is in the pattern and not in all of its rivals.
    """

    conditions: tuple[Trait, ...]
    cells: tuple[Cell, ...]
    rivals: tuple[tuple[Trait, ...], ...] = ()
    next_probe: Cell | None = None


@dataclass
class _Results:
    failed: list[Cell]
    passed: list[Cell]
    kinds: Mapping[tuple[Dimension, str | int], tuple[Trait, ...]]
    """The conditions that a value of a dimension meets, those of a host itself first."""
    values: Mapping[Dimension, list[str | int]]

    def options(self, cell: Cell, index: int) -> tuple[Trait, ...]:
        return self.kinds[DIMENSIONS[index], cell[index]]

    def meets(self, cell: Cell, box: Box) -> bool:
        return all(condition is None or condition in self.options(cell, index) for index, condition in enumerate(box))


def isolate(results: Mapping[Cell, bool], common: Mapping[str, Collection[tuple[str, str]]]) -> list[Pattern]:
    """The patterns of the places that failed (False), those with the most of them first. A place is missing where it was not tried.

    ``common``: what hosts have in common with others, as pairs of kind and value, such as ``("group", "web")``.
    """
    matrix = _matrix(results, common)
    if not matrix.failed:
        return []
    holding = _Holding(matrix)
    chosen = _fewest(holding.by_cell)
    patterns = [_pattern(matrix, box, holding, results) for box in chosen]
    return sorted(patterns, key=lambda pattern: (-len(pattern.cells), pattern.conditions))


def _matrix(results: Mapping[Cell, bool], common: Mapping[str, Collection[tuple[str, str]]]) -> _Results:
    """Conditions that all values of a dimension meet say nothing; of those that the same values meet, one will do."""
    kinds: dict[tuple[Dimension, str | int], tuple[Trait, ...]] = {}
    values: dict[Dimension, list[str | int]] = {}
    for index, dimension in enumerate(DIMENSIONS):
        present = sorted({cell[index] for cell in results}, key=str)
        values[dimension] = present
        members: dict[Trait, set[str | int]] = defaultdict(set)
        for value in present:
            members[Trait(dimension, HOST if index < 2 else dimension, value)].add(value)
            for kind, name in common.get(str(value), ()) if index < 2 else ():
                members[Trait(dimension, kind, name)].add(value)
        met: dict[frozenset[str | int], Trait] = {}
        for condition in sorted(members, key=lambda each: (each.kind != HOST, each.kind, str(each.value))):
            if len(members[condition]) < len(present):
                met.setdefault(frozenset(members[condition]), condition)
        of_value: dict[str | int, list[Trait]] = {value: [] for value in present}
        for those, condition in met.items():
            for value in those:
                of_value[value].append(condition)
        kinds.update({(dimension, value): tuple(conditions) for value, conditions in of_value.items()})
    failed = [cell for cell, passed in results.items() if not passed]
    return _Results(failed, [cell for cell, passed in results.items() if passed], kinds, values)


@dataclass
class _Holding:
    """The boxes that hold and are in no larger one that holds, and which of them each failure is in."""

    matrix: _Results
    by_cell: dict[Cell, list[Box]] = field(default_factory=dict)
    by_box: dict[Box, list[Cell]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_cell = {cell: [] for cell in self.matrix.failed}
        for size in range(len(DIMENSIONS) + 1):
            for where in combinations(range(len(DIMENSIONS)), size):
                self._add(where)

    def _add(self, where: tuple[int, ...]) -> None:
        candidates: dict[Box, list[Cell]] = defaultdict(list)
        for cell in self.matrix.failed:
            larger = self.by_cell[cell]
            for box in self._boxes(cell, where):
                if not any(_within(box, other) for other in larger):
                    candidates[box].append(cell)
        if candidates:
            for cell in self.matrix.passed:
                for box in self._boxes(cell, where):
                    candidates.pop(box, None)
        for box, cells in candidates.items():
            self.by_box[box] = cells
            for cell in cells:
                self.by_cell[cell].append(box)

    def _boxes(self, cell: Cell, where: tuple[int, ...]) -> Iterator[Box]:
        options = [self.matrix.options(cell, index) if index in where else (None,) for index in range(len(DIMENSIONS))]
        return product(*options)


def _within(box: Box, other: Box) -> bool:
    return all(theirs is None or theirs == ours for ours, theirs in zip(box, other, strict=True))


def _fewest(by_cell: Mapping[Cell, Sequence[Box]]) -> list[Box]:
    """The fewest boxes that have every cell, and of those the fewest conditions; by a bounded search, greedy where that is too long."""
    alike: dict[frozenset[Box], int] = defaultdict(int)
    for boxes in by_cell.values():
        alike[frozenset(boxes)] += 1
    chosen: list[Box] = []
    left = set(alike)
    while forced := [next(iter(boxes)) for boxes in left if len(boxes) == 1]:
        chosen += dict.fromkeys(forced)
        left = {boxes for boxes in left if not boxes & set(forced)}
    return chosen + _search(left, alike)


_STEPS = 20_000


def _search(left: set[frozenset[Box]], alike: Mapping[frozenset[Box], int]) -> list[Box]:
    best = _greedy(left, alike)
    steps = 0

    def explore(rest: set[frozenset[Box]], taken: list[Box]) -> None:
        nonlocal best, steps
        steps += 1
        if not rest:
            best = min(best, taken, key=_cost)
            return
        if steps > _STEPS or len(taken) + 1 > len(best):
            return
        narrowest: frozenset[Box] = min(rest, key=lambda boxes: (len(boxes), sorted(map(_order, boxes))))
        for box in sorted(narrowest, key=_order):
            explore({boxes for boxes in rest if box not in boxes}, [*taken, box])

    explore(left, [])
    return best


def _greedy(left: set[frozenset[Box]], alike: Mapping[frozenset[Box], int]) -> list[Box]:
    chosen = []
    while left:
        gains: dict[Box, int] = defaultdict(int)
        for boxes in left:
            for box in boxes:
                gains[box] += alike[boxes]
        box = min(gains, key=lambda each: (-gains[each], len(_conditions(each)), _order(each)))
        chosen.append(box)
        left = {boxes for boxes in left if box not in boxes}
    return chosen


_Order = tuple[tuple[int, str, str], ...]


def _order(box: Box) -> _Order:
    """Clients first, and names by the alphabet, whatever order a set has."""
    return tuple((index, condition.kind, str(condition.value)) for index, condition in enumerate(box) if condition is not None)


def _cost(boxes: Sequence[Box]) -> tuple[int, int, list[_Order]]:
    return len(boxes), sum(len(_conditions(box)) for box in boxes), sorted(map(_order, boxes))


def _conditions(box: Box) -> tuple[Trait, ...]:
    return tuple(condition for condition in box if condition is not None)


def _pattern(matrix: _Results, box: Box, holding: _Holding, results: Mapping[Cell, bool]) -> Pattern:
    cells = holding.by_box[box]
    have = set(cells)
    others = [other for other, theirs in holding.by_box.items() if other != box and len(theirs) == len(have) and set(theirs) == have]
    narrowest = _narrowest(matrix, box, cells)
    rivals = [*others, *([narrowest] if narrowest != box else [])]
    return Pattern(_conditions(box), tuple(cells), tuple(map(_conditions, others)), _deciding(matrix, box, rivals, results))


def _narrowest(matrix: _Results, box: Box, cells: Iterable[Cell]) -> Box:
    """The box with one more condition wherever all of the cells meet one that the box does not have."""
    shared: list[Trait | None] = []
    for index, condition in enumerate(box):
        met = [set(matrix.options(cell, index)) for cell in cells]
        common = sorted(set.intersection(*met), key=lambda each: (each.kind != HOST, each.kind, str(each.value)))
        shared.append(condition or next(iter(common), None))
    return tuple(shared)


_LOOKS = 10_000


def _deciding(matrix: _Results, box: Box, rivals: Sequence[Box], results: Mapping[Cell, bool]) -> Cell | None:
    """A place between two hosts that was not tried, in the box and in as few of its rivals as possible."""
    if not rivals:
        return None
    axes = [
        [value for value in matrix.values[dimension] if box[index] is None or box[index] in matrix.kinds[dimension, value]]
        for index, dimension in enumerate(DIMENSIONS)
    ]
    best: tuple[tuple[int, bool], Cell] | None = None
    ends = {cell[1:] for cell in results}  # at another port, or by another IP version, perhaps nothing is to listen
    for looks, values in enumerate(product(*axes)):
        cell = Cell(*values)  # type: ignore[arg-type]
        if cell in results or cell.client == cell.server:  # its own services do not pass the network
            continue
        shared = sum(matrix.meets(cell, rival) for rival in rivals)
        worth = (shared, cell[1:] not in ends)
        if shared < len(rivals) and (best is None or worth < best[0]):
            best = worth, cell
        if looks > _LOOKS or (best and best[0] == (0, False)):
            break
    return best[1] if best else None
