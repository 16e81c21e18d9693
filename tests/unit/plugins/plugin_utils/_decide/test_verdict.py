# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decide room on recorded evidence, without hosts: whole, with parts missing, and with parts that lie."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
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
from tests.unit.plugins.plugin_utils import recordings
from tests.unit.plugins.plugin_utils.recordings import Phases

STARTED, FINISHED = "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z"
RECORDED = sorted(recordings.RECORDED.glob("*.json.gz"))
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
recorded = pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name.removesuffix(".json.gz"))
slow_data = settings(examples(4, always=2), suppress_health_check=[HealthCheck.function_scoped_fixture])


def stem(path: Path) -> str:
    return path.name.removesuffix(".json.gz")


def evidence(path: Path) -> Phases:
    """A copy to be changed."""
    return recordings.recorded(stem(path))[1]


def conclude(path: Path, found: Phases) -> dict[str, Any]:
    return decide(Plan.from_json(recordings.kept(stem(path))["plan"]), found, STARTED, FINISHED).report


@cache
def whole(path: Path) -> dict[str, Any]:
    """The report of the evidence as it was recorded; not to be changed."""
    return conclude(path, evidence(path))


def test_there_is_recorded_evidence() -> None:
    assert len(RECORDED) > 50


@recorded
def test_whole_evidence_gives_the_expected_answer(path: Path) -> None:
    flow = whole(path)["flows"][0]
    assert differences(flow, recordings.kept(stem(path))["expected"]) == []
    assert not [sentence for sentence in flow["not_observed"] if "malformed" in sentence]


@recorded
def test_the_report_is_as_its_schema_says(path: Path) -> None:
    rendered = document.render(whole(path))
    schemas.check("report", json.loads(rendered))
    compact = document.render(decide(*recordings.recorded(stem(path)), STARTED, FINISHED, keep_all=False).report)
    if compact != rendered:  # of what is broken, all is kept anyhow
        schemas.check("report", json.loads(compact))


@recorded
def test_the_answer_does_not_depend_on_the_order_of_hosts(path: Path) -> None:
    assert whole(path)["flows"] == conclude(path, dict(reversed(evidence(path).items())))["flows"]


@recorded
@slow_data
@given(data=st.data())
def test_with_parts_missing_nothing_false_is_proven(path: Path, data: st.DataObject) -> None:
    """Whatever could not be observed: the answer may become weaker, never another one with certainty."""
    found = evidence(path)
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
    flow = conclude(path, found)["flows"][0]
    expected = recordings.kept(stem(path))["expected"]
    # What is true of the whole evidence stays true; that a packet was lost between two recordings is true whatever lost it.
    true = {cause["code"] for cause in whole(path)["flows"][0]["causes"]} | {"path_drop", "path_loss"}
    assert {cause["code"] for cause in flow["causes"] if cause["certainty"] == "proven"} <= true
    if expected["status"] == "ok":
        assert flow["status"] in ("ok", "undetermined")
    assert sound(flow)


@recorded
@slow_data
@given(seed=st.integers(0, 2**32))
def test_hosts_that_lie_raise_nothing(path: Path, seed: int) -> None:
    """Malformed answers cost that part only."""
    dice, found = random.Random(seed), evidence(path)
    for phases in found.values():
        for answer in phases.values():
            answer["evidence"] = spoil(answer["evidence"], dice)
    assert sound(conclude(path, found)["flows"][0])


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
