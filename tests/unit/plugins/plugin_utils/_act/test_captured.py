# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures as evidence: of hosts, of points on the path, with clocks that differ, and what they may prove."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.bundling import bundled
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.captured import keep
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.captures import CaptureFile, read
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.flows import PlanError
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Entry, Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._report.read import view
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.words import verdict
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.run_sources import documents, read_runs
from tests.unit.plugins.module_utils._capture import files

PLAN = Plan(
    "20261129T000000-000000",
    (Entry(flow="web-to-db", client="web1", server="db1", address=files.SERVER, port=5432, dial=0, via=(), timeout=3.0, source=None),),
    {},
    addresses={"web1": (files.CLIENT,), "db1": (files.SERVER,)},
)
AHEAD = 7.25  # seconds by which the clock of the server is ahead
SPAN = [(-2.0, files.segment(files.ACK, seq=1, port=5)), (9.0, files.segment(files.ACK, seq=1, port=5))]
"""Packets of another connection, which show that a capture was running."""


@pytest.fixture
def diagnosed(tmp_path: Path) -> Any:
    """The flow of the report that some captures lead to: (where it was captured, its packets), ..."""

    def diagnose(*captures: tuple[str | None, list[files.Timed]], only: bool = True) -> dict[str, Any]:
        evidence = EvidenceFiles(str(tmp_path / "report"), PLAN.run)
        evidence.begin(PLAN, "2026-11-29T00:00:00Z")
        found = []
        for number, (host, packets) in enumerate(captures):
            path = tmp_path / f"{number}.pcap"
            path.write_bytes(files.pcap(sorted([*packets, *SPAN]) if packets else []))
            found.append(CaptureFile(str(path), host))
        keep(evidence, PLAN, "2026-11-29T00:00:00Z", found, only)
        plan, started = evidence.plan()
        conclusion = decide(plan, evidence.answers(plan), started, started)
        flow: dict[str, Any] = conclusion.report["flows"][0]
        return flow

    return diagnose


def later(packets: list[files.Timed]) -> list[files.Timed]:
    return [(time + AHEAD, packet) for time, packet in packets]


def routed(packets: list[files.Timed]) -> list[files.Timed]:
    """The same behind a router, a millisecond later."""
    return [(time + 0.001, packet[:8] + bytes((packet[8] - 1,)) + packet[9:]) for time, packet in packets]


def test_both_ends_show_that_the_handshake_completes(diagnosed: Any) -> None:
    flow = diagnosed(("web1", files.completed()), ("db1", later(routed(files.completed()))))
    assert flow["status"] == "ok" and flow["probes"]["connected"] == 1 and flow["probes"]["connect_ms"] == 21.0


def test_packets_are_matched_one_to_one_and_the_clocks_aligned(diagnosed: Any) -> None:
    """The SYN-ACK leaves the server and does not arrive."""
    syns = files.unanswered(times=(0.0, 1.0))
    answers = [
        (time + 0.001, files.segment(18, seq=9, ack=3001, port=40003, back=True, ip_id=7 + number))
        for number, (time, _syn) in enumerate(syns)
    ]
    flow = diagnosed(("web1", syns), ("db1", later(sorted([*routed(syns), *answers]))))
    assert (flow["status"], flow["leg"], flow["between"]) == ("broken", "syn_ack", ["db1", "web1"])
    assert abs(flow["clock"]["db1"]["offset_ms"] - AHEAD * 1000) < 5
    assert all({seen["host"] for seen in row["seen"]} == {"web1", "db1"} for row in flow["timeline"] if row["packet"] == "syn")


def test_what_a_capture_lacks_proves_nothing(diagnosed: Any) -> None:
    flow = diagnosed(("web1", files.unanswered()), ("db1", [(1.0, files.segment(files.ACK, seq=1, port=6))]))
    assert flow["status"] == "broken" and flow["leg"] == "syn" and flow["between"] == ["web1", "db1"]
    assert {cause["certainty"] for cause in flow["causes"]} <= {"likely", "possible"}


