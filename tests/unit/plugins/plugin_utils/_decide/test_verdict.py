# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decide room on recorded evidence, without hosts: whole, with parts missing, and with parts that lie."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.outcome import SEGMENTS
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.status import STATUSES
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._report import document
from tests import schemas
from tests.faults._recorded import differences
from tests.unit.examples import examples
from tests.unit.plugins.plugin_utils.recordings import FINISHED, NAMES, STARTED, Phases, kept, recorded, reported
from tests.unit.plugins.plugin_utils.sampled import all_recordings, sampled

PARTS = ("recording", "hops", "resolutions", "before", "snapshot", "after")
SNAPSHOT_PARTS = (
    "counters",
    "sysctls",
    "links",
    "addresses",
    "routes",
    "neighbours",
    "hooks",
    "listeners",
    "sockets",
    "socket_counts",
    "firewall",
)
slow_data = settings(examples(4, always=2), suppress_health_check=[HealthCheck.function_scoped_fixture])


def evidence(name: str) -> Phases:
    """A copy to be changed."""
    return recorded(name)[1]


def conclude(name: str, found: Phases) -> dict[str, Any]:
    return decide(Plan.from_json(kept(name)["plan"]), found, STARTED, FINISHED).report


def test_there_is_recorded_evidence() -> None:
    assert len(NAMES) > 50


@all_recordings
def test_whole_evidence_gives_the_expected_answer(recording: str) -> None:
    flow = reported(recording)["flows"][0]
    assert differences(flow, kept(recording)["expected"]) == []
    assert not [sentence for sentence in flow["not_observed"] if "malformed" in sentence]


@all_recordings
def test_the_report_is_as_its_schema_says(recording: str) -> None:
    schemas.check("report", json.loads(document.render(reported(recording))))


@sampled
def test_the_report_that_keeps_what_matters_is_as_its_schema_says(recording: str) -> None:
    compact = document.render(decide(*recorded(recording), STARTED, FINISHED, keep_all=False).report)
    if compact != document.render(reported(recording)):  # of what is broken, all is kept anyhow
        schemas.check("report", json.loads(compact))


@sampled
def test_the_answer_does_not_depend_on_the_order_of_hosts(recording: str) -> None:
    assert reported(recording)["flows"] == conclude(recording, dict(reversed(evidence(recording).items())))["flows"]


@sampled
@slow_data
@given(data=st.data())
def test_with_parts_missing_nothing_false_is_proven(recording: str, data: st.DataObject) -> None:
    """Whatever could not be observed: the answer may become weaker, never another one with certainty."""
    found = evidence(recording)
    for host in sorted(found):
        for phase in sorted(found[host]):
            answer = found[host][phase]["evidence"] or {}
            if data.draw(st.integers(0, 9), label=f"{host}.{phase} lost") == 0:
                found[host][phase] = {
                    "host": host,
                    "phase": phase,
                    "failure": {"kind": "unreachable", "message": "cut off"},
                    "evidence": None,
                }
                continue
            for part in data.draw(st.sets(st.sampled_from(PARTS), max_size=2), label=f"{host}.{phase}"):
                answer.pop(part, None)
            for snapshot in ("before", "after", "snapshot"):
                for part in data.draw(st.sets(st.sampled_from(SNAPSHOT_PARTS), max_size=3), label=f"{host}.{phase}.{snapshot}"):
                    (answer.get(snapshot) or {}).pop(part, None)
    flow = conclude(recording, found)["flows"][0]
    expected = kept(recording)["expected"]
    # What is true of the whole evidence stays true; that a packet was lost between two recordings is true whatever lost it.
    true = {cause["code"] for cause in reported(recording)["flows"][0]["causes"]} | {"path_drop", "path_loss"}
    assert {cause["code"] for cause in flow["causes"] if cause["certainty"] == "proven"} <= true
    if expected["status"] == "ok":
        assert flow["status"] in ("ok", "undetermined")
    assert sound(flow)


@sampled
@slow_data
@given(seed=st.integers(0, 2**32))
def test_hosts_that_lie_raise_nothing(recording: str, seed: int) -> None:
    """Malformed answers cost that part only."""
    dice, found = random.Random(seed), evidence(recording)
    for phases in found.values():
        for answer in phases.values():
            answer["evidence"] = spoil(answer["evidence"], dice)
    assert sound(conclude(recording, found)["flows"][0])


LIES = [
    None,
    -1,
    10**30,
    10**400,
    "²",
    "--5",
    "10.0.2.21%x",
    0.5,
    "",
    "\x1b[31m<script>",
    "10.0.2.21",
    [],
    {},
    [[]],
    {"a": 1},
    True,
    "x" * 10_000,
]


def spoil(value: Any, dice: random.Random) -> Any:
    if dice.random() < 0.02:
        return dice.choice(LIES)
    if isinstance(value, dict):
        return {key: spoil(entry, dice) for key, entry in value.items()}
    if isinstance(value, list):
        return [spoil(entry, dice) for entry in value]
    return value


def sound(flow: dict[str, Any]) -> bool:
    """Whether an entry of the report keeps the contract."""
    codes = {cause.code for cause in CATALOGUE}
    return (
        flow["status"] in STATUSES
        and flow["leg"] in ("syn", "syn_ack", "ack", None)
        and flow["segment"] in (*SEGMENTS, None)
        and all(cause["code"] in codes and cause["certainty"] in ("proven", "likely", "possible") for cause in flow["causes"])
        and (flow["status"] != "broken" or bool(flow["causes"]))
    )
