# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What failures have in common, held against brute force on small matrices and against planted faults on large ones."""

from __future__ import annotations

import random
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.isolate import Cell, Pattern, Trait, isolate

Common = dict[str, list[tuple[str, str]]]


def matrix(clients: int, servers: int, ports: int = 1) -> list[Cell]:
    return [
        Cell(f"c{client}", f"s{server}", 7000 + port, 4) for client in range(clients) for server in range(servers) for port in range(ports)
    ]


def conditions(*patterns: Pattern) -> list[tuple[tuple[str, str | int], ...]]:
    return [tuple((each.kind, each.value) for each in pattern.conditions) for pattern in patterns]


def test_a_port_of_all_clients_and_servers() -> None:
    results = {cell: cell.port != 7001 for cell in matrix(10, 10, 10)}
    assert conditions(*isolate(results, {})) == [(("port", 7001),)]


def test_a_group_of_clients_and_one_server() -> None:
    results = {cell: not (cell.client in ("c0", "c1") and cell.server == "s4") for cell in matrix(6, 6)}
    common: Common = {f"c{number}": [("group", "edge" if number < 2 else "core")] for number in range(6)}
    assert conditions(*isolate(results, common)) == [(("group", "edge"), ("host", "s4"))]


def test_everything_fails() -> None:
    (pattern,) = isolate(dict.fromkeys(matrix(3, 3), False), {})
    assert pattern.conditions == ()
    assert len(pattern.cells) == 9


def test_nothing_fails() -> None:
    assert isolate(dict.fromkeys(matrix(2, 2), True), {}) == []


def test_rivals_are_named_and_the_probe_that_tells_them_apart() -> None:
    results = {Cell("c1", "s1", 1, 4): False, Cell("c2", "s2", 1, 4): True}
    (pattern,) = isolate(results, {})
    assert conditions(pattern) == [(("host", "c1"),)]
    assert [each[0].value for each in pattern.rivals] == ["s1"]
    assert pattern.next_probe == Cell("c1", "s2", 1, 4)


def test_a_pattern_that_rests_on_one_server_asks_for_another() -> None:
    results = {Cell("c1", "s1", 1, 4): False, Cell("c2", "s1", 1, 4): True, Cell("c2", "s2", 1, 4): True}
    (pattern,) = isolate(results, {})
    assert conditions(pattern) == [(("host", "c1"),)]
    assert pattern.next_probe == Cell("c1", "s2", 1, 4)


SMALL = matrix(3, 3, 2)
GROUPS: Common = {"c0": [("group", "a")], "c1": [("group", "a"), ("group", "b")], "c2": [("group", "b")], "s0": [("group", "a")]}


def options(cell: Cell, dimension: int) -> set[Trait | None]:
    name = ("client", "server", "port", "family")[dimension]
    found: set[Trait | None] = {None, Trait(name, "host" if dimension < 2 else name, cell[dimension])}  # type: ignore[arg-type]
    return found | {Trait(name, kind, value) for kind, value in GROUPS.get(str(cell[dimension]), ()) if dimension < 2}  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(SMALL), st.booleans(), max_size=len(SMALL)))
def test_it_is_as_small_as_brute_force(results: dict[Cell, bool]) -> None:
    failed = frozenset(cell for cell, passed in results.items() if not passed)
    boxes = {box for cell in failed for box in product(*(options(cell, dimension) for dimension in range(4)))}
    extents = set()
    for box in boxes:
        inside = {cell for cell in results if all(each is None or each in options(cell, index) for index, each in enumerate(box))}
        if inside <= failed:
            extents.add(frozenset(inside))
    found = isolate(results, GROUPS)
    covered = {cell for pattern in found for cell in pattern.cells}
    assert covered == failed
    for size in range(len(found)):
        assert not any(frozenset().union(*some) == failed for some in combinations(extents, size)) or not failed


def planted(seed: int, clients: int, servers: int, share: float) -> tuple[dict[Cell, bool], Common, set[Cell], set[Cell]]:
    """Results of a share of the matrix, what hosts have in common, all places that fail, and all places."""
    chance = random.Random(seed)
    common: Common = {f"c{number}": [("network", f"n{number // 20}"), ("group", f"g{number % 7}")] for number in range(clients)}
    common |= {f"s{number}": [("network", f"m{number // 20}"), ("group", f"h{number % 5}")] for number in range(servers)}
    faults = []
    for _fault in range(chance.randint(1, 3)):
        kind = chance.choice(["client", "server", "networks", "group to server"])
        client, server = chance.randrange(clients), chance.randrange(servers)
        faults.append(
            {
                "client": lambda c, s, client=client: c == client,
                "server": lambda c, s, server=server: s == server,
                "networks": lambda c, s, client=client, server=server: c // 20 == client // 20 and s // 20 == server // 20,
                "group to server": lambda c, s, client=client, server=server: c % 7 == client % 7 and s == server,
            }[kind]
        )
    places = {Cell(f"c{c}", f"s{s}", 7000, 4): any(fault(c, s) for fault in faults) for c in range(clients) for s in range(servers)}
    results = {cell: not fails for cell, fails in places.items() if chance.random() < share}
    return results, common, {cell for cell, fails in places.items() if fails}, set(places)


def judged(seed: int, clients: int, servers: int) -> tuple[int, int, int]:
    """Places that are said to fail and do, that are said to fail, and that fail."""
    results, common, failing, places = planted(seed, clients, servers, 0.2)
    said = set()
    for pattern in isolate(results, common):
        for cell in places:
            hosts = {"client": cell.client, "server": cell.server}
            if all(
                each.value == hosts[each.dimension] if each.kind == "host" else (each.kind, each.value) in common[hosts[each.dimension]]
                for each in pattern.conditions
            ):
                said.add(cell)
    assert not any(results.get(cell, False) for cell in said), "it contradicts a success"
    return len(said & failing), len(said), len(failing)


@pytest.mark.parametrize("clients, servers, times", [(60, 60, 20), pytest.param(500, 500, 10, marks=pytest.mark.slow)])
def test_planted_faults_are_found(clients: int, servers: int, times: int) -> None:
    right, said, failing = (sum(each) for each in zip(*(judged(seed, clients, servers) for seed in range(times)), strict=True))
    assert right / said >= 0.99
    assert right / failing >= 0.95


def test_a_host_is_not_to_be_tried_with_itself() -> None:
    (pattern,) = isolate({Cell("a", "b", 1, 4): False, Cell("b", "a", 2, 4): True}, {})
    assert pattern.rivals
    assert pattern.next_probe is None or pattern.next_probe.client != pattern.next_probe.server
