# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way of flows that are plainly well gives the same report as the long way, and is refused to anything unusual."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide import examine as examining
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.anomalies import DETECTORS
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.lean import Lean
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.trace_orders import follow_up
from tests.unit.plugins.plugin_utils._decide.unusual import UNUSUAL, frames_changed, is_syn, nginx_failed_for
from tests.unit.plugins.plugin_utils.multiplied import multiplied
from tests.unit.plugins.plugin_utils.recordings import RECORDED, Phases, recorded
from tests.unit.plugins.plugin_utils.sampled import sampled

TIMES = ("2026-11-21T04:00:00Z", "2026-11-21T04:00:07Z")


@contextmanager
def only_the_long_way(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No entry takes the short way."""
    with monkeypatch.context() as patched:
        patched.setattr(examining.PlainlyWell, "times", lambda self, *_hosts: [None for _entry in self._entries])
        yield


def well(plan: Plan, evidence: Phases) -> list[bool]:
    """Which entries take the short way; a fault in it is not contained here."""
    hosts, examined = examining.examine(plan, evidence, short=True)
    assert len(hosts) == len(plan.parties())
    return [each.well is not None for each in examined]


def reported(plan: Plan, evidence: Phases) -> str:
    return json.dumps(decide(plan, evidence, *TIMES, keep_all=False).report, default=list)


@sampled
def test_both_ways_lead_to_the_same_report(recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short = reported(*recorded(recording))
    with only_the_long_way(monkeypatch):
        assert reported(*recorded(recording)) == short


def test_recordings_that_are_well_take_the_short_way() -> None:
    """Most twins are near misses, which need the long one: their number does not count, but none of the others may be lost."""
    taken = 0
    for path in RECORDED.glob("*.twin.json.gz"):
        taken += sum(well(*recorded(path.name.removesuffix(".json.gz"))))
    assert taken >= 94


def test_a_fleet_that_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, evidence = multiplied("healthy.twin", 4, 3, 2)
    assert well(plan, evidence) == [True] * 24
    short = reported(plan, evidence)
    assert json.loads(short)["summary"] == {"flows": 24, "ok": 24, "degraded": 0, "broken": 0, "undetermined": 0}
    with only_the_long_way(monkeypatch):
        assert reported(plan, evidence) == short


def test_little_is_kept_of_handshakes_that_are_well() -> None:
    """Packets least of all: of a fleet they are gigabytes."""
    plan, evidence = multiplied("healthy.twin", 4, 4, 16)
    reported(plan, evidence)  # what is loaded and worked out once in a process
    gc.collect()
    tracemalloc.start()
    try:
        found = decide(plan, evidence, *TIMES, keep_all=False)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.report["summary"]["ok"] == len(plan.entries)
    assert kept < 1500 * len(plan.entries)
    assert most < 3500 * len(plan.entries)


def test_a_fleet_in_which_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, evidence = multiplied("no_listener", 3, 2, 2)
    assert well(plan, evidence) == [False] * 12
    assert {(flow["status"], flow["causes"][0]["code"]) for flow in json.loads(reported(plan, evidence))["flows"]} == {
        ("broken", "no_listener")
    }


def test_what_is_slow_for_an_impatient_application_goes_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 0.12 s that it waits, the way takes 0.08 s."""
    plan, evidence = multiplied("healthy.twin", 2, 2, 1)
    plan = replace(plan, entries=tuple(replace(entry, timeout=0.12) for entry in plan.entries))
    assert well(plan, evidence)[0]
    sooner = 80_000_000
    frames_changed("client0", "try", lambda frames: [each._replace(ts_ns=each.ts_ns - sooner * is_syn(each)) for each in frames])(evidence)
    for probe in evidence["client0"]["try"]["evidence"]["probes"]:
        probe["started"] -= sooner / 1e9
    assert not well(plan, evidence)[0]
    short = reported(plan, evidence)
    assert [cause["code"] for cause in json.loads(short)["flows"][0]["causes"]] == ["path_slow"]
    with only_the_long_way(monkeypatch):
        assert reported(plan, evidence) == short


def test_a_checksum_that_the_network_card_computes_is_usual() -> None:
    """The recorder of who sends sees the packet before that."""
    plan, evidence = multiplied("healthy.twin", 1, 1, 1)
    for phases in evidence.values():
        for answer in phases.values():
            if recording := answer["evidence"].get("recording"):
                frames = unpack(recording["frames"])
                recording["frames"] = pack([_with_checksum(frame, frame.pkttype) if frame.pkttype == 4 else frame for frame in frames])
    assert well(plan, evidence) == [True]


def _with_checksum(frame: Frame, value: int) -> Frame:
    return frame._replace(data=frame.data[:36] + bytes((value, value)) + frame.data[38:])


@pytest.mark.parametrize("unusual", UNUSUAL)
def test_what_is_unusual_goes_the_long_way(unusual: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, evidence = multiplied("healthy.twin", 2, 2, 1)
    UNUSUAL[unusual](evidence)
    assert not well(plan, evidence)[0]
    short = reported(plan, evidence)
    with only_the_long_way(monkeypatch):
        assert reported(plan, evidence) == short


def test_an_unusual_flow_costs_its_own_hosts_only() -> None:
    """All others are lean, and no host is read a second time."""
    plan, evidence = multiplied("healthy.twin", 3, 3, 2)
    UNUSUAL["a SYN-ACK is missing at the client"](evidence)
    asked = Counter[str]()

    class Asked(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            asked[name] += 1
            return super().get(name, default)

    hosts, examined = examining.examine(plan, Asked(evidence), short=True)
    decide(plan, Asked(evidence), *TIMES, keep_all=False)
    assert [entry.server for entry, each in zip(plan.entries, examined, strict=True) if each.well is None] == ["server0"]
    assert {name for name, host in hosts.items() if not isinstance(host, Lean)} == {"client0", "server0"}
    assert asked == dict.fromkeys(evidence, 2)


def test_of_hosts_that_are_looked_at_closely_only_flows_between_them_go_the_long_way() -> None:
    plan, evidence = multiplied("healthy.twin", 2, 2, 1)
    orders = {name: {"host": name, "recorder_seconds": 9.0, "settle": 0.1} for name in plan.parties()}
    depths = {**dict.fromkeys(orders, "normal"), "client0": "full", "server0": "full"}
    judged = judge(plan, evidence, short=True, closely=["client0", "server0"])
    assert [each.well is None for each in judged.examined] == [True, False, False, False]
    found = follow_up(plan, judged, orders, depths)
    assert found.traces.keys() == {"client0", "server0"}
    assert found == follow_up(plan, judge(plan, evidence), orders, depths)


@pytest.mark.parametrize(
    ("client", "began", "logged", "status"),
    [("10.1.0.1", 3, 3, "degraded"), ("10.1.0.1", 0, 3, "ok"), ("10.1.0.1", 3, 1, "ok"), ("10.1.0.2", 0, 3, "ok")],
)
def test_a_balancer_fails_the_flow_where_it_called_in_vain_for_each_connection(client: str, began: int, logged: int, status: str) -> None:
    """What it called for no connection of the flow is of an earlier request; a server that failed once is left out, and another serves."""
    plan, evidence = multiplied("healthy.twin", 2, 2, 1)
    nginx_failed_for(client, began, logged)(evidence)
    assert well(plan, evidence)[0] is (client != "10.1.0.1")
    assert json.loads(reported(plan, evidence))["flows"][0]["status"] == status


def test_all_that_looks_at_completed_handshakes_is_known() -> None:
    """Who adds a detector, or a rule for completed handshakes, has to see that `plainly_well` refuses what it finds."""
    assert {detector.__name__ for detector in DETECTORS} == {
        "altered",
        "closed_unused",
        "counters",
        "firewall_verdicts",
        "icmp_errors",
        "other_interfaces",
        "other_outcomes",
        "other_receivers",
        "other_sources",
        "other_ways_back",
        "requests_ignored",
        "requests_unanswered",
        "shared_addresses",
        "slow",
        "stray_resets",
        "third_hosts",
        "uncounted_opens",
    }
    assert {cause.code for cause in CATALOGUE if "completed" in cause.outcomes} == {
        "accept_queue_near_limit",
        "application_hangs_up",
        "application_silent",
        "firewall_drop",
        "firewall_reject",
        "kernel_drop",
        "load_balancer_no_backend",
        "name_resolution_slow",
        "name_resolves_elsewhere",
        "service_stopped",
        "option_altered",
        "path_mtu_blackhole",
        "path_slow",
        "proxy_no_backend",
        "sequence_rewritten",
        "stale_nat_idle",
        "service_refuses",
        "syn_flood",
        "synproxy_loose",
        "synproxy_unserved",
        "unexpectedly_open",
        "xinetd_refuses",
    }
