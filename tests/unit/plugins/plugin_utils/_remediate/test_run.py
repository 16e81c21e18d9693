# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate import judgement
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.batch import next_batch, within_reach
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.mending import mendings, merged_saves
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.policy import Limits, Policy, PolicyError, escalation, refusal
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.run import Remediation, orders, transaction
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._remediate.reports import cause, fix, flow, report

MANAGED = ("web1", "db1", "db2", "db3")


def remediation(of_host: Any = None, **limits: Any) -> Remediation:
    """``of_host``: by host, what its policy has beside that of the others, who apply."""
    policies = {host: Policy(**{"apply": True, **(of_host or {}).get(host, {})}) for host in MANAGED}
    return Remediation("20261121T040000-3f2a91", policies, Limits(**limits))


def ends(run: Remediation, before: Any, after: Any, outcome: str = "kept", helped: Any = None) -> None:
    settled = {host: {"outcome": outcome, "why": "so"} for host in run.batch}
    run.end_turn(settled, helped or {}, before, after)


class TestMendings:
    def test_a_fix_that_several_flows_want_is_one(self) -> None:
        found = mendings(report(flow("a", causes=[cause(certainty="likely")]), flow("b", causes=[cause()])))
        assert [(each.flows, each.certainty) for each in found] == [(("a.id", "b.id"), "proven")]

    def test_only_the_decisive_cause_of_what_is_broken_counts(self) -> None:
        flows = flow("a", causes=[cause("db1"), cause("db2")]), flow("b", "ok", [cause("db3")]), flow("c", "undetermined", [cause("db3")])
        assert [each.where for each in mendings(report(*flows, flow("d")))] == ["db1"]

    def test_what_is_saved_is_saved_for_all(self) -> None:
        one, other = {"sysctls": ("a",), "firewall": False, "files": []}, {"sysctls": ["b", "a"], "firewall": True}
        assert merged_saves([one, None, other]) == {"sysctls": ["a", "b"], "firewall": True}


