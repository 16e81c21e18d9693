# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that lies, and a fault of ours, cost their own part: evidence with lies in it, from the answer to every form of the report."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import MAX_WIRE_LENGTH, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide import answer as _answer
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide import decided as _decided
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.status import STATUSES
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import words
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.forms import Forms
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.lies import Phases, lie, lie_in_frames, used
from tests.unit.plugins.plugin_utils import recordings
from tests.unit.plugins.plugin_utils.recordings import recorded
from tests.unit.plugins.plugin_utils.sampled import sampled

RECORDED = sorted(recordings.RECORDED.glob("*.json.gz"))
lying = settings(
    max_examples=60,
    phases=[Phase.generate],  # a seed that fails is no better for being smaller, and each try takes its time
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
seeds = st.integers(0, 2**32)


def evidence(path: Path) -> tuple[Plan, Phases]:
    return recorded(path.name.removesuffix(".json.gz"))


def flows(plan: Plan, found: Phases) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = decide(plan, found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report["flows"]
    return listed


@sampled
def test_a_prefix_that_no_address_has_is_no_fault_of_ours(recording: str) -> None:
    plan, found = recorded(recording)
    snapshots = [
        answer["evidence"][part]
        for phases in found.values()
        for answer in phases.values()
        for part in ("snapshot", "before", "after")
        if (answer["evidence"] or {}).get(part)
    ]
    for address in (each for snapshot in snapshots for each in snapshot.get("addresses") or ()):
        address["prefix"] = 64
    said = [sentence for flow in flows(plan, found) for sentence in (*flow["not_observed"], *flow["undecided"])]
    assert not [sentence for sentence in said if "fault of the collection" in sentence]


@lying
@given(path=st.sampled_from(RECORDED), seed=seeds, times=st.sampled_from((1, 2, 5, 20)))
def test_no_lie_in_evidence_ends_a_run(tmp_path: Path, path: Path, seed: int, times: int) -> None:
    plan, found = evidence(path)
    lie(found, random.Random(seed), times)
    report = used(plan, found, tmp_path).report
    assert [flow["status"] in STATUSES for flow in report["flows"]] == [True] * len(plan.entries)


@lying
@given(path=st.sampled_from(RECORDED), seed=seeds, times=st.sampled_from((1, 2, 5, 50)))
def test_no_lie_in_frames_ends_a_run(tmp_path: Path, path: Path, seed: int, times: int) -> None:
    plan, found = evidence(path)
    lie_in_frames(found, random.Random(seed), times)
    used(plan, found, tmp_path)


def test_a_packet_longer_than_any_costs_its_recording(tmp_path: Path) -> None:
    plan, found = recorded("firewall_drop.goto")
    recording = found["db1"]["close"]["evidence"]["recording"]
    frames = unpack(recording["frames"])
    recording["frames"] = pack([*frames[:-1], frames[-1]._replace(wire_length=MAX_WIRE_LENGTH + 1)])
    conclusion = used(plan, found, tmp_path)
    (flow,) = conclusion.report["flows"]
    assert [vantage["recorded"] for vantage in flow["vantages"]] == [True, False]
    assert any("claims to be of a packet of 16777217 bytes" in sentence for sentence in flow["not_observed"])
    assert list(conclusion.captures) == [flow["id"]]  # of the other host's packets


def test_a_malformed_part_of_a_snapshot_costs_that_part() -> None:
    plan, found = recorded("no_listener.client-translates")
    after = found["db1"]["close"]["evidence"]["after"]
    after["routes"][0]["remote"] = "10.0.2.21%x"
    after["time"] = float(after["time"])
    (flow,) = flows(plan, found)
    assert flow["causes"][0]["code"] == "no_listener"  # the listeners are still known
    (sentence,) = [each for each in flow["not_observed"] if "routes" in each]
    assert sentence.endswith("routes: malformed answer: close.after.routes[0].remote is '10.0.2.21%x' where an IP address belongs")


def test_an_address_with_a_zone_is_none() -> None:
    plan, found = recorded("no_listener.client-translates")
    rewritten = [each["rewritten"] for each in found["web1"]["try"]["evidence"]["after"]["firewall"]["verdicts"] if each["rewritten"]]
    rewritten[0]["destination"] = "10.0.2.21%x"
    (flow,) = flows(plan, found)
    assert any("where an IP address belongs" in sentence for sentence in flow["not_observed"])


def twice(plan: Plan, found: Phases) -> Plan:
    """The same flow under another name."""
    entry = plan.entries[0]
    return Plan(plan.run, (entry, replace(entry, flow="other")), plan.orders, not_in_play=plan.not_in_play)


def test_a_fault_in_deciding_costs_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, found = recorded("firewall_drop.goto")
    explain = _answer.explain

    def failing(case: Any) -> Any:
        return {}[case.flow] if case.flow == "other" else explain(case)

    monkeypatch.setattr(_answer, "explain", failing)
    whole, broken = flows(twice(plan, found), found)
    assert (whole["status"], whole["causes"][0]["code"]) == ("broken", "firewall_drop")
    assert (broken["status"], broken["causes"]) == ("undetermined", [])
    (why,) = broken["undecided"]
    assert why.startswith("this entry cannot be decided: this is a fault of the collection, please report it: KeyError at answer.py:")


def test_a_fault_in_a_capture_costs_that_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, found = recorded("firewall_drop.goto")
    captures = _decided.captures

    def failing(cases: Any, causes: Any) -> Any:
        return {}["x"] if cases[0].flow == "other" else captures(cases, causes)

    monkeypatch.setattr(_decided, "captures", failing)
    conclusion = decide(twice(plan, found), found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z")
    assert list(conclusion.captures) == [conclusion.report["flows"][0]["id"]]
    assert conclusion.report["flows"][1]["status"] == "broken"
    assert "cannot be written to a capture" in conclusion.report["flows"][1]["not_observed"][-1]


def test_a_fault_in_showing_costs_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, found = recorded("firewall_drop.goto")
    report = decide(twice(plan, found), found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report
    verdict = words.verdict

    def failing(flow: Any) -> Any:
        return {}["x"] if flow.name == "other" and flow.causes else verdict(flow)

    monkeypatch.setattr(words, "verdict", failing)
    done = Forms(report)
    files = {name: b"".join(content or ()).decode() for name, content in done}
    assert list(files) == ["report.json", "report.html", "report.md", "junit.xml", "metrics.prom"]
    assert json.loads(files["report.json"]) == json.loads(json.dumps(report, default=list))
    for form in "report.html", "junit.xml":
        (sentence,) = [each for each in done.faults if form in each]
        assert "this is a fault of the collection, please report it: KeyError" in sentence
        assert "cannot be shown in" in files[form] and "firewall_drop" in files[form]


def test_thousands_of_interfaces_cost_seconds_at_most() -> None:
    """The proxy says that it has 25,000 interfaces and addresses, and recorded as many packets as a recording may have."""
    plan, found = recorded("load_balancer_no_backend.stopped")
    for phase in ("open", "close"):
        snapshot = found["db2"][phase]["evidence"][{"open": "snapshot", "close": "after"}[phase]]
        for number in range(25_000):
            name, address = f"e{number}", f"10.64.{number >> 8}.{number & 255}"
            snapshot["links"].append({"name": name, "mac": f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"})
            snapshot["addresses"].append({"interface": name, "address": address, "prefix": 32})
    recording = found["db2"]["close"]["evidence"]["recording"]
    frames = unpack(recording["frames"])
    own = next(frame for frame in frames if frame.ethertype == 0x0800 and frame.data[12:16] == bytes((10, 0, 2, 22)))
    recording["frames"] = pack([*frames, *(own._replace(ts_ns=own.ts_ns + number, pkttype=3) for number in range(19_000))])
    begun = time.process_time()
    assert flows(plan, found)[0]["causes"]
    assert time.process_time() - begun < 10
