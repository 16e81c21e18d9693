# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes of the rehearsal of a firewall's change stands beside it; what fails there is advice at most."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.action.vantage import _rehearsals
from ansible_collections.threeway.handshake.plugins.plugin_utils._bundle.compare import differing
from ansible_collections.threeway.handshake.plugins.plugin_utils._bundle.evidence import pseudonymous, pseudonyms_for
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide import rehearsals
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import Answer, judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.rehearsals import NOT_AMONG, UNASKED
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.rehearsals import remark
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.slices import Run
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.trace_orders import MAX_REHEARSED, follow_up
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.mending import mendings
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.policy import Policy, refusal
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.rehearsal import answered
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.markdown import render as markdown
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.page import render as page
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.terminal import render as terminal
from tests.unit.plugins.plugin_utils.recordings import RECORDED, Phases, recorded

NAME = "firewall_drop.server-input"
STARTED, ENDED = "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z"


def asked(plan: Plan, evidence: Phases, depth: str = "normal", traced: bool = False) -> Any:
    orders = {host: {"host": host, "recorder_seconds": 67, "settle": 0.25} for host in evidence}
    return follow_up(plan, judge(plan, evidence, short=True), orders, dict.fromkeys(orders, depth), traced=traced)


def rehearsed(result: str, why: str = "", name: str = NAME) -> tuple[Plan, Phases]:
    """The evidence, with this said of what the server was asked to rehearse."""
    plan, evidence = recorded(name)
    (order,) = asked(plan, evidence, traced=True).rehearsals.values()
    said = [{"digest": each["digest"], "uses": each["uses"], "result": result, "why": why} for each in order["rehearsal"]]
    evidence[order["host"]]["rehearse"] = {
        **evidence[order["host"]]["open"],
        "phase": "rehearse",
        "failure": None,
        "evidence": {"rehearsals": said},
    }
    return plan, evidence


def report_of(plan: Plan, evidence: Phases) -> dict[str, Any]:
    return decide(plan, evidence, STARTED, ENDED).report


def fix_of(plan: Plan, evidence: Phases) -> dict[str, Any]:
    fix: dict[str, Any] = report_of(plan, evidence)["flows"][0]["causes"][0]["fix"]
    return fix


def test_a_host_is_asked_to_rehearse_what_the_report_offers_for_it() -> None:
    plan, evidence = recorded(NAME)
    assert asked(plan, evidence, "quick").rehearsals == {}
    found = asked(plan, evidence)
    fix = fix_of(plan, evidence)
    assert found.traces == {} and list(found.rehearsals) == ["db1"]
    order = found.rehearsals["db1"]
    (wanted,) = order["rehearsal"]
    assert order["phases"] == ["rehearse"] and order["seconds"] > 0
    assert wanted["steps"] == [{name: step[name] for name in ("module", "arguments")} for step in fix["steps"]]
    assert wanted["packets"] == fix["packets"]
    assert wanted["uses"] == [{"client": "web1", "address": "10.0.2.21", "port": 5432, "code": "firewall_drop", "leg": "syn"}]


def test_what_is_traced_first_is_rehearsed_behind_that() -> None:
    plan, evidence = recorded(NAME)
    both = asked(plan, evidence, "full"), asked(plan, evidence, "full", traced=True)
    assert [(bool(each.traces), bool(each.rehearsals)) for each in both] == [(True, False), (False, True)]


def test_one_change_for_many_flows_is_rehearsed_once_and_not_more_than_so_many() -> None:
    plan, evidence = recorded(NAME)
    many = Plan(plan.run, plan.entries * (MAX_REHEARSED + 5), {}, addresses=plan.addresses)
    (wanted,) = asked(many, evidence).rehearsals["db1"]["rehearsal"]
    assert len(wanted["uses"]) == 1


