# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Flows that break for one common reason, grouped; and what flows that break have in common, whatever their causes."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .isolate import DIMENSIONS, HOST, Cell, Pattern, Trait, isolate

Flow = Mapping[str, Any]
"""An entry of the report."""
Common = Mapping[str, Collection[tuple[str, str]]]
"""host -> what it has in common with others: ``("group", name)``, ``("network", prefix)``"""

MOST_PATTERNS = 10
"""More patterns than that are none: failures without anything in common."""
MOST_WORK = 2_000_000
"""Groups times flows; with more of them it is not worked out for each group which flows it leaves out."""
_CONNECTS = ("ok", "degraded")


def groups(flows: Sequence[Flow], common: Common) -> list[dict[str, Any]]:
    """The first causes of all flows that are not ok, by (code, host), the most frequent first."""
    found: dict[tuple[str, str], list[Flow]] = {}
    for flow in flows:
        if flow["status"] != "ok" and flow["causes"]:
            first = flow["causes"][0]
            found.setdefault((first["code"], first["host"]), []).append(flow)
    if not found:
        return []
    matrix = Grid.of(flows)
    passed = {matrix.cell(flow): True for flow in flows if _connects(flow)} if len(found) * len(flows) <= MOST_WORK else {}
    listed = []
    for (code, host), members in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        patterns = isolate({**passed, **{matrix.cell(flow): False for flow in members}}, common) if passed else []
        descriptions = (
            [matrix.words(pattern.conditions, common) for pattern in patterns[:MOST_PATTERNS]] if len(patterns) <= MOST_PATTERNS else []
        )
        listed.append(
            {
                "code": code,
                "host": host,
                "flows": list(dict.fromkeys(flow["name"] for flow in members)),
                "entries": [flow["id"] for flow in members],
                "common": matrix.extent(patterns[0], common) if len(patterns) == 1 else matrix.hull(members),
                "summary": _summary(members, descriptions),
            }
        )
    return listed


def matrix_of(flows: Sequence[Flow]) -> tuple[list[Flow], Grid, dict[Cell, bool]]:
    """The flows that were tried and must connect, and whether those at each place of their matrix do."""
    tried = _tried(flows)
    matrix = Grid.of(tried)
    results: dict[Cell, bool] = {}
    for flow in tried:
        cell = matrix.cell(flow)
        results[cell] = results.get(cell, True) and _connects(flow)
    return tried, matrix, results


def _tried(flows: Sequence[Flow]) -> list[Flow]:
    return [flow for flow in flows if flow["expect"] == "open" and (flow["probes"]["attempts"] or flow["status"] in ("broken", "degraded"))]


def isolated(flows: Sequence[Flow], common: Common, probed: Sequence[Flow] = ()) -> list[dict[str, Any]]:
    """The fewest patterns that account for every handshake that fails and contradict none that succeeds; none where there are too many.

    ``probed``: handshakes that were only tried for comparison. They are no entries of the report.
    """
    if all(map(_connects, _tried([*flows, *probed]))):
        return []
    tried, matrix, results = matrix_of([*flows, *probed])
    patterns = isolate(results, common) if len(results) > 1 else []
    if len(patterns) > MOST_PATTERNS:
        return []
    at: dict[Cell, list[Flow]] = defaultdict(list)
    for flow in tried:
        at[matrix.cell(flow)].append(flow)
    beside = {id(flow) for flow in probed}
    return [_isolated(pattern, [flow for cell in pattern.cells for flow in at[cell]], matrix, common, beside) for pattern in patterns]


def _isolated(pattern: Pattern, members: Sequence[Flow], matrix: Grid, common: Common, beside: Collection[int]) -> dict[str, Any]:
    failing = [flow for flow in members if not _connects(flow)]
    firsts = [flow["causes"][0] for flow in failing if flow["causes"]]
    succeed = matrix.connecting - (len(members) - len(failing))  # of one place, some may fail and some connect
    return {
        **matrix.extent(pattern, common),
        "entries": [flow["id"] for flow in failing if id(flow) not in beside],
        "causes": sorted({(cause["code"], cause["host"]) for cause in firsts}),
        "summary": f"{matrix.words(pattern.conditions, common)}: {len(failing)} of {len(members)} fail"
        + (f" ({only} of them tried only to find this out)" if (only := sum(id(flow) in beside for flow in members)) else "")
        + (f"; {succeed} others connect" if succeed else ""),
        "rivals": [matrix.words(rival, common) for rival in pattern.rivals],
        "next_probe": _next(pattern.next_probe, matrix) if pattern.next_probe else None,
    }


