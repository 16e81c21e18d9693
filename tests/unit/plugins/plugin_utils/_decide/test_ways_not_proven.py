# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and ways: evidence that is like that of a proven cause, and proves nothing; and second faults that mislead."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_not_proven import (
    SYN_ACK,
    causes,
    evidence,
    flags,
    frames,
)
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded


def snapshots(found: Phases, host: str) -> Iterator[dict[str, Any]]:
    for answer in found[host].values():
        yield from (answer["evidence"][part] for part in ("snapshot", "before", "after") if (answer["evidence"] or {}).get(part))


@pytest.mark.parametrize("code", ["local_table_late", "no_local_route"])
@pytest.mark.parametrize(("hook", "certainty"), [("prerouting", "likely"), ("ingress", "likely"), ("output", "proven")])
def test_a_rule_ahead_of_the_local_table_may_not_see_the_packet_as_it_came(code: str, hook: str, certainty: str) -> None:
    """The kernel was asked about one without a mark, and with the end that it has on the wire."""
    plan, found = recorded(code)
    chain = {"family": "ip", "table": "t", "chain": "c", "type": "filter", "hook": hook, "device": None, "priority": -150,
             "policy": "accept", "rules": 3}  # fmt: skip
    for snapshot in snapshots(found, "db1"):
        snapshot["hooks"]["netfilter"].append(chain)
    assert causes(plan, found)[0] == (code, "db1", certainty)


def test_a_filter_of_traffic_control_may_mark_it_as_well() -> None:
    plan, found = recorded("local_table_late")
    for snapshot in snapshots(found, "db1"):
        snapshot["hooks"]["tc"].append({"interface": "eth0", "direction": "ingress", "filters": 1, "drops": 0, "kinds": ["bpf"]})
    assert causes(plan, found)[0] == ("local_table_late", "db1", "likely")


def test_a_link_that_needs_no_ipv6_is_not_why_there_is_no_route() -> None:
    """A host has one that works, and a bridge of containers without it."""
    plan, found = recorded("no_route.ipv6-off")
    for snapshot in snapshots(found, "web1"):
        loopback, eth0 = snapshot["links"]
        snapshot["links"] = [loopback, {**eth0, "name": "docker0", "index": 3, "kind": "bridge"}, eth0]
        like = next(each for each in snapshot["addresses"] if each["interface"] == "eth0")
        snapshot["addresses"].append({**like, "address": "172.17.0.1", "interface": "docker0"})
        snapshot["addresses"].append({**like, "address": "fe80::1", "prefix": 64, "interface": "eth0"})
        snapshot["sysctls"] |= {"net.ipv6.conf.docker0.disable_ipv6": "1", "net.ipv6.conf.eth0.disable_ipv6": "0"}
    (cause,) = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"][0]["causes"]
    assert cause["code"] == "no_route"
    assert "docker0" not in cause["summary"] + str(cause["fix"])


def _with_ttl(ttl: int) -> Any:
    def changed(frame: Frame) -> Frame:
        return frame._replace(data=frame.data[:8] + bytes((ttl,)) + frame.data[9:]) if flags(frame) == SYN_ACK else frame

    return lambda all_: [changed(frame) for frame in all_]


def test_a_low_ttl_that_would_do_for_the_syn_may_be_used_up_in_a_loop() -> None:
    plan, found = recorded("ttl_too_low.server")
    assert causes(plan, found)[0] == ("ttl_too_low", "db1", "proven")
    frames(evidence(found, "db1", "close")["recording"], _with_ttl(20))
    assert causes(plan, found)[0] == ("ttl_too_low", "db1", "likely")


def test_what_came_to_the_third_of_three_servers_is_not_the_seconds() -> None:
    """Handshakes with one address by design; those of a server that gets none are shown as those of one that gets some."""
    plan, found = recorded("no_listener.anycast.twin")
    like = plan.entries[0]
    third = replace(like, server="db3")
    found["db3"] = copy.deepcopy(found["db1"])
    frames(evidence(found, "db3", "close")["recording"], lambda _all: [])
    for number, snapshot in enumerate(snapshots(found, "db3")):
        snapshot["boot"] = "of db3"
        for link in snapshot["links"]:
            link["mac"] = f"02:00:00:00:03:0{number}" if link["name"] != "lo" else link["mac"]
    plan = replace(plan, entries=(third, *plan.entries))
    flows = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    assert [(flow["server"], flow["status"]) for flow in flows] == [("db3", "ok"), ("db1", "ok"), ("db2", "ok")]


def test_what_nobody_saw_may_have_come_to_a_server_that_has_the_address_as_well() -> None:
    plan, found = recorded("no_listener.anycast.twin")
    found["db1"]["close"] |= {"failure": {"kind": "unreachable", "message": "cut off"}, "evidence": None}
    flows = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    assert [(flow["server"], flow["status"]) for flow in flows if flow["server"] == "db2"] == [("db2", "ok")]


def test_answers_for_an_address_say_nothing_of_the_one_that_it_was_translated_to() -> None:
    """A host that sends the SYN on to nobody answers ARP for its own address, and a router cannot reach the other one."""

    def quotes_another(frame: Frame) -> Frame:
        quoted = 20 + 8 + 16  # an IPv4 header, that of ICMP, and the addresses at the end of the header that it quotes
        if frame.ethertype != 0x0800 or frame.data[9] != 1:
            return frame
        return frame._replace(data=frame.data[:quoted] + bytes((10, 0, 2, 77)) + frame.data[quoted + 4 :])

    def said() -> dict[str, Any]:
        flow = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"][0]
        return next(cause for cause in flow["causes"] if cause["code"] == "path_icmp_unreachable")

    plan, found = recorded("path_icmp_unreachable.unheard")
    assert "the answers are lost on the way" in said()["summary"]
    for probe in evidence(found, "web1", "try")["probes"]:
        probe["icmp"] = None
    frames(evidence(found, "web1", "try")["recording"], lambda all_: [quotes_another(frame) for frame in all_])
    assert "SYN for 10.0.2.77" in said()["summary"]
    assert "the answers are lost on the way" not in said()["summary"]


def test_the_way_back_is_the_one_for_the_port_of_the_answer() -> None:
    """Where policy rules ask for ports, a reverse-path filter looks for the way by the packet's (fib4_rules_early_flow_dissect())."""
    plan, found = recorded("rp_filter_drop.server")
    for snapshot in snapshots(found, "db1"):
        back = next(route for route in snapshot["routes"] if route["remote"] == "10.0.1.11")
        snapshot["routes"].append({**back, "local_port": 5432, "interface": "eth0"})
    assert "rp_filter_drop" not in [code for code, _host, _certainty in causes(plan, found)]