def test_an_empty_capture_does_not_say_when_it_was_made(diagnosed: Any) -> None:
    flow = diagnosed(("web1", files.unanswered()), ("db1", []))
    assert flow["status"] == "undetermined" and flow["causes"] == []


def test_a_point_on_the_path_shows_a_refusal_and_not_by_whom(diagnosed: Any) -> None:
    flow = diagnosed((None, files.refused()))
    assert (flow["status"], flow["causes"][0]["code"], flow["causes"][0]["certainty"]) == ("broken", "no_listener", "possible")
    assert flow["via"] == ["capture 0.pcap"] and flow["unexplained"] == []


@pytest.mark.parametrize(
    ("packets", "outcome", "says"),
    [
        (files.refused(), "error", "SYN refused"),
        (files.unanswered(), "timeout", "connected 0 of 1"),
        (files.completed(), "connected", "connected"),
    ],
)
def test_attempts_of_captures_have_no_error_of_an_application(diagnosed: Any, packets: list[files.Timed], outcome: str, says: str) -> None:
    flow = diagnosed(("web1", packets))
    assert flow["probes"]["errors"] == {} and {each["outcome"] for each in flow["probes"]["detail"]} == {outcome}
    assert {each["errno"] for each in flow["probes"]["detail"]} == {None}
    assert says in verdict(view({"flows": [flow]}).flows[0])
    assert "ETIMEDOUT" not in repr(flow) and "ECONNREFUSED" not in repr(flow)


def test_a_point_on_the_path_lies_between_the_ends(diagnosed: Any) -> None:
    flow = diagnosed(("web1", files.unanswered()), (None, routed(files.unanswered())))
    assert flow["status"] == "undetermined" and "a recording on db1" in flow["undecided"][0]
    assert all({seen["host"] for seen in row["seen"]} == {"web1", "capture 1.pcap"} for row in flow["timeline"])
    lost = diagnosed(("web1", files.unanswered()), (None, [(1.0, files.segment(files.ACK, seq=1, port=6))]))
    assert lost["between"] == ["web1", "capture 1.pcap"]


def test_without_a_syn_of_the_flow_there_is_no_attempt(diagnosed: Any) -> None:
    flow = diagnosed(("web1", []))
    assert flow["status"] == "undetermined" and flow["probes"]["attempts"] == 0
    assert "the captures have no SYN of its flows" in " ".join(flow["undecided"])


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("nonsense", "give a list of mappings"),
        ([{"host": "web1"}], "entry 1: .* has no path"),
        ([{"path": "a"}, {"path": "b", "hosts": "web1"}], "entry 2: .*hosts.* is not a key"),
        ([{"path": "a", "host": "other"}], "other.* has no part in any flow"),
        ([{"path": "a", "host": ["web1"]}], "web1.* has no part in any flow"),
        ([{"path": "a", "offset": "soon"}], "soon.* is not a number of seconds"),
        (["x/a.pcap", "y/a.pcap"], "two files for"),
    ],
)
def test_captures_that_cannot_be_are_said_in_a_sentence(raw: object, says: str) -> None:
    with pytest.raises(PlanError, match=says):
        read(raw, {"web1", "db1"})


def test_a_bundle_has_the_captures(diagnosed: Any, tmp_path: Path) -> None:
    flow = diagnosed(("web1", files.unanswered(times=(0.0, 1.0))), ("db1", []))
    made = bundled(tmp_path / "report", "2026-11-29T00:00:00Z")
    assert made.differing == [] and made.counts[flow["status"]] == 1
    path = tmp_path / "bundle.tar.gz"
    path.write_bytes(made.content)
    (run,) = read_runs(path)
    assert {phase for phases in run.answers.values() for phase in phases} == {"capture"}
    assert decide(run.plan, run.answers, run.started, run.started).report["flows"][0]["status"] == flow["status"]
    assert "web1" not in str(documents(run)) and ".pcap" not in str(documents(run))
