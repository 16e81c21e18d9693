# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several findings stands first: by what causes declare, and never by where the catalogue has them."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide import causes, explain
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.case import Case
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.catalogue import Cause
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.finding import Certainty, Finding
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.outcome import OUTCOMES, Leg, step
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils.recordings import FINISHED, STARTED, recorded, reported
from tests.unit.plugins.plugin_utils.sampled import sampled


def report(name: str) -> dict[str, Any]:
    return decide(*recorded(name), STARTED, FINISHED).report


def test_what_precedes_is_known_and_goes_in_no_circle() -> None:
    precedes = {cause.code: cause.precedes for cause in causes.CATALOGUE}
    assert set(TopologicalSorter(precedes).static_order()) == set(precedes)


@sampled
def test_the_catalogue_turned_round_says_the_same(recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the codes are needed to rank what was ever recorded: `precedes` and the segments do."""
    before = reported(recording)
    if max(len(flow["causes"]) + len(flow["remarks"]) for flow in before["flows"]) > 1:
        monkeypatch.setattr(causes, "CATALOGUE", causes.CATALOGUE[::-1])
        monkeypatch.setattr(explain, "_place", lambda case, found: (step(found[1].leg or case.outcome.leg, found[1].segment), ""))
        assert report(recording) == before


def found(
    code: str,
    *,
    certainty: Certainty = "likely",
    segment: str = "path.forward",
    leg: Leg | None = None,
    remark: bool = False,
    **declared: Any,
) -> Cause:
    def rule(case: Case) -> Finding:
        return Finding(certainty, "path", segment, code, (), leg=leg, remark=remark)

    return Cause(code, code, (segment,), tuple(OUTCOMES), "-", "-", rule=rule, **declared)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (found("b", certainty="proven"), found("a")),
        (found("b", precedes=("a",)), found("a", certainty="proven")),
        (found("b", segment="client.route"), found("a", segment="server.socket")),
        (found("b", segment="client.firewall", leg="syn"), found("a", segment="client.neighbour", leg="syn")),
        (found("b", segment="server.firewall", leg="syn_ack"), found("a", segment="client.firewall", leg="syn_ack")),
        (found("a"), found("b")),
        (found("a", certainty="likely"), found("b", certainty="possible", precedes=("a",))),  # a mere possibility precedes nothing certain
    ],
    ids=["the more certain", "what precedes it", "the earlier segment", "a hook", "on the way back", "the code", "a possibility"],
)
def test_one_stands_before_the_other_wherever_the_catalogue_has_them(one: Cause, other: Cause, monkeypatch: pytest.MonkeyPatch) -> None:
    for catalogue in ((one, other), (other, one)):
        monkeypatch.setattr(causes, "CATALOGUE", catalogue)
        assert [cause["code"] for cause in report("path_drop.syn-ack")["flows"][0]["causes"]] == [one.code, other.code]


def test_what_is_preceded_by_what_is_preceded_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = (found("a", certainty="proven"), found("b", precedes=("a",)), found("c", precedes=("b",)))
    monkeypatch.setattr(causes, "CATALOGUE", chain)
    assert [cause["code"] for cause in report("path_drop.syn-ack")["flows"][0]["causes"]] == ["c", "b", "a"]


def test_remarks_have_an_order_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = found("b", segment="client.route", remark=True), found("a", segment="server.socket", remark=True)
    for catalogue in ((first, second), (second, first)):
        monkeypatch.setattr(causes, "CATALOGUE", catalogue)
        assert report("path_drop.syn-ack")["flows"][0]["remarks"] == ["b", "a"]
