# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen is accounted for, or nothing is proven: each kind of anomaly, planted into the recorded evidence of every fault."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.anomalies import DETECTORS, KINDS
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import CATALOGUE
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.examine import examine
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.explain import explain
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.planted import PLANTS, Ground
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import RECORDED, recorded
from tests.faults._recorded import load

NAMES = [path.name.removesuffix(".json.gz") for path in sorted(RECORDED.glob("*.json.gz"))]
FAULTS = [name for name in NAMES if load(RECORDED / f"{name}.json.gz")["expected"]["code"]]
ACCOUNTS = {cause.code: {each.kind for each in cause.accounts_for} for cause in CATALOGUE}
TOLD_ALONE = ("third_host", "claimed_address")  # hosts without a part in the flow may lie
MOST, STRIDE = 40, 11  # recordings that `make test` tries, and how far apart they are
LEAST = 5  # recordings in which a kind must take `proven` away
PAGE = (Path(__file__).parents[5] / "docs/anomalies.md").read_text(encoding="utf-8")


def flow_of(plan: Any, found: Any) -> dict[str, Any]:
    flow: dict[str, Any] = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"][0]
    return flow


@cache
def whole(name: str) -> dict[str, Any]:
    """What the report says with nothing planted."""
    return flow_of(*recorded(name))


def proven(flow: dict[str, Any]) -> list[str]:
    return [cause["code"] for cause in flow["causes"] if cause["certainty"] == "proven"]


def planted(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of each recording into which a kind can be planted, and what the report says then; of all parts of the catalogue."""
    for name in (name for start in range(STRIDE) for name in FAULTS[start::STRIDE]):
        ground = Ground(name)
        if ground.case is not None and ground.case.attempts and PLANTS[kind](ground):
            yield name, flow_of(ground.plan, ground.found)


@pytest.mark.parametrize("most", [MOST, pytest.param(len(FAULTS), marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", PLANTS)
def test_what_was_planted_is_named_and_nothing_that_it_contradicts_stays_proven(kind: str, most: int) -> None:
    tried, lost = 0, 0
    for name, flow in islice(planted(kind), most):
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


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FAULTS and recorded(name)[0].entries[0].expect == "open"])
def test_a_healthy_run_has_none(name: str) -> None:
    """But for what its own page calls worth a remark."""
    _hosts, examined = examine(*recorded(name))
    found = {anomaly.kind for each in examined for case in each.cases for anomaly in explain(case).unexplained}
    assert found <= {"closed_unused", "shared_address", "undeclared_source"}, found


def test_what_is_proven_stays_proven_where_nothing_is_left_over() -> None:
    """At least 85 % of the faults that are to be proven are, all detectors at work; the figure is printed."""
    wanted = [name for name in FAULTS if load(RECORDED / f"{name}.json.gz")["expected"]["certainties"] == ("proven",)]
    said = [name for name in wanted if whole(name)["causes"][0]["certainty"] == "proven"]
    print(f"{len(said)} of {len(wanted)} faults that are to be proven are, with {len(DETECTORS)} detectors")
    assert len(said) >= 0.85 * len(wanted)
