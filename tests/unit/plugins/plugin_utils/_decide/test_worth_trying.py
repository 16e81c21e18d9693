# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which handshakes are tried that no flow asks for: between those who tried, at ends that some flow names, and never too many."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.groups import isolated, matrix_of
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.isolate import Cell
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.worth_trying import flows_of, probed, worth_trying
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Entry

Place = tuple[int, int, int, int]
FIRST = {"code": "firewall_drop", "host": "server1", "certainty": "proven", "summary": "dropped", "title": "A firewall drops the packet"}


def flow(place: Place, status: str, expect: str = "open") -> dict[str, Any]:
    client, server, port, family = place
    address = f"10.0.2.{server}" if family == 4 else f"2001:db8:2::{server}"
    return {
        "id": f"{place}",
        "name": "flow",
        "client": f"client{client}",
        "server": f"server{server}",
        "address": address,
        "port": port,
        "resolved": [address],
        "status": status,
        "expect": expect,
        "causes": [FIRST] if status == "broken" else [],
        "probes": {"attempts": 1},
    }


def entry(told: dict[str, Any]) -> Entry:
    return Entry(
        flow=told["name"],
        client=told["client"],
        server=told["server"],
        address=told["address"],
        port=told["port"],
        dial=0,
        via=(),
        timeout=1.5,
        source=None,
    )


places = st.tuples(st.integers(1, 4), st.integers(1, 4), st.sampled_from((80, 443)), st.sampled_from((4, 6)))


@given(st.dictionaries(places, st.sampled_from(("ok", "degraded", "broken")), min_size=1), st.integers(1, 30))
def test_only_ends_that_flows_name_from_clients_that_tried(statuses: dict[Place, str], most: int) -> None:
    flows = [flow(place, status) for place, status in statuses.items()]
    _tried, _matrix, results = matrix_of(flows)
    found = worth_trying(flows, {}, most)
    assert len(found) == len(set(found)) <= most
    assert not results.keys() & set(found)
    assert {cell.client for cell in found} <= {cell.client for cell in results}
    assert {cell[1:] for cell in found} <= {cell[1:] for cell in results}
    asked = flows_of(found, [entry(each) for each in flows], flows)
    assert [(each["clients"], each["servers"], each["port"]) for each in asked] == [cell[:3] for cell in found]
    if found:
        assert any(not passed for passed in results.values())


def test_what_distinguishes_explanations_comes_first() -> None:
    flows = [flow((1, 1, 80, 4), "broken"), flow((2, 2, 80, 4), "ok"), flow((2, 3, 443, 4), "ok")]
    (pattern,) = isolated(flows, {})
    first, *more = worth_trying(flows, {}, 10)
    assert (first.client, first.server, first.port) == tuple(pattern["next_probe"][name] for name in ("client", "server", "port"))
    assert set(more) == {Cell("client2", "server1", 80, 4), Cell("client1", "server2", 80, 4), Cell("client1", "server3", 443, 4)} - {first}
    assert worth_trying(flows, {}, 1) == [first]


def test_flows_that_must_be_blocked_and_single_flows_are_no_matrix() -> None:
    assert worth_trying([flow((1, 1, 80, 4), "broken")], {}, 10) == []
    assert worth_trying([flow((1, 1, 80, 4), "ok", "blocked"), flow((2, 2, 80, 4), "ok")], {}, 10) == []


@pytest.mark.parametrize(("others", "both"), [((2, 2, 80, 4), False), ((2, 2, 80, 6), True)])
def test_the_ip_version_is_named_where_both_are_in_play(others: Place, both: bool) -> None:
    (pattern,) = isolated([flow((1, 1, 80, 4), "broken"), flow(others, "ok"), flow((2, 3, 80, 4), "ok")], {})
    assert (pattern["next_probe"]["family"] in (4, 6)) is both


def test_probes_are_told_and_are_no_entries() -> None:
    flows = [flow((1, 1, 80, 4), "broken"), flow((2, 2, 80, 4), "ok")]
    more = [flow((2, 1, 80, 4), "broken"), flow((1, 2, 80, 4), "ok")]
    (pattern,) = isolated(flows, {}, more)
    assert (pattern["servers"], pattern["clients"], pattern["rivals"], pattern["next_probe"]) == (["server1"], "all", [], None)
    assert pattern["entries"] == [flows[0]["id"]]
    assert pattern["summary"] == "port 80, every client to server1: 2 of 2 fail (1 of them tried only to find this out); 2 others connect"
    assert probed(more) == [
        {
            "client": "client2",
            "server": "server1",
            "address": "10.0.2.1",
            "port": 80,
            "status": "broken",
            "code": "firewall_drop",
            "host": "server1",
            "certainty": "proven",
        },
        {
            "client": "client1",
            "server": "server2",
            "address": "10.0.2.2",
            "port": 80,
            "status": "ok",
            "code": None,
            "host": None,
            "certainty": None,
        },
    ]
