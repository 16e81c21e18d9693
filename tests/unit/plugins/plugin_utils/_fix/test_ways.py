# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that are advised for ways, typed in a network of their own, and tables that are free for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.finding import Finding
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.asymmetric import by_source
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.make import ip
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.policy_rules import ahead_of
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.routers import router_route
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.tables import free_table
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.network_records import Link, PolicyRule, Route
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.network_subjects import RouterRoute, TwoWays
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.snapshot import Snapshot
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless
from tests.unit.plugins.plugin_utils._decide.test_lies import flows
from tests.unit.plugins.plugin_utils.recordings import recorded

LINKS = """
for i in 0 1; do ip link add eth$i type veth peer name peer$i; ip link set peer$i up; ip link set eth$i up; done
ip addr add 10.0.0.1/24 dev eth0; ip addr add 10.0.1.1/24 dev eth1; ip route add default via 10.0.1.254
for i in 0 1; do ip addr add 2001:db8:$i::1/64 dev eth$i nodad; done
ip -6 route add default via 2001:db8:1::fe
"""
MAIN = PolicyRule("ipv4", 32766, 254, "from all lookup main")


@pytest.mark.parametrize(
    ("source", "router", "remote"),
    [
        ("10.0.0.1", "10.0.0.254", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::fe", "2001:db8:9::1"),
        ("2001:db8::1", "fe80::1", "2001:db8:9::1"),
    ],
)
def test_answers_leave_by_the_way_that_was_advised(source: str, router: str, remote: str) -> None:
    commands = by_source("db1", TwoWays("eth0", "eth1", router), source, 100).commands
    with Rootless() as network:
        network.sh("\n".join([LINKS, *commands]))
        (way,) = json.loads(network.sh(f"ip -j route get {remote} from {source}"))
        assert (way["dev"], way["gateway"]) == ("eth0", router)
        assert "lookup 100" in network.sh(ip(source, "rule", "show"))


@pytest.mark.parametrize(
    ("priority", "command"), [(100, "ip rule add to 10.0.2.21/32 lookup main priority 99"), (40000, "ip route show table main")]
)
def test_no_rule_for_table_main_is_put_behind_the_one_that_it_has(priority: int, command: str) -> None:
    refused = Route(local=None, remote="10.0.2.21", error="EHOSTUNREACH", type="unreachable", rule=priority)
    assert [*ahead_of("web1", refused).commands] == [command]


def test_a_route_that_leaves_it_to_others_stays_where_it_is() -> None:
    thrown = Route(local=None, remote="10.0.2.21", error="ENETUNREACH", type="throw", prefix="10.0.2.0/24", table=100, rule=100)
    found = Finding("likely", "r1", "path.forward", "", (), subject=RouterRoute(thrown, "10.0.2.21"))
    fix = router_route(None, found)  # type: ignore[arg-type]
    assert fix is not None and "add a route to 10.0.2.21" in str(fix.summary) and "take it away" not in str(fix.summary)


def host(rules: tuple[PolicyRule, ...] | None, links: tuple[Link, ...] | None) -> Host:
    return Host("db1", after=Snapshot(time=0.0, rules=rules, links=links))


@pytest.mark.parametrize(
    ("rules", "links", "table"),
    [
        ((MAIN,), (Link(name="eth0"),), 100),
        (None, (Link(name="eth0"),), None),
        ((MAIN,), None, None),
        ((MAIN, PolicyRule("ipv4", 1000, 0, "from all lookup [l3mdev-table]")), (Link(name="red", vrf=True),), None),
    ],
)
def test_a_table_is_free_only_where_all_that_are_in_use_are_known(rules: Any, links: Any, table: int | None) -> None:
    assert free_table(host(rules, links)) == table
    assert free_table(None) is None


@pytest.mark.parametrize(("bridge", "commands"), [("docker0", 1), ("-all", 0), ("br;reboot", 0)])
def test_a_bridge_with_a_name_that_a_tool_may_misread_is_in_no_command(bridge: str, commands: int) -> None:
    plan, found = recorded("namespace_cut_off.bridge")
    for phase, part in (("open", "snapshot"), ("close", "after")):
        for namespace in found["db1"][phase]["evidence"][part]["namespaces"]:
            for way in namespace["ways"]:
                way["master"] = bridge
    (cause, *_others) = flows(plan, found)[0]["causes"]
    assert (cause["code"], len(cause["fix"]["commands"])) == ("namespace_cut_off", commands)