def _next(probe: Cell, matrix: Grid) -> dict[str, Any]:
    """The next probe, with the IP version where the flows have both."""
    both = len(matrix.values["family"]) > 1
    return {"client": probe.client, "server": probe.server, "port": probe.port, "family": probe.family if both else None}


def _connects(flow: Flow) -> bool:
    """Whether it must connect and does. A flow that must be blocked shows nothing of the path if it is, and is no failure here if it is
    not."""
    return flow["expect"] == "open" and flow["status"] in _CONNECTS


@dataclass(frozen=True)
class Grid:
    """The clients, servers, ports and IP versions that flows have."""

    values: Mapping[str, Sequence[Any]]
    connecting: int
    """Handshakes that connect."""

    @classmethod
    def of(cls, flows: Sequence[Flow]) -> Grid:
        cells = {cls.cell(flow) for flow in flows}
        values: dict[str, Sequence[Any]] = {
            dimension: sorted({cell[index] for cell in cells}, key=str) for index, dimension in enumerate(DIMENSIONS)
        }
        return cls(values, sum(map(_connects, flows)))

    @staticmethod
    def cell(flow: Flow) -> Cell:
        """A server that is not managed is the address that was dialled."""
        return Cell(flow["client"], flow["server"] or flow["address"], flow["port"], _family(flow))

    def extent(self, pattern: Pattern, common: Common) -> dict[str, Any]:
        """What a pattern is about: all of a dimension, or these."""
        met = {dimension: self._members(pattern.conditions, dimension, common) for dimension in DIMENSIONS}
        return {f"{dimension}s" if dimension != "family" else "families": met[dimension] for dimension in DIMENSIONS}

    def hull(self, members: Sequence[Flow]) -> dict[str, Any]:
        """What any of these flows has."""
        cells = [self.cell(flow) for flow in members]
        names = {dimension: sorted({cell[index] for cell in cells}, key=str) for index, dimension in enumerate(DIMENSIONS)}
        return {
            f"{dimension}s" if dimension != "family" else "families": "all"
            if names[dimension] == self.values[dimension]
            else names[dimension]
            for dimension in DIMENSIONS
        }

    def _members(self, conditions: Sequence[Trait], dimension: str, common: Common) -> Any:
        condition = next((each for each in conditions if each.dimension == dimension), None)
        if condition is None:
            return "all"
        if condition.kind in (HOST, dimension):
            return [condition.value]
        return [value for value in self.values[dimension] if (condition.kind, condition.value) in common.get(value, ())]

    def words(self, conditions: Sequence[Trait], common: Common) -> str:
        """``port 7001, every client to every server``"""
        of = {condition.dimension: condition for condition in conditions}
        port = f"port {of['port'].value}" if "port" in of else self._all("port", "every port")
        family = f", IPv{of['family'].value}" if "family" in of else ""
        return f"{port}, {self._hosts(of.get('client'), 'client')} to {self._hosts(of.get('server'), 'server')}{family}"

    def _hosts(self, condition: Trait | None, dimension: str) -> str:
        if condition is None:
            return self._all(dimension, f"every {dimension}")
        if condition.kind == HOST:
            return str(condition.value)
        return f"the {dimension}s of {condition.kind} {condition.value}"

    def _all(self, dimension: str, otherwise: str) -> str:
        values = self.values[dimension]
        only = f"port {values[0]}" if dimension == "port" else f"{values[0]}"
        return only if len(values) == 1 else otherwise


def _family(flow: Flow) -> int:
    """The IP version of the address that was dialled, of a name that of its first address."""
    return next((version for text in (flow["address"], *flow["resolved"]) if (version := _version(text))), 4)


@lru_cache(4096)
def _version(text: str) -> int | None:
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return None


def _summary(members: Sequence[Flow], descriptions: Sequence[str]) -> str:
    first = members[0]["causes"][0]
    if len(members) == 1:
        return str(first["summary"])
    where = "on the way" if first["host"] == "path" else f"at {first['host']}"
    which = f" ({'; '.join(descriptions)})" if descriptions else ""
    return f"{first['title']} {where}: {len(members)} handshakes{which}, for example: {first['summary']}"
