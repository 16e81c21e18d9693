# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many connections a run makes to a listener, all clients and flows together."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.options import Options
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Entry
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.shares import shares


def entry(client: str, server: str | None = "db1", address: str = "10.0.2.21", port: int = 22, dial: int = 0) -> Entry:
    return Entry(flow="flow", client=client, server=server, address=address, port=port, dial=dial, via=(), timeout=3.0, source=None)


@pytest.mark.parametrize(
    ("clients", "attempts", "made", "further"),
    [(1, 3, 3, 8), (2, 16, 16, 8), (20, 3, 3, 2), (33, 3, 3, 0), (40, 3, 2, 0), (200, 3, 1, 0), (1, 1000, 100, 0)],
)
def test_all_clients_together_make_no_more_than_the_bound(clients: int, attempts: int, made: int, further: int) -> None:
    names = [f"web{number}" for number in range(clients)]
    found, sentences = shares(map(entry, names), dict.fromkeys(names, Options(attempts=attempts)))
    assert set(map(str, found.values())) == {str({"attempts": made, "further": further})}
    assert bool(sentences) == (clients * attempts > 100)
    assert clients * (made + further) <= max(100, clients)


def test_all_flows_to_a_listener_count_whatever_they_dial() -> None:
    """By name and by address, with other timeouts; another port is another listener."""
    entries = [entry("web1"), entry("web1", address="db.example.org", dial=1), entry("web1", port=80, dial=2)]
    found, (sentence,) = shares(entries, {"web1": Options(attempts=10, connects=10)})
    assert [found["web1", dial]["attempts"] for dial in range(3)] == [5, 5, 10]
    assert sentence.startswith("20 connections to db1 port 22 would be made, more than diagnose_connects (10)")


def test_a_dial_that_several_servers_share_obeys_the_busiest() -> None:
    entries = [entry("web1", "db1"), entry("web1", "db2"), entry("web2", "db2")]
    found, _sentences = shares(entries, dict.fromkeys(("web1", "web2"), Options(attempts=4, connects=4)))
    assert found["web1", 0]["attempts"] == found["web2", 0]["attempts"] == 2


def test_an_unmanaged_server_is_known_by_its_address() -> None:
    entries = [entry("web1", None), entry("web2", None), entry("web3", None, "10.0.2.22")]
    found, _sentences = shares(entries, dict.fromkeys(("web1", "web2", "web3"), Options(attempts=4, connects=4)))
    assert [found[f"web{number}", 0]["attempts"] for number in (1, 2, 3)] == [2, 2, 4]


def test_where_attempts_may_use_up_a_limit_each_client_makes_one() -> None:
    entries = [entry("web1"), entry("web2"), entry("web1", port=80, dial=1)]
    found, sentences = shares(entries, dict.fromkeys(("web1", "web2"), Options(attempts=5, sparing=True)))
    assert [*found.values()] == [{"attempts": 1, "further": 0}] * 3 and not sentences
