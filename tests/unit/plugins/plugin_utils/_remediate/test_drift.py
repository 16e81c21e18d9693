# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift that is mended: a handshake that it endangers may have worked all the time."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.mended import code_of
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.judgement import Judgement, judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.mending import by_host, mendings
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._remediate.reports import cause, fix, flow, report

Json = dict[str, Any]
CONNECTS = "web-to-db (web1 -> db1:5432) connects"


def drift(name: str = "net.ipv4.tcp_syncookies", severity: str = "endangering", known: bool = False) -> Json:
    return {"kind": "sysctl", "name": name, "severity": severity, "known": known, "summary": f"the sysctl {name} is 0, and was 1"}


def drifted(*drifts: Json, status: str = "ok", problem: str | None = None, not_compared: tuple[str, ...] = (), **tried: Any) -> Json:
    """The report of a diagnosis, and what has drifted on db1; each drift that endangers a flow endangers this one."""
    host = {"host": "db1", "drifts": list(drifts), "problem": problem, "not_compared": list(not_compared)}
    causes = [
        {"code": code_of(each), "host": "db1", "certainty": "proven", "summary": each["summary"], "fix": fix(summary=each["name"])}
        for each in drifts
        if each["severity"] == "endangering" and not each["known"]
    ]
    return {**report(flow("web-to-db", status, **tried)), "drift": {"hosts": [host], "flows": [{"id": "web-to-db.id", "causes": causes}]}}


def judged(before: Json, after: Json) -> Judgement:
    return judge(before, after, by_host(mendings(before)), {})["db1"]


def test_what_endangers_a_flow_that_works_is_mended_and_nothing_else() -> None:
    found = mendings(drifted(drift(), drift("net.ipv4.tcp_sack", "harmless"), drift("net.core.somaxconn", known=True)))
    assert [(each.code, each.flows) for each in found] == [("drift_sysctl:net.ipv4.tcp_syncookies", ("web-to-db.id",))]
    assert mendings(drifted(status="broken", causes=[cause()])) == []  # that is for a remediation of its own


@pytest.mark.parametrize(
    ("before", "after", "keep", "why"),
    [
        (drifted(drift()), drifted(), True, f"the drift is gone; {CONNECTS}"),
        (drifted(drift(), status="broken"), drifted(), True, f"the drift is gone; {CONNECTS}"),
        (
            drifted(drift(), status="broken", causes=[cause()]),
            drifted(status="broken", causes=[cause()]),
            True,
            "the drift is gone; web-to-db (web1 -> db1:5432) is broken as before",
        ),
        (
            drifted(drift(), status="broken", causes=[cause()]),
            drifted(status="broken", leg="syn_ack", causes=[cause(code="other")]),
            True,
            "the drift is gone; web-to-db (web1 -> db1:5432) comes further, to other at db1",
        ),
        (drifted(drift()), drifted(drift()), False, "db1 still differs from its baseline: the sysctl net.ipv4.tcp_syncookies is 0"),
        (drifted(drift()), drifted(drift(severity="harmless")), False, "db1 still differs from its baseline"),
        (drifted(drift()), drifted(status="broken", causes=[cause()]), False, "worked before and is broken"),
        (drifted(drift()), drifted(status="undetermined"), False, "worked before and cannot be judged"),
        (drifted(drift(), status="undetermined"), drifted(status="undetermined"), False, ":5432) cannot be judged"),
        (
            drifted(drift(), status="broken", causes=[cause()]),
            drifted(status="broken", segment="client.socket", causes=[cause()]),
            False,
            "does not come as far as before",
        ),
        (drifted(drift()), drifted(problem="it returned nothing"), False, "db1 cannot be compared with its baseline any more: it returned"),
        (drifted(drift()), drifted(not_compared=("sysctls",)), False, "any more: sysctls could not be observed"),
        (drifted(drift()), drifted(drift("a")), False, "db1 differs from its baseline where it did not before: the sysctl a is 0"),
        (drifted(drift()), drifted(drift("a", "harmless")), True, "the drift is gone"),
        (drifted(drift(), not_compared=("listeners",)), drifted(drift("a", known=True), not_compared=("listeners",)), True, "the drift"),
    ],
)
def test_a_change_is_kept_if_the_drift_is_gone_and_nothing_is_worse(before: Json, after: Json, keep: bool, why: str) -> None:
    judgement = judged(before, after)
    assert (judgement.keep, why in str(judgement.why)) == (keep, True), judgement


def test_a_client_that_is_down_all_the_time_keeps_no_drift_from_being_mended() -> None:
    """Nothing was known of its handshake before, and nothing can be lost; another client's tells whether the change does harm."""
    down = flow("down", "undetermined", client="web2")

    def with_it(found: Json) -> Json:
        causes = next(each["causes"] for each in found["drift"]["flows"])
        endangered = [*found["drift"]["flows"], {"id": "down.id", "causes": causes}]
        return {**found, "flows": [down, *found["flows"]], "drift": {**found["drift"], "flows": endangered}}

    before = with_it(drifted(drift()))
    judgement = judged(before, with_it(drifted()))
    assert judgement.keep, judgement
    assert str(judgement.why) == f"the drift is gone; {CONNECTS}; down (web2 -> db1:5432) is undetermined as before"
    assert not judged(before, with_it(drifted(status="broken", causes=[cause()]))).keep


def test_what_helped_is_known_where_something_else_did_not() -> None:
    before = drifted(drift(), drift("a"))
    first, second = mendings(before)
    judgement = judged(before, drifted(drift("a")))
    assert not judgement.keep and judgement.helped == (first.key,) and first.key != second.key