def test_what_is_one_too_many_is_left_out_and_says_so() -> None:
    names = sorted(file.name.removesuffix(".json.gz") for file in RECORDED.glob("firewall_drop.*.json.gz"))
    changes: dict[str, str] = {}
    together: list[Answer] = []
    for name in (each for each in names if not each.endswith("twin") and len(changes) <= MAX_REHEARSED):
        judged = judge(*recorded(name), short=True)
        together += judged.answers
        changes.update((fix["digest"], name) for fix in rehearsals.asked(judged.answers).get("db1", ()))
    plan, evidence = recorded(NAME)
    of_all = replace(judge(plan, evidence, short=True), answers=together)
    order = follow_up(plan, of_all, {"db1": {"host": "db1"}}, {"db1": "normal"}, traced=True).rehearsals["db1"]
    (left_out,) = order["not_rehearsed"]
    assert len(order["rehearsal"]) == MAX_REHEARSED and left_out["digest"] not in {fix["digest"] for fix in order["rehearsal"]}
    plan, evidence = recorded(changes[left_out["digest"]])
    said = _rehearsals(order, [{"result": "opens", "why": ""}] * MAX_REHEARSED)
    evidence["db1"]["rehearse"] = {**evidence["db1"]["open"], "phase": "rehearse", "evidence": {"rehearsals": said}}
    assert fix_of(plan, evidence)["rehearsed"] == {"result": "not_rehearsed", "why": "no more than 20 changes of one host are rehearsed"}


@pytest.mark.parametrize("result", ["opens", "further"])
def test_what_opens_stays_a_fix_and_says_so(result: str) -> None:
    why = "" if result == "opens" else "a SYN would then be dropped by policy drop"
    plan, evidence = rehearsed(result, why)
    fix = fix_of(plan, evidence)
    assert (fix["risk"], fix["rehearsed"]) == ("low", {"result": result, "why": why}) and fix["steps"]


@pytest.mark.parametrize("result", ["fails", "unknown"])
def test_what_fails_is_advice_at_most_and_says_why(result: str) -> None:
    why = "it would also change what happens to a SYN from 192.0.2.1 port any to 192.0.2.2 port 5433"
    plan, evidence = rehearsed(result, why)
    report = report_of(plan, evidence)
    fix = report["flows"][0]["causes"][0]["fix"]
    assert (fix["risk"], fix["steps"], fix["packets"], fix["undo"]) == ("advice", [], [], [])
    assert bool(fix["commands"]) is (result == "unknown"), "what is known not to help is not typed by people either"
    (mending,) = mendings(report)
    assert why in str(refusal(mending, {"db1": Policy(apply=True)})), "a remediation says the same"
    for shown in (terminal(report, width=5000), markdown(report), page(report)):
        known = "it does not do what it is for" if result == "fails" else "it is not known whether it does what it is for"
        assert f"in a copy of the firewall, {known}: {why}" in shown.replace("\\", "")


def test_why_it_was_not_rehearsed_stands_beside_it() -> None:
    plan, evidence = recorded(NAME)
    assert fix_of(plan, evidence)["rehearsed"] == {"result": "not_rehearsed", "why": UNASKED}
    assert "rehearsal: none, it was only evaluated" in terminal(report_of(plan, evidence), width=5000)
    refused = {"kind": "module", "message": "no network namespace can be made: it takes root"}
    evidence["db1"]["rehearse"] = {**evidence["db1"]["open"], "phase": "rehearse", "failure": refused, "evidence": None}
    report = report_of(plan, evidence)
    fix = report["flows"][0]["causes"][0]["fix"]
    assert fix["steps"] and fix["rehearsed"] == {"result": "not_rehearsed", "why": refused["message"]}
    assert report["unobserved"] == [], "the diagnosis lacks nothing for it"


def test_a_host_without_python_cannot_be_asked_and_says_so() -> None:
    plan, evidence = recorded(NAME)
    for answer in evidence["db1"].values():
        answer["failure"] = {"kind": "python", "message": "no interpreter"}
    assert asked(plan, evidence, traced=True).rehearsals == {}
    assert fix_of(plan, evidence)["rehearsed"] == {"result": "not_rehearsed", "why": "db1 has no usable Python, which it takes"}


def test_a_change_that_was_not_among_those_asked_about_does_not_blame_the_depth() -> None:
    plan, evidence = rehearsed("opens")
    other = {"digest": "0" * 16, "uses": [], "result": "opens", "why": ""}
    evidence["db1"]["rehearse"]["evidence"]["rehearsals"] = [other]
    assert fix_of(plan, evidence)["rehearsed"] == {"result": "not_rehearsed", "why": NOT_AMONG}


