# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Which handshakes, that no flow asks for, would show most about what failures have in common; and the flows that try them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

from .._plan.plan import Entry
from .groups import MOST_PATTERNS, Common, Flow, matrix_of
from .isolate import Cell, Pattern, isolate

NAME = "isolate"
"""The name of flows that are only tried for comparison."""
_MOST_FAILURES = 100  # of a pattern, whose neighbours in the matrix are looked at


def worth_trying(flows: Sequence[Flow], common: Common, most: int) -> list[Cell]:
    """At most so many places of the matrix that were not tried: those that distinguish explanations, then neighbours of failures.

    The client is one that has tried something, and the end is one that some flow names: of other ports nobody knows whether anything
    should listen there.
    """
    _tried, _matrix, results = matrix_of(flows)
    patterns = isolate(results, common) if len(results) > 1 else []
    if not 0 < len(patterns) <= MOST_PATTERNS:
        return []
    clients = list(dict.fromkeys(cell.client for cell in results))
    ends = list(dict.fromkeys(cell[1:] for cell in results))
    turns = zip_longest(*(_neighbours(pattern, clients, ends) for pattern in patterns))
    untried = (cell for cell in chain.from_iterable(turns) if cell and cell not in results and cell.client != cell.server)
    return list(dict.fromkeys(untried))[:most]


def _neighbours(pattern: Pattern, clients: Sequence[str], ends: Sequence[tuple[str, int, int]]) -> Iterator[Cell]:
    """What distinguishes a pattern from its rivals; then other clients of the same end, and other ends for the same client."""
    if pattern.next_probe and pattern.next_probe[1:] in ends:
        yield pattern.next_probe
    for cell in pattern.cells[:_MOST_FAILURES]:
        others = [end for end in ends if end != cell[1:]]
        others.sort(key=lambda end: (end[1:] != cell[2:], end[2] != cell.family))  # other servers at the same port first
        pairs = zip_longest((Cell(client, *cell[1:]) for client in clients), (Cell(cell.client, *end) for end in others))
        yield from (each for pair in pairs for each in pair if each)


def flows_of(cells: Sequence[Cell], entries: Sequence[Entry], flows: Sequence[Flow]) -> list[dict[str, Any]]:
    """The flows that try some places, as users write them: each end as the first flow that names it."""
    known: dict[tuple[str, int, int], Entry] = {}
    for entry, flow in zip(entries, flows, strict=True):
        known.setdefault(matrix_of([flow])[1].cell(flow)[1:], entry)
    return [_flow(cell, known[cell[1:]]) for cell in cells]


def _flow(cell: Cell, like: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"name": NAME, "clients": cell.client, "port": like.port, "address": like.address, "timeout": like.timeout}
    return found | ({"servers": like.server} if like.server else {})


def probed(flows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the report says of the handshakes that were only tried for comparison."""
    found = []
    for flow in flows:
        first = flow["causes"][0] if flow["causes"] else {}
        known = {name: flow[name] for name in ("client", "server", "address", "port", "status")}
        found.append({**known, **{name: first.get(name) for name in ("code", "host", "certainty")}})
    return found
