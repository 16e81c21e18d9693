# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen is accounted for, or nothing is proven: each kind of anomaly, planted into the recorded evidence of every fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.anomalies import DETECTORS, KINDS
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.examine import examine
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.explain import explain
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.planted import PLANTS, Ground
from tests.faults._recorded import expected
from tests.unit.plugins.plugin_utils.recordings import NAMES, recorded, reported
from tests.unit.plugins.plugin_utils.sampled import parameters

FAULTS = [name for name in NAMES if expected(name)["code"]]
ACCOUNTS = {cause.code: {each.kind for each in cause.accounts_for} for cause in CATALOGUE}
TOLD_ALONE = ("third_host", "claimed_address")  # hosts without a part in the flow may lie
FEW, STRIDE = 10, 11  # recordings that `make test` tries at least, and how far apart they are
LEAST = 5  # recordings in which a kind must take `proven` away
PAGE = (Path(__file__).parents[5] / "docs/anomalies.md").read_text(encoding="utf-8")


def flow_of(plan: Any, found: Any) -> dict[str, Any]:
    flow: dict[str, Any] = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0]
    return flow


def whole(name: str) -> dict[str, Any]:
    """What the report says with nothing planted."""
    flow: dict[str, Any] = reported(name)["flows"][0]
    return flow


def proven(flow: dict[str, Any]) -> list[str]:
    return [cause["code"] for cause in flow["causes"] if cause["certainty"] == "proven"]


def planted(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of each recording into which a kind can be planted, and what the report says then; of all parts of the catalogue."""
    for name in (name for start in range(STRIDE) for name in FAULTS[start::STRIDE]):
        ground = Ground(name)
        if ground.case is not None and ground.case.attempts and PLANTS[kind](ground):
            yield name, flow_of(ground.plan, ground.found)


@pytest.mark.parametrize("enough", [FEW, pytest.param(len(FAULTS), marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", PLANTS)
def test_what_was_planted_is_named_and_nothing_that_it_contradicts_stays_proven(kind: str, enough: int) -> None:
    tried, lost = 0, 0
    for name, flow in planted(kind):
        if tried >= enough and (lost >= LEAST or kind in TOLD_ALONE):
            break
        tried += 1
        accounting = [cause["code"] for cause in flow["causes"] if kind in ACCOUNTS[cause["code"]]]
        left = {each["kind"] for each in flow["unexplained"]}
        told = {kind} if set(flow["remarks"]) - set(whole(name)["remarks"]) else set[str]()
        contradicted = kind == "firewall_verdict" and any("and yet it got through" in sentence for sentence in flow["not_observed"])
        assert kind in left | told or accounting or contradicted, (name, flow["causes"])
        before = proven(whole(name))
        lost += bool(before) and not proven(flow)
        if kind in TOLD_ALONE:
            assert set(proven(flow)) <= set(before), name
        elif kind in left:
            assert not [code for code in proven(flow) if kind not in ACCOUNTS[code]], (name, proven(flow))
        else:
            assert accounting or contradicted or kind in told, name
    print(f"{kind}: planted into {tried} recordings, {lost} of them prove nothing any more")
    assert tried >= LEAST
    assert lost >= LEAST or kind in TOLD_ALONE, lost


def test_every_kind_is_planted_and_documented() -> None:
    assert set(PLANTS) == set(KINDS)
    assert {kind for kind in KINDS if f"| `{kind}` | {KINDS[kind]} |" not in PAGE} == set()
    assert {kind for kinds in ACCOUNTS.values() for kind in kinds} <= set(KINDS)


BY_MARKS = {name: {"other_interface"} for name in ("firewall_drop.fib-marked.twin", "rp_filter_drop.marked.twin")}
"""Healthy runs in which rules mark what a host sends: the route without a mark names another interface than the one by which it leaves."""


@pytest.mark.parametrize("recording", parameters(name for name in NAMES if name not in FAULTS))
def test_a_healthy_run_has_none(recording: str) -> None:
    """But for what its own page calls worth a remark; what connects although it is to be blocked is no healthy run."""
    plan, evidence = recorded(recording)
    if plan.entries[0].expect == "open":
        _hosts, examined = examine(plan, evidence)
        found = {anomaly.kind for each in examined for case in each.cases for anomaly in explain(case).unexplained}
        assert found <= {"closed_unused", "shared_address", "undeclared_source", *BY_MARKS.get(recording, ())}, found


def test_what_is_proven_stays_proven_where_nothing_is_left_over() -> None:
    """At least 85 % of the faults that are to be proven are, all detectors at work; the figure is printed."""
    wanted = [name for name in FAULTS if expected(name)["certainties"] == ("proven",)]
    said = [name for name in wanted if whole(name)["causes"][0]["certainty"] == "proven"]
    print(f"{len(said)} of {len(wanted)} faults that are to be proven are, with {len(DETECTORS)} detectors")
    assert len(said) >= 0.85 * len(wanted)