class TestPolicy:
    @pytest.mark.parametrize(
        ("changes", "policy", "why"),
        [
            ({}, {}, None),
            ({"steps": (), "risk": "advice"}, {}, "it is advice for people"),
            ({"steps": ()}, {}, "it can only be done by hand"),
            ({"saves": None}, {}, "nothing says what would have to be saved first"),
            ({"saves": {"files": [], "firewall": False}}, {}, "nothing says what would have to be saved first"),
            ({"saves": {"files": [], "firewall": False}, "kind": "connection"}, {}, None),
            ({"kind": "network"}, {}, "remediate_allow does not have network for host db1"),
            ({"where": "path"}, {}, "path is not among the hosts of this run"),
            ({"where": "r9"}, {}, "r9 is not among the hosts of this run: widen --limit, or the hosts of the play"),
            ({}, {"allow": ("firewall",)}, "remediate_allow does not have sysctl for host db1"),
            ({"risk": "disruptive"}, {}, "its risk is disruptive, and remediate_max_risk is low for host db1"),
            ({"risk": "disruptive"}, {"max_risk": "disruptive"}, None),
            ({"certainty": "likely"}, {}, "the cause is likely, and remediate_require is proven for host db1"),
            ({"certainty": "likely"}, {"require": "possible"}, None),
            (
                {"certainty": "likely", "kind": "firewall"},
                {},
                "the cause is likely, and remediate_require is proven for host db1; a rule without a counter is proven by a trace of the "
                "rules (diagnose_depth=full)",
            ),
        ],
    )
    def test_what_is_refused(self, changes: Any, policy: Any, why: str | None) -> None:
        mending = dataclasses.replace(mendings(report(flow("a", causes=[cause()])))[0], **changes)
        assert refusal(mending, {host: Policy(**policy if host == "db1" else {}) for host in MANAGED}) == why

    def test_a_host_goes_back_to_its_baseline_if_its_own_variable_says_so(self) -> None:
        (mending,) = mendings(report(flow("a", causes=[cause()])))
        assert refusal(mending, {"db1": Policy(drift=False)}, drifted=True) == "drift_remediate is not true for host db1"
        assert refusal(mending, {"db1": Policy(), "db2": Policy(drift=False)}, drifted=True) is None
        assert refusal(mending, {"db1": Policy(drift=False)}) is None

    @pytest.mark.parametrize(
        "wrong", [{"allow": ("firewal",)}, {"max_risk": "advice"}, {"require": ""}, {"max_hosts": -1}, {"confirm_timeout": 0.5}]
    )
    def test_what_cannot_be_is_a_sentence(self, wrong: Any) -> None:
        with pytest.raises(PolicyError, match=f"^remediate_{next(iter(wrong))} .*: give "):
            Limits(**wrong) if "max_hosts" in wrong else Policy(**wrong)

    def test_the_time_to_confirm_must_be_enough_for_a_diagnosis(self) -> None:
        assert Policy().too_short("db1", 36, 0) is None
        assert "set it to at least 65 for host db1" in str(Policy().too_short("db1", 40, 0))
        assert "set it to at least 99" in str(Policy().too_short("db1", 36, 40))

    def test_what_did_not_hold_twice_is_escalated(self) -> None:
        mending = mendings(report(flow("a", causes=[cause()]), flow("b", causes=[cause()])))[0]
        assert escalation(mending, {("b.id", "syn_flood", "db1", ""): 1, ("b.id", "syn_flood", "db2", ""): 9}) is None
        assert "2 times" in str(escalation(mending, {("b.id", "syn_flood", "db1", ""): 2}))

    def test_what_counts_is_the_same_rule_and_not_the_same_host(self) -> None:
        def of(text: str, **more: Any) -> Any:
            rule = {"family": "inet", "table": "filter", "chain": "input", "text": text, **more}
            return mendings(report(flow("a", causes=[{**cause(), "detail": {"rule": rule}}])))[0]

        first, other = of("tcp dport 5432 drop", handle=4, packets=0), of("ip saddr 10.0.1.0/24 drop")
        assert first.subject == of("tcp dport 5432 drop", handle=9, packets=7).subject != other.subject != ""
        made_twice = {("a.id", "syn_flood", "db1", first.subject): 2}
        assert escalation(first, made_twice) and escalation(other, made_twice) is None

    def test_what_fails_in_the_rehearsal_is_refused_where_drift_is_mended_as_well(self) -> None:
        """Baselines, schedules and diagnoses ask for their fixes in the same way."""
        before = report(flow("a", causes=[cause()]))
        drifted = {**before, "drift": {"flows": before["flows"], "hosts": []}}
        for each in (before, drifted):
            run = remediation({"db1": {}})
            (wanted,), _left = run.wanted(each)
            run.rehearsed = {wanted.key: {"result": "fails", "why": "a SYN would still be dropped"}}
            allowed, left = run.wanted(each)
            assert allowed == [] and left[0][1] == "refused" and "a SYN would still be dropped" in str(left[0][2])


