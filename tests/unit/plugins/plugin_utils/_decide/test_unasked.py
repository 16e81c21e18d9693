# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts to which the evidence of a flow points, and that it does not name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

BEHIND = "but is not in the flow's via: add it there to include its packets, rules and routes"


def said(plan: Plan, found: Phases) -> list[str]:
    """Of the first flow."""
    entry = decide(plan, found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"][0]
    return [sentence for sentence in entry["not_observed"] if sentence.endswith(BEHIND)]


def beside(plan: Plan) -> Plan:
    """The flow without its via, which another flow names."""
    (entry,) = plan.entries
    return replace(plan, entries=(replace(entry, via=()), replace(entry, flow="other")))


def in_the_inventory(plan: Plan) -> Plan:
    """The flow without its via, of which the inventory alone knows."""
    (entry,) = plan.entries
    return replace(plan, entries=(replace(entry, via=()),), addresses={"web1": ("10.0.1.11",), "r1": ("10.0.1.1", "10.0.2.1")})


@pytest.mark.parametrize("changed", [beside, in_the_inventory])
def test_the_next_hops_of_a_flow_that_is_lost_on_the_way(changed: Callable[[Plan], Plan]) -> None:
    plan, found = recorded("firewall_drop.router-syn")
    assert said(changed(plan), found) == [f"r1: it has 10.0.1.1, the next hop of web1, and 10.0.2.1, the next hop of db1, {BEHIND}"]


def test_who_answers_with_an_error() -> None:
    plan, found = recorded("path_no_route.back-via")
    assert "10.0.2.1, which answers with an ICMP error" in said(beside(plan), found)[0]


def test_nobody_is_named_who_was_asked_or_is_not_needed() -> None:
    plan, found = recorded("firewall_drop.router-syn")
    assert said(plan, found) == []
    plan, found = recorded("firewall_drop.server-input")  # proven at the server
    assert said(replace(plan, addresses={"r1": ("10.0.1.1", "10.0.2.1")}), found) == []


BEHIND_IT = "make it the flow's server, and db2 its via, to include its packets, rules and queues"


def itself(plan: Plan) -> Plan:
    """The balancer alone, of whose server the inventory knows."""
    (entry,) = plan.entries
    known = {"web1": ("10.0.1.11",), "db2": ("10.0.2.22",), "db1": ("10.0.2.21",), "app1": ("10.0.2.31",)}
    return replace(plan, entries=(replace(entry, via=(), server="db2"),), addresses=known)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("load_balancer_no_backend.nginx", "to which nginx on db2 connects"),
        ("firewall_drop.other-port", "to which db2 sends the SYN on"),
    ],
)
def test_the_server_behind_a_balancer_that_no_flow_names(name: str, how: str) -> None:
    plan, found = recorded(name)
    entry = decide(itself(plan), {host: found[host] for host in ("web1", "db2")}, "", "").report["flows"][0]
    assert f"db1: it has 10.0.2.21, {how}, but has no part in the flow: {BEHIND_IT}" in entry["not_observed"]
    entry = decide(replace(plan, addresses=itself(plan).addresses), found, "", "").report["flows"][0]
    assert not [sentence for sentence in entry["not_observed"] if sentence.startswith("db1: it has")]  # it is the flow's server