@pytest.mark.parametrize("made_up", [None, 7, [{}], [{"digest": "x", "uses": [], "result": "opens", "why": ""}], [{"digest": ""}]])
def test_what_a_host_makes_up_is_no_rehearsal(made_up: object) -> None:
    plan, evidence = rehearsed("opens")
    evidence["db1"]["rehearse"]["evidence"]["rehearsals"] = made_up
    assert fix_of(plan, evidence)["rehearsed"]["result"] == "not_rehearsed"


@pytest.mark.parametrize("result", ["", "gibberish", "opens " * 500, "db1.example.org"])
def test_a_result_that_is_none_is_taken_for_nothing(result: str) -> None:
    plan, evidence = rehearsed(result)
    fix = fix_of(plan, evidence)
    assert fix["steps"] and fix["rehearsed"]["result"] == "not_rehearsed" and "a result of a rehearsal belongs" in fix["rehearsed"]["why"]
    assert "opens the flow" not in remark(result, "")
    run = Run(plan=plan, started=STARTED, controller="", source="", answers=evidence)
    assert not result or result not in str(pseudonymous(run, pseudonyms_for([run], b"x" * 32)).answers)


@pytest.mark.parametrize("fix", [None, 7, {}, {"result": "gibberish", "why": ""}, {"result": ["opens"]}])
def test_a_remediation_makes_no_more_of_it(fix: object) -> None:
    assert answered([{"key": "one"}], {"fixes": [fix]})["one"]["result"] == "not_rehearsed"
    assert answered([{"key": "one"}], {"fixes": [{"result": "opens", "why": None}]})["one"] == {"result": "opens", "why": ""}
    assert len(answered([{"key": "one"}], {"fixes": [{"result": "fails", "why": "x" * 10_000}]})["one"]["why"]) < 5000


@pytest.mark.parametrize("result", ["opens", "fails"])
def test_a_bundle_has_it_too(result: str) -> None:
    plan, evidence = rehearsed(result, "because of 10.0.2.21")
    run = Run(plan=plan, started=STARTED, controller="", source="", answers=evidence)
    other = pseudonymous(run, pseudonyms_for([run], b"x" * 32))
    fix = decide(other.plan, other.answers, STARTED, ENDED).report["flows"][0]["causes"][0]["fix"]
    assert (fix["rehearsed"]["result"], bool(fix["steps"])) == (result, result == "opens")
    assert "10.0.2.21" not in str(other.answers)


@pytest.mark.parametrize(
    ("leg", "others", "result"),
    [("syn", "syn_ack", "opens"), (None, None, "not_rehearsed"), ("syn", None, "opens"), (None, "syn_ack", "opens")],
)
def test_a_bundle_has_that_of_the_same_cause(leg: str | None, others: str | None, result: str) -> None:
    """The SYN and the SYN-ACK are dropped by one host; older evidence does not say which of the two causes a change is for."""
    plan, evidence = rehearsed("opens")
    said = evidence["db1"]["rehearse"]["evidence"]["rehearsals"]
    (own,) = said
    (use,) = own["uses"]
    said[:] = [{**own, "uses": [{**use, "leg": leg}]}, {**own, "digest": "0" * 16, "uses": [{**use, "leg": others}], "result": "fails"}]
    run = Run(plan=plan, started=STARTED, controller="", source="", answers=evidence)
    pseudonyms = pseudonyms_for([run], b"x" * 32)
    other = pseudonymous(run, pseudonyms)
    whole, shared = report_of(plan, evidence), report_of(other.plan, other.answers)
    assert shared["flows"][0]["causes"][0]["fix"]["rehearsed"]["result"] == result
    assert differing(whole, shared, pseudonyms) == ([] if result == "opens" else [whole["flows"][0]["id"]]), "what is lost is said"


def test_other_fixes_are_not_rehearsed() -> None:
    plan, evidence = recorded("syn_retries_too_low")
    assert asked(plan, evidence, traced=True).rehearsals == {}
    assert fix_of(plan, evidence)["rehearsed"] is None
