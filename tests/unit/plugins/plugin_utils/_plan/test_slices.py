# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs as one: who is decided by whose evidence, and what is absent because it is of another time."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide, decide_views
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import TRACE_PHASES, Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.slices import Merged, Run, merge
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

BROKEN = "firewall_drop.iptables-nft.port"
AT = {"open": 100.0, "try": 110.0, "close": 120.0}


def parties(plan: Plan) -> set[str]:
    return set(plan.parties())


def run(identity: str, plan: Plan, answers: Phases, hosts: set[str], later: float = 0.0) -> Run:
    """A run in whose play these hosts were, so much later."""
    seen = copy.deepcopy({host: phases for host, phases in answers.items() if host in hosts})
    for phases in seen.values():
        for phase, answer in phases.items():
            answer.update(run=identity, at=AT.get(phase, 130.0) + later, seconds=2.0)
    absent = tuple(sorted(parties(plan) - hosts))
    started = f"2026-11-29T10:00:{int(later) % 60:02}Z"
    return Run(plan=replace(plan, run=identity, not_in_play=absent), started=started, controller="here", source=identity, answers=seen)


def report(merged: Merged) -> dict[str, Any]:
    return decide_views(merged.plan, merged.views, merged.started, "2026-11-29T11:00:00Z").report


def causes(document: dict[str, Any]) -> list[Any]:
    return [[(cause["code"], cause["host"], cause["certainty"]) for cause in flow["causes"]] for flow in document["flows"]]


def test_halves_at_the_same_time_tell_what_one_run_tells() -> None:
    plan, answers = recorded(BROKEN)
    whole = decide(plan, answers, "2026-11-29T10:00:00Z", "2026-11-29T11:00:00Z").report
    clients = {entry.client for entry in plan.entries}
    others = parties(plan) - clients
    merged = merge([run("one", plan, answers, clients), run("two", plan, answers, others)], "both")
    assert causes(report(merged)) == causes(whole)
    assert causes(whole)[0][0] == ("firewall_drop", "db1", "proven")
    assert len(merged.views) == 1
    assert report(merged)["unobserved"] == []
    assert report(merged)["run"] == "both"


@pytest.mark.parametrize("later", [-30.0, 3.0, 12.0, 3600.0])
def test_what_was_observed_at_another_time_is_absent_and_proves_nothing(later: float) -> None:
    plan, answers = recorded(BROKEN)
    clients = {entry.client for entry in plan.entries}
    runs = [run("one", plan, answers, clients), run("two", plan, answers, parties(plan) - clients, later)]
    if later == 3.0:  # open had answered at 103, the client was asked at 108; it was asked to close at 121
        assert causes(report(merge(runs, "both")))[0][0][2] == "proven"
        return
    found = report(merge(runs, "both"))
    assert all(certainty != "proven" for flow in causes(found) for _code, _host, certainty in flow)
    (gap,) = [each for each in found["unobserved"] if each["host"] == "db1"]
    assert gap["kind"] == "apart"
    assert gap["why"].startswith("it was observed in run two from 1970-01-01T")
    assert any("it was observed in run two" in sentence for sentence in found["flows"][0]["not_observed"])


@pytest.mark.parametrize(("controllers", "apart"), [(("here", "there"), True), (("here", "here"), False)])
def test_two_controllers_whose_clocks_differ_are_not_believed(controllers: tuple[str, str], apart: bool) -> None:
    """By their clocks it was at the same time; by those of the hosts, the client tried a minute later."""
    plan, answers = recorded(BROKEN)
    for entry in plan.entries:
        for probe in answers[entry.client]["try"]["evidence"]["probes"]:
            probe["started"] += 60.0
    clients = {entry.client for entry in plan.entries}
    one, two = run("one", plan, answers, clients), run("two", plan, answers, set(plan.parties()) - clients)
    one, two = (replace(each, controller=controller) for each, controller in zip((one, two), controllers, strict=True))
    found = report(merge([one, two], "both"))
    assert [each["kind"] for each in found["unobserved"] if each["host"] == "db1"] == (["apart"] if apart else [])
    assert not apart or "by its own clock" in found["unobserved"][0]["why"]


