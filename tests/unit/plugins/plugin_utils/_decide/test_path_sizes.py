# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Full segments that are lost, on recorded evidence with the smallest changes that have another explanation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.examine import examine
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.finding import Finding
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.way import path_mtu_blackhole
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.network_subjects import NarrowPath
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

FULL = 1500


def causes(plan: Plan, phases: Phases) -> list[dict[str, Any]]:
    known: list[dict[str, Any]] = decide(plan, phases, "", "").report["flows"][0]["causes"]
    return known


def found(name: str, change: Any = None) -> dict[str, str]:
    """code: certainty"""
    plan, phases = recorded(name)
    connections = phases["web1"]["trace_try"]["evidence"]["path_sizes"]
    if change:
        connections[:] = change(connections)
    return {cause["code"]: cause["certainty"] for cause in causes(plan, phases)}


def lost(connections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in connections if each["acked"] < each["sent"]]


def one(connections: list[dict[str, Any]], **values: object) -> list[dict[str, Any]]:
    """The last one, which has no limit, is otherwise."""
    connections[-1].update(values)
    return connections


CHANGES = {
    "as it is": (None, "proven"),
    "segments of one that is full passed, and not all": (lambda all_: one(all_, acked=1449), None),
    "segments of all passed, and not all": (lambda all_: [{**each, "acked": 1449} if each in lost(all_) else each for each in all_], None),
    "a full segment passed": (lambda all_: one(all_, acked=all_[-1]["sent"]), None),
    "the first bytes are lost as well": (lambda all_: [{**each, "acked": 0} if each in lost(all_) else each for each in all_], None),
    "sent again but once": (lambda all_: [{**each, "retransmits": min(1, each["retransmits"])} for each in all_], None),
    "two connections": (lambda all_: [each for each in all_ if each not in lost(all_)] + lost(all_)[-2:], "likely"),
    "one could not connect": (lambda all_: one(all_, size=None, sent=0, acked=0, received=0), "likely"),
    "a small one is lost": (lambda all_: [{**all_[0], "acked": 1, "retransmits": 4}, *all_[1:]], None),
    "of another address": (lambda all_: [{**each, "address": "10.0.2.22"} for each in all_], None),
    "nothing was measured": (lambda _all: [], None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_lost_has_to_be_larger_than_what_passes(change: str) -> None:
    changed, certainty = CHANGES[change]
    assert found("path_mtu_blackhole", changed) == ({"path_mtu_blackhole": certainty} if certainty else {})


def test_the_way_back_is_known_by_what_the_client_receives() -> None:
    assert found("path_mtu_blackhole.return") == {"path_mtu_blackhole": "proven"}
    assert found("path_mtu_blackhole.return", lambda all_: [{**each, "received": each["expected"]} for each in all_]) == {}


def suspected(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> list[tuple[str, str]]:
    """(code, certainty), where a change was made to the client's connection that hangs, or to the server's snapshot."""
    plan, phases = recorded("path_mtu_blackhole.suspected")
    client, server = phases["web1"]["try"]["evidence"]["after"], phases["db1"]["close"]["evidence"]["after"]
    change(next(each for each in client["sockets"] if each.get("retransmits")), server)
    causes = decide(plan, phases, "", "").report["flows"][0]["causes"]
    return [(cause["code"], cause["certainty"]) for cause in causes]


def test_a_connection_that_hangs_with_a_full_segment_is_a_sign() -> None:
    assert suspected(lambda _hangs, _server: None) == [("path_mtu_blackhole", "possible")]
    assert suspected(lambda hangs, _server: hangs.update(queued=900)) == []
    assert suspected(lambda hangs, _server: hangs.pop("retransmits")) == []
    assert suspected(lambda _hangs, server: server.update(sockets=[])) == []


def test_so_is_one_of_the_server() -> None:
    def turned(hangs: dict[str, Any], server: dict[str, Any]) -> None:
        told = {name: hangs.pop(name) for name in ("retransmits", "queued", "rto_ms", "next_ms", "silent_ms")}
        next(each for each in server["sockets"] if each["remote_port"] == hangs["local_port"]).update(told)

    assert suspected(turned) == [("path_mtu_blackhole", "possible")]


def test_a_kernel_that_tries_smaller_segments_does_not_hang_for_ever() -> None:
    plan, phases = recorded("path_mtu_blackhole")
    assert "connections hang as soon as" in causes(plan, phases)[0]["summary"]
    for part in ("before", "after"):
        phases["web1"]["try"]["evidence"][part]["sysctls"]["net.ipv4.tcp_mtu_probing"] = "1"
    assert "connections stall for seconds, until the kernel tries smaller segments" in causes(plan, phases)[0]["summary"]


def test_the_senders_own_firewall_may_keep_the_errors_from_it() -> None:
    plan, phases = recorded("path_mtu_blackhole")
    assert "itself" not in causes(plan, phases)[0]["fix"]["summary"]
    chain = {"family": "inet", "table": "own", "chain": "i", "hook": "input", "priority": 0, "policy": "accept", "rules": 1}
    for part in ("before", "after"):
        phases["web1"]["try"]["evidence"][part]["hooks"]["netfilter"] = [chain]
    assert "and in the firewall of web1 itself" in causes(plan, phases)[0]["fix"]["summary"]


@pytest.mark.parametrize(("family", "size", "sets"), [(4, 1000, True), (6, 1279, False), (6, 1400, True)])
def test_no_mtu_is_advised_that_ipv6_does_not_know(family: int, size: int, sets: bool) -> None:
    case = examine(*recorded("path_mtu_blackhole"))[1][0].cases[0]
    case.address = "2001:db8:2::21" if family == 6 else case.address
    finding = Finding("proven", "path", "path.forward", "", (), subject=NarrowPath(size))
    fix = path_mtu_blackhole(case, finding)
    assert fix is not None and (f"to {size}" in str(fix.summary)) is sets and ("1280" in str(fix.summary)) is not sets
