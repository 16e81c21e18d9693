# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings against anomalies: what lowers a certainty and what does not, which of two findings stands first, and what is shown."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide import causes
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.case import Case
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.catalogue import Accounts, Cause
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.finding import Certainty, Finding
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.outcome import OUTCOMES
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import junit, markdown, page, terminal
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.planted import PLANTS, Ground

SYNS = 15  # that came to db1 in the recording path_drop.syn-ack, and were answered in vain


COUNTED = Accounts("counter", anywhere=True)


def report(ground: Ground) -> dict[str, Any]:
    return decide(ground.plan, ground.found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report


def first(ground: Ground) -> tuple[str, str]:
    cause = report(ground)["flows"][0]["causes"][0]
    return cause["code"], cause["certainty"]


def with_counter(name: str, by: int) -> Ground:
    ground = Ground("path_drop.syn-ack")
    latest = ground.latest("db1")
    assert latest
    latest["counters"]["TcpExt"][name] = latest["counters"]["TcpExt"].get(name, 0) + by
    return ground


@pytest.mark.parametrize(
    ("name", "by", "certainty"),
    [
        ("TCPBrandNewDrop", SYNS, "likely"),
        ("TCPBrandNewDrop", SYNS + 2, "proven"),  # other traffic's
        ("TCPBrandNewDrop", SYNS * 100, "proven"),
        ("TCPBrandNewFeature", SYNS, "proven"),  # it counts nothing that is lost
    ],
)
def test_noise_lowers_nothing(name: str, by: int, certainty: str) -> None:
    assert first(with_counter(name, by)) == ("path_drop", certainty)


def _said(code: str, certainty: Certainty, accounts: tuple[Accounts, ...] = (), remark: bool = False) -> Cause:
    def rule(case: Case) -> Finding:
        return Finding(certainty, "path", "path.forward", code, (), remark=remark)

    return Cause(code, code, ("path.forward",), tuple(OUTCOMES), "-", "-", rule=rule, accounts_for=accounts)


def test_the_one_that_accounts_for_more_stands_first(monkeypatch: pytest.MonkeyPatch) -> None:
    ground = with_counter("TCPBrandNewDrop", SYNS)
    knows = _said("knows", "likely", (COUNTED,))
    monkeypatch.setattr(causes, "CATALOGUE", (_said("does_not", "likely"), knows))
    flow = report(ground)["flows"][0]
    assert [cause["code"] for cause in flow["causes"]] == ["knows", "does_not"]
    assert flow["unexplained"] == []


@pytest.mark.parametrize(
    ("beside", "certainty"), [(("proven", False), "proven"), (("likely", True), "proven"), (("likely", False), "likely")]
)
def test_what_stands_with_it_accounts_as_well_and_a_rival_does_not(
    beside: tuple[Certainty, bool], certainty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``beside``: the certainty of what accounts for the anomaly, and whether it is a remark."""
    ground = with_counter("TCPBrandNewDrop", SYNS)
    other = _said("other", beside[0], (COUNTED,), remark=beside[1])
    monkeypatch.setattr(causes, "CATALOGUE", (_said("sure", "proven"), other))
    told = {cause["code"]: cause["certainty"] for cause in report(ground)["flows"][0]["causes"]}
    assert told["sure"] == certainty


@pytest.mark.parametrize(
    ("account", "left"),
    [
        (Accounts("counter", ("TcpExt.TCPBrandNewDrop",), anywhere=True), False),
        (Accounts("counter", ("TcpExt.ListenDrops",), anywhere=True), True),  # another one
        (Accounts("counter"), True),  # that of another host than the finding's
        (Accounts("stray_reset", anywhere=True, any_leg=True), True),  # another kind
    ],
)
def test_name_and_host_narrow_what_is_accounted_for(account: Accounts, left: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    ground = with_counter("TCPBrandNewDrop", SYNS)
    monkeypatch.setattr(causes, "CATALOGUE", (_said("sure", "proven", (account,)),))
    assert bool(report(ground)["flows"][0]["unexplained"]) is left


def test_what_no_rule_knows_is_told_where_there_is_no_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causes, "CATALOGUE", ())
    ground = with_counter("TCPBrandNewDrop", SYNS)
    flow = report(ground)["flows"][0]
    assert flow["status"] == "undetermined"
    assert [(each["kind"], each["host"]) for each in flow["unexplained"]] == [("counter", "db1")]
    assert "TCPBrandNewDrop" in flow["unexplained"][0]["observation"]


def test_every_form_names_what_is_left_over() -> None:
    told = report(with_counter("TCPBrandNewDrop", SYNS))
    for render in (page.render, markdown.render, junit.render, lambda document: terminal.render(document, width=200)):
        shown = render(told)
        text = shown if isinstance(shown, str) else shown.decode()
        assert "lso seen, and not explained" in text
        assert "TCPBrandNewDrop of db1 rose by 15" in text


def test_on_a_flow_that_is_well_it_is_a_remark() -> None:
    ground = Ground("healthy.twin")
    assert PLANTS["altered"](ground)
    flow = report(ground)["flows"][0]
    assert (flow["status"], flow["unexplained"]) == ("ok", [])
    assert flow["remarks"] and all("has window" in each for each in flow["remarks"])