def test_evidence_that_does_not_say_when_belongs_to_its_own_run_alone() -> None:
    plan, answers = recorded(BROKEN)
    clients = {entry.client for entry in plan.entries}
    one, two = run("one", plan, answers, clients), run("two", plan, answers, parties(plan) - clients)
    for answer in two.answers["db1"].values():
        answer["at"] = None
    (gap,) = [each for each in report(merge([one, two], "both"))["unobserved"] if each["host"] == "db1"]
    assert "at times that its evidence does not show" in gap["why"]


def test_a_host_of_two_runs_is_taken_from_the_run_in_which_the_client_tried() -> None:
    plan, answers = recorded(BROKEN)
    (entry,) = plan.entries
    healthy_plan, healthy = recorded(f"{BROKEN}.twin")
    early = run("early", plan, answers, parties(plan))
    other = replace(healthy_plan, entries=tuple(replace(each, flow="other") for each in healthy_plan.entries))
    late = run("late", other, healthy, parties(other), 3600.0)
    merged = merge([early, late], "both")
    assert len(merged.views) == 2
    found = {flow["name"]: flow for flow in report(merged)["flows"]}
    assert found[entry.flow]["causes"][0]["certainty"] == "proven"
    alone = decide(healthy_plan, healthy, "2026-11-29T10:00:00Z", "2026-11-29T11:00:00Z").report
    assert causes({"flows": [found["other"]]}) == causes(alone)


def test_of_the_same_entry_the_last_run_counts() -> None:
    plan, answers = recorded(BROKEN)
    first, second = run("first", plan, answers, parties(plan)), run("second", plan, answers, parties(plan), 600.0)
    for runs in ([first, second], [second, first]):
        merged = merge(runs, "both")
        assert len(merged.plan.entries) == 1
        assert merged.views[0].evidence["db1"]["open"]["run"] == "second"


def test_nobody_is_not_in_play_whom_another_slice_observed() -> None:
    plan, answers = recorded(BROKEN)
    clients = {entry.client for entry in plan.entries}
    merged = merge([run("one", plan, answers, clients), run("two", plan, answers, parties(plan) - clients)], "both")
    assert merged.plan.not_in_play == ()
    alone = merge([run("one", plan, answers, clients)], "both")
    assert "db1" in alone.plan.not_in_play
    assert {each["kind"] for each in report(alone)["unobserved"]} == {"not_in_play"}


def test_traces_count_for_handshakes_of_their_own_run() -> None:
    plan, answers = recorded(BROKEN)
    for phases in answers.values():
        template = next(iter(phases.values()))
        phases["trace_close"] = {**template, "phase": "trace_close", "evidence": {"trace": None, "drops": None, "absent": []}}
    clients = {entry.client for entry in plan.entries}
    (view,) = merge([run("one", plan, answers, clients), run("two", plan, answers, parties(plan) - clients)], "both").views
    assert not {phase for phases in view.evidence.values() for phase in phases} & set(TRACE_PHASES)
    (view,) = merge([run("one", plan, answers, parties(plan))], "both").views
    assert "trace_close" in view.evidence["db1"]


def test_a_run_that_reached_the_client_itself_recorded_other_handshakes() -> None:
    plan, answers = recorded(BROKEN)
    one = run("one", plan, answers, {"web1"})
    two = run("two", plan, answers, parties(plan))  # it has web1 as well, and recorded what web1 tried there
    later = copy.deepcopy(one.answers)
    later["web1"]["try"]["at"] += 1.0
    found = report(merge([replace(one, answers=later), two], "both"))
    (gap,) = [each for each in found["unobserved"] if each["host"] == "db1"]
    assert gap["why"] == "it was observed in run two only for other handshakes than those of web1 with 10.0.2.21 port 5432"
    assert all(certainty != "proven" for flow in causes(found) for _code, _host, certainty in flow)