class TestTurns:
    @pytest.mark.parametrize(
        ("code", "kind", "sparing"),
        [("syn_flood", "sysctl", False), ("service_stopped", "service", True), ("firewall_rate_limited", "sysctl", True)],
    )
    def test_attempts_behind_a_change_spare_the_limits_of_starts_and_rates(self, code: str, kind: str, sparing: bool) -> None:
        wanted = cause(code=code)
        before = report(flow("a", causes=[{**wanted, "fix": {**wanted["fix"], "kind": kind}}]))
        run = remediation()
        run.begin_turn(before)
        assert list(run.batch) == ["db1"] and run.sparing(before) is sparing

    def test_one_host_first_and_then_several_up_to_the_limit(self) -> None:
        limits = Limits(max_hosts=4, batch_hosts=2)
        hosts = ["h1", "h2", "h3", "h4", "h5"]

        def batch(left: list[str], touched: list[str]) -> list[str]:
            return next_batch(within_reach(left, touched, limits), touched, limits)

        assert batch(hosts, []) == ["h1"]
        assert batch(hosts[1:], ["h1"]) == ["h2", "h3"]
        assert batch(hosts[3:], ["h1", "h2", "h3"]) == ["h4"]
        assert batch(hosts[4:], hosts[:4]) == []
        assert batch(["h2", "h5"], hosts[:4]) == ["h2"]  # changed already: not one more

    def test_each_host_is_changed_by_its_own_policy(self) -> None:
        """Hosts that do not apply are planned for, and take no room from those that do."""
        before = report(*(flow(name, causes=[cause(f"db{name}")], server=f"db{name}") for name in "123"), flow("4", "ok", server="db2"))
        run = remediation({"db1": {"apply": False}, "db2": {"settle": 30, "confirm_timeout": 200}}, max_hosts=1)
        run.mind_the_time(36)
        run = Remediation.from_json(json.loads(json.dumps(run.to_json())))
        assert set(run.too_short) == {"web1", "db3"}
        run.begin_turn(before)
        assert list(run.batch) == ["db2"] and orders(run, run.batch)["db2"]["timeout"] == 200
        ends(run, before, before, "refused")
        told = {each["where"]: (each["outcome"], each["why"]) for each in run.finished(before)}
        assert told["db1"] == ("planned", "remediate_apply is not true for host db1")
        assert told["db3"][0] == "refused" and "at least 89 for host db3" in told["db3"][1]

    def test_of_several_hosts_one_that_hangs_leaves_the_others_time_to_confirm(self) -> None:
        before = report(*(flow(name, causes=[cause(f"db{name}")], server=f"db{name}") for name in "123"))
        run = remediation({"db2": {"settle": 10}, "db3": {"confirm_timeout": 100}})
        run.begin_turn(before)
        assert (list(run.batch), run.patience(), run.within(False)) == (["db1"], 60, 45)  # alone it costs nobody else
        run.touched = ["db1"]
        run.tried = [each.key for each in run.batch["db1"]]
        run.begin_turn(before)
        assert list(run.batch) == ["db2", "db3"]
        assert (run.patience(), run.settle(), round(run.within(False))) == (17.5, 10, 30)
        for drifted, diagnoses in ((False, 1), (True, 2)):
            assert run.patience() + run.settle() + diagnoses * run.within(drifted) < 60

    def test_no_two_hosts_share_a_transaction(self) -> None:
        """They may be two names of one machine, whose guard knows transactions by their names."""
        before = report(*(flow(name, causes=[cause(f"db{name}")], server=f"db{name}") for name in "123"))
        run = remediation()
        run.touched = ["db9"]
        run.begin_turn(before)
        assert len(run.batch) == 3
        assert len({order["transaction"] for order in orders(run, run.batch).values()}) == 3

    def test_a_run_to_its_end(self) -> None:
        before = report(*(flow(name, causes=[cause(f"db{name}")], server=f"db{name}") for name in "123"), flow("4", "ok", server="db1"))
        run = remediation(max_hosts=2)
        run.begin_turn(before)
        assert list(run.batch) == ["db2"]  # db1 has more flows
        run = Remediation.from_json(json.loads(json.dumps(run.to_json())))
        order = orders(run, run.batch)["db2"]
        name = transaction("20261121T040000-3f2a91", 1, "db2")
        assert (order["transaction"], order["timeout"], order["saves"]) == (name, 60.0, {"sysctls": ["a"]})
        after = report(*(flow(each["name"], "ok") if each["server"] == "db2" else each for each in before["flows"]))
        ends(run, before, after)
        run.begin_turn(after)
        assert list(run.batch) == ["db3"]
        ends(run, after, after, "rolled_back")
        run.begin_turn(after)
        assert run.batch == {} and str(run.stopped) == "a change on db3 did not stay, and the run ended with it"
        told = [(change["where"], change["outcome"]) for change in run.finished(after)]
        assert told == [("db2", "kept"), ("db3", "rolled_back"), ("db1", "refused")]

    def test_a_host_that_refused_is_not_the_one_that_was_tried_first(self) -> None:
        before = report(*(flow(name, causes=[cause(f"db{name}")], server=f"db{name}") for name in "123"))
        run = remediation(max_hosts=2)
        run.begin_turn(before)
        assert list(run.batch) == ["db1"]
        ends(run, before, before, "refused")
        assert (run.touched, run.stopped) == ([], None)
        run.begin_turn(before)
        assert list(run.batch) == ["db2"]
        assert [(change["where"], change["outcome"]) for change in run.changes] == [("db1", "refused")]

    def test_of_several_fixes_of_a_host_those_that_helped_are_made_again(self) -> None:
        before = report(flow("a", causes=[cause()]), flow("b", causes=[cause(code="martian", steps=[fix("x")["steps"][0]])]))
        run = remediation()
        run.begin_turn(before)
        good, bad = run.batch["db1"]
        ends(run, before, before, "rolled_back", {"db1": [good.key]})
        run.begin_turn(before)
        assert run.stopped is None and run.batch == {"db1": [good]}
        assert [change["code"] for change in run.changes] == [bad.code]

    def test_a_host_is_not_changed_for_ever(self) -> None:
        run = remediation()
        for number in range(5):
            before = report(flow("a", causes=[cause(summary=f"set {number}", steps=[{"command": f"sysctl -w a={number}"}])]))
            run.begin_turn(before)
            assert list(run.batch) == ["db1"]
            ends(run, before, before)
        last = report(flow("a", causes=[cause(steps=[{"command": "sysctl -w a=9"}])]))
        run.begin_turn(last)
        assert run.batch == {}
        assert run.finished(last)[-1]["why"] == "this run has changed db1 5 times, and something new shows each time"

    def test_what_is_ended_for_good_is_not_called_undone(self) -> None:
        before = report(flow("a", causes=[cause(kind="connection", saves={})]))
        run = remediation()
        run.begin_turn(before)
        ends(run, before, before, "rolled_back")
        assert run.changes[0]["why"] == "so; what it ended is not brought back"

    def test_what_was_tried_is_not_tried_again(self) -> None:
        before = report(flow("a", causes=[cause()]))
        run = remediation()
        run.begin_turn(before)
        ends(run, before, before)
        run.begin_turn(before)
        assert run.batch == {}


