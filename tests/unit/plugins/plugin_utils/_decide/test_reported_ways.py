# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people reported of routes, proxies and rules: when it is said, and when not, on recorded evidence that is changed by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.plugins.plugin_utils._decide.test_lies import flows
from tests.unit.plugins.plugin_utils._decide.test_reported import snapshots
from tests.unit.plugins.plugin_utils.recordings import recorded

Change = Callable[[dict[str, Any]], object]


def flow_of(name: str, host: str, change: Change) -> dict[str, Any]:
    """The flow of a recording in which a host's snapshots are otherwise."""
    plan, found = recorded(name)
    for snapshot in snapshots(found, host):
        change(snapshot)
    flow: dict[str, Any] = flows(plan, found)[0]
    return flow


def wrapper_rules(*rules: tuple[str, str, str, bool]) -> Change:
    """(file, daemons, clients, options)"""
    told = [
        {"file": f"/etc/hosts.{file}", "line": number, "daemons": daemons.split(), "clients": clients.split(), "options": options}
        for number, (file, daemons, clients, options) in enumerate(rules, 1)
    ]
    return lambda snapshot: [each.update(rules=told) for each in snapshot.get("wrapped") or ()]


@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        ([("deny", "ALL", "ALL", False)], True),
        ([("deny", "orders", "10.0.1.0/255.255.255.0", False)], True),
        ([("deny", "ALL", "[2001:db8::]/64", False)], False),
        ([("deny", "sshd", "ALL", False)], False),
        ([("allow", "xinetd", "10.0.", False), ("deny", "ALL", "ALL", False)], False),
        ([("allow", "xinetd", ".example.org", False), ("deny", "ALL", "ALL", False)], False),
        ([("allow", "sshd", ".example.org", False), ("deny", "ALL", "ALL", False)], True),
        ([("allow", "ALL EXCEPT sshd", "ALL", False), ("deny", "ALL", "ALL", False)], False),
        ([("deny", "ALL", "ALL EXCEPT LOCAL", False)], False),
        ([("deny", "ALL", "ALL", True)], False),
        ([("deny", "xinetd@192.168.50.1", "ALL", False)], False),
        ([("allow", "xinetd@10.0.2.21", "ALL", False), ("deny", "ALL", "ALL", False)], False),
        ([("allow", "sshd@10.0.2.21", "ALL", False), ("deny", "all", "All", False)], True),
        ([("allow", "in.tftpd", "ALL", False), ("deny", "ALL", "ALL", False)], True),
        ([("allow", "x*", "ALL", False), ("deny", "ALL", "ALL", False)], False),
        ([("deny", "ALL", "10.0.1.1/255.255.255.0", False)], False),
    ],
)
def test_tcp_wrappers_refuse_by_the_first_rule_that_fits(rules: list[tuple[str, str, str, bool]], refused: bool) -> None:
    """Where it depends on a name or on options, nothing is said of them."""
    flow = flow_of("application_hangs_up.tcp-wrappers", "db1", wrapper_rules(*rules))
    assert ("TCP wrappers" in flow["causes"][0]["summary"]) is refused


def test_a_rule_of_tcp_wrappers_that_is_not_known_as_a_whole_may_let_the_client_in() -> None:
    def cut(snapshot: dict[str, Any]) -> None:
        wrapper_rules(("allow", "xinetd", "192.0.2.1 192.0.2.2", False), ("deny", "ALL", "ALL", False))(snapshot)
        for each in snapshot.get("wrapped") or ():
            each["rules"][0]["partial"] = True

    assert "TCP wrappers" not in flow_of("application_hangs_up.tcp-wrappers", "db1", cut)["causes"][0]["summary"]


def test_a_program_that_calls_the_server_is_not_said_to_call_others() -> None:
    def to_the_server(snapshot: dict[str, Any]) -> None:
        for each in snapshot.get("calls") or ():
            each["address"] = "10.0.2.21"

    assert flow_of("load_balancer_no_backend.stale-name", "db2", to_the_server)["status"] == "ok"


def test_calls_that_waited_before_are_not_for_the_flow() -> None:
    def as_many_before(snapshot: dict[str, Any]) -> None:
        snapshot["calls"] = [{"program": "nginx", "pid": pid, **CALL, "count": 9} for each in snapshot["listeners"] for pid in pids(each)]

    assert flow_of("load_balancer_no_backend.stale-name", "db2", as_many_before)["status"] == "ok"


CALL = {"source": "10.0.2.22", "address": "10.0.9.99", "port": 5432}


def pids(listener: dict[str, Any]) -> list[int]:
    return [process["pid"] for process in listener["processes"] or ()]


def test_what_a_route_refuses_is_looked_for_by_nobody() -> None:
    """The address that is dialled is a service's, which the client translates: the server need not have it."""
    flow = flow_of("route_blackhole.routing-daemon", "db1", lambda snapshot: None)
    assert [cause["code"] for cause in flow["causes"]] == ["route_blackhole"]


def test_an_address_that_the_other_server_has_as_well_does_not_stay() -> None:
    def has_it(snapshot: dict[str, Any]) -> None:
        snapshot["addresses"].append({"interface": "lo", "address": "10.0.2.100", "prefix": 32, "flags": [], "since_s": None})

    assert "10.0.2.100 is on db1" in flow_of("no_listener.address-stays", "db2", lambda snapshot: None)["causes"][0]["summary"]
    assert "10.0.2.100 is on db1" not in flow_of("no_listener.address-stays", "db2", has_it)["causes"][0]["summary"]


def test_a_host_that_forwards_is_not_said_not_to() -> None:
    def forwards(snapshot: dict[str, Any]) -> None:
        snapshot["sysctls"] = {name: "1" if name.endswith("forwarding") else value for name, value in snapshot["sysctls"].items()}

    codes = [cause["code"] for cause in flow_of("router_not_forwarding.published", "db1", forwards)["causes"]]
    assert "router_not_forwarding" not in codes


ANOTHER = {"family": "ipv6", "priority": 100, "table": 101, "action": "lookup", "text": "from 2001:db8::1 lookup 101"}


@pytest.mark.parametrize(("family", "shown"), [("ipv6", True), ("ipv4", False)])
def test_a_policy_rule_is_shown_where_it_is_the_only_one_that_can_be_meant(family: str, shown: bool) -> None:
    def added(snapshot: dict[str, Any]) -> None:
        snapshot["rules"].insert(0, {**ANOTHER, "family": family})

    evidence = flow_of("path_drop.rule-for-source", "web1", added)["causes"][0]["evidence"]
    said = " ".join(each["observation"] for each in evidence)
    assert "by policy rule 100)" in said and ("rule 100: from 10.0.1.11 lookup 101" in said) is shown
    assert "2001:db8::1" not in said