class TestJudgement:
    def judge(self, before: Any, after: Any, failed: Any = None) -> judgement.Judgement:
        wanted = [each for each in mendings(before) if each.where == "db1"]
        return judgement.judge(before, after, {"db1": wanted}, failed or {})["db1"]

    BEFORE = report(flow("a", causes=[cause()]), flow("b", "degraded"), flow("c", causes=[cause("db2")]))

    def after(self, a: Any, b: Any = None) -> Any:
        return report(a, b or self.BEFORE["flows"][1], self.BEFORE["flows"][2])

    def test_what_connects_is_kept(self) -> None:
        judged = self.judge(self.BEFORE, self.after(flow("a", "ok")))
        assert judged.keep and str(judged.why) == "a (web1 -> db1:5432) connects"

    def test_what_comes_further_is_kept(self) -> None:
        further = flow("a", causes=[cause(code="no_listener")], segment="server.socket")
        judged = self.judge(self.BEFORE, self.after(further))
        assert judged.keep and "comes further, to no_listener at db1" in str(judged.why)

    @pytest.mark.parametrize(
        ("first", "then"),
        [
            (("syn", "client.firewall"), (None, "client.neighbour")),  # net/ipv4/ip_output.c
            (("syn_ack", "server.route"), ("syn_ack", "server.firewall")),
            (("syn", "server.backlog"), ("syn_ack", "client.ingress")),
            (("syn_ack", "client.firewall"), ("ack", "client.firewall")),
        ],
    )
    def test_places_are_compared_in_the_order_in_which_a_handshake_comes_to_them(self, first: Any, then: Any) -> None:
        nearer = flow("a", causes=[cause()], leg=first[0], segment=first[1])
        further = flow("a", causes=[cause(code="another")], leg=then[0], segment=then[1])
        assert self.judge(report(nearer), report(further)).keep
        assert "does not come as far" in str(self.judge(report(further), report(nearer)).why)

    def test_a_cause_that_comes_back_was_not_mended(self) -> None:
        """It connects at first, and the queue is full again, or the service has ended again: the very cause that broke it degrades it."""
        back = flow("a", "degraded", causes=[cause(certainty="likely")])
        judged = self.judge(self.BEFORE, self.after(back))
        assert not judged.keep
        assert str(judged.why) == "a (web1 -> db1:5432) connects, but syn_flood at db1 is back: syn_flood at db1"

    @pytest.mark.parametrize(("status", "why"), [("degraded", "but syn_flood at db1 is back"), ("broken", "is broken as before")])
    def test_a_cause_that_is_still_proven_beside_another_was_not_mended(self, status: str, why: str) -> None:
        both = flow("a", status, causes=[cause(code="slow_resolver"), cause()])
        judged = self.judge(self.BEFORE, self.after(both))
        assert not judged.keep and why in str(judged.why)
        both["causes"][1] = cause(certainty="likely")
        assert self.judge(self.BEFORE, self.after(both)).keep

    def test_what_comes_further_is_kept_whatever_else_was_seen(self) -> None:
        further = flow("a", causes=[cause(code="no_listener"), cause()], segment="server.socket")
        assert self.judge(self.BEFORE, self.after(further)).keep

    def test_what_another_cause_degrades_comes_further(self) -> None:
        judged = self.judge(self.BEFORE, self.after(flow("a", "degraded", causes=[cause("path", "path_loss")])))
        assert judged.keep and str(judged.why) == "a (web1 -> db1:5432) connects, but is degraded: path_loss at path"
        assert self.judge(self.BEFORE, self.after(flow("a", "degraded"))).keep

    def test_rules_that_only_a_trace_names_are_told_apart_by_their_place(self) -> None:
        def stopped(table: str, **more: str) -> Any:
            rule = {"family": "inet", "table": table, "chain": "input", "name": f"rule 12 of inet {table} input", "handle": 12, **more}
            return report(flow("a", causes=[{**cause(code="firewall_drop"), "detail": {"rule": rule}}]))

        assert self.judge(stopped("filter"), stopped("late")).keep
        assert not self.judge(stopped("filter"), stopped("filter", text="tcp dport 5432 drop")).keep

    def test_another_rule_of_the_same_firewall_is_another_cause(self) -> None:
        def stopped(table: str) -> Any:
            rule = {"family": "inet", "table": table, "chain": "input", "text": "tcp dport 5432 drop", "number": 1}
            return flow("a", causes=[{**cause(code="firewall_drop"), "detail": {"rule": rule}}])

        before, further = report(stopped("filter")), report(stopped("late"))
        assert "is broken as before" in str(self.judge(before, before).why)
        judged = self.judge(before, further)
        assert judged.keep and "comes further, to firewall_drop at db1" in str(judged.why)
        assert "is broken as before" in str(self.judge(before, report(flow("a", causes=[cause(code="firewall_drop")]))).why)

    @pytest.mark.parametrize(
        ("now", "why"),
        [
            (flow("a", causes=[cause()]), "is broken as before"),
            (flow("a", causes=[cause(code="no_route")], segment="client.route"), "does not come as far as before"),
            (flow("a", "undetermined"), "cannot be judged any more"),
            (flow("a", causes=[]), "is broken as before"),
        ],
    )
    def test_what_did_not_help_is_undone(self, now: Any, why: str) -> None:
        judged = self.judge(self.BEFORE, self.after(now))
        assert not judged.keep and why in str(judged.why)

    def test_what_is_not_tried_any_more_cannot_be_judged(self) -> None:
        """A report that is there already may have flows that nobody declares now."""
        for gone, why in (("a", "a (web1 -> db1:5432) cannot be judged any more"), ("b", "b (web1 -> db1:5432) worked before")):
            left = report(*(each for each in self.after(flow("a", "ok"))["flows"] if each["name"] != gone))
            judged = self.judge(self.BEFORE, judgement.with_all(self.BEFORE, left))
            assert not judged.keep and why in str(judged.why)

    @pytest.mark.parametrize("status", ["broken", "undetermined"])
    def test_what_harms_another_flow_is_undone(self, status: str) -> None:
        judged = self.judge(self.BEFORE, self.after(flow("a", "ok"), flow("b", status)))
        assert not judged.keep and "b (web1 -> db1:5432) worked before" in str(judged.why)

    def test_what_was_not_completed_is_undone(self) -> None:
        judged = self.judge(self.BEFORE, self.after(flow("a", "ok")), {"db1": "a step failed"})
        assert (judged.keep, str(judged.why)) == (False, "a step failed")
