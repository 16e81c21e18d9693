# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a history answers, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._history import document
from ansible_collections.threeway.handshake.plugins.plugin_utils._history.errors import HistoryError
from ansible_collections.threeway.handshake.plugins.plugin_utils._history.histories import Wanted
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import ask as _ask
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database

from .reports import EPOCH, flow, iso, record, report

OTHER = ("firewall_drop", "db1")
FIX = {"code": "no_listener", "host": "db1", "kind": "service", "outcome": "kept", "summary": "started", "flows": ["web-to-db-web1"]}
EVER = document.Window(since=0, flap_since=0, flap_changes=4)


def ask(where: str, wanted: Wanted | None = None, window: document.Window = EVER) -> list[dict[str, Any]]:
    with Database(where).reading() as connection:
        histories = _ask.histories(connection, _ask.named(connection, wanted))
    return [document.flow_document(history, window) for history in histories]


def states(where: str, *statuses: str) -> dict[str, Any]:
    record(where, *(report(number, flow(status)) for number, status in enumerate(statuses)))
    (found,) = ask(where)
    return found


def test_a_flow_that_always_worked(where: str) -> None:
    found = states(where, "ok", "ok", "ok")
    assert (found["status"], found["since"], found["last_run"], found["runs"]) == ("ok", iso(0), iso(2), 3)
    assert (found["first_bad"], found["mended"], found["outages"], found["flaps"], found["last_cause"]) == (None, None, [], 0, None)
    assert found["availability"] == 1.0


def test_an_outage_that_was_mended(where: str) -> None:
    found = states(where, "ok", "ok", "broken", "broken", "broken", "degraded", "ok", "ok")
    assert (found["status"], found["since"]) == ("ok", iso(6))
    assert (found["last_good"], found["first_bad"], found["mended"], found["time_to_mend_seconds"]) == (iso(1), iso(2), iso(5), 180)
    assert (found["flaps"], found["flapping"], found["availability"]) == (2, False, round(4 / 7, 6))
    assert found["last_cause"]["code"] == "no_listener"


def test_an_outage_that_goes_on(where: str) -> None:
    found = states(where, "ok", "broken", "broken")
    assert (found["since"], found["first_bad"], found["mended"], found["time_to_mend_seconds"]) == (iso(1), iso(1), None, None)
    assert found["outages"][0]["cause"]["summary"] == "nothing listens"


def test_what_was_never_seen_working(where: str) -> None:
    found = states(where, "broken")
    assert (found["last_good"], found["first_bad"], found["flaps"], found["availability"]) == (None, iso(0), 0, None)


def test_undetermined_begins_no_outage_and_ends_none(where: str) -> None:
    found = states(
        where, "undetermined", "ok", "undetermined", "ok", "broken", "undetermined", "broken", "undetermined", "ok", "undetermined"
    )
    assert [(each["last_good"], each["first_bad"], each["mended"], each["seconds"]) for each in found["outages"]] == [
        (iso(3), iso(4), iso(8), 240)
    ]
    assert (found["flaps"], found["status"], found["since"]) == (2, "undetermined", iso(9))
    assert found["availability"] == 0.6  # 3 minutes of the 5 that are known


def test_flapping(where: str) -> None:
    found = states(where, "ok", "broken", "ok", "broken", "ok")
    assert (found["flaps"], found["flapping"], found["mean_time_to_mend_seconds"]) == (4, True, 60)
    (later,) = ask(where, window=document.Window(since=EPOCH + 60 * 3, flap_since=EPOCH + 60 * 2, flap_changes=4))
    assert (later["flaps"], later["flapping"]) == (2, False)
    assert [each["first_bad"] for each in later["outages"]] == [iso(3)]
    assert later["availability"] == 0.0


def test_a_window_counts_from_what_was_found_before_it(where: str) -> None:
    states(where, "broken", "broken", "ok", "ok", "ok")
    (found,) = ask(where, window=document.Window(since=EPOCH + 60, flap_since=0, flap_changes=1))
    assert (found["availability"], found["flapping"]) == (round(2 / 3, 6), True)


def test_a_cause_that_changed_in_an_outage(where: str) -> None:
    record(where, report(0, flow("ok")), report(1, flow("broken")), report(2, flow("broken", OTHER)), report(3, flow("broken", OTHER)))
    (found,) = ask(where)
    assert (found["since"], found["first_bad"], found["last_cause"]["code"], len(found["outages"])) == (iso(1), iso(1), "firewall_drop", 1)


def test_runs_may_be_recorded_in_any_order(where: str) -> None:
    for number in (3, 0, 2, 1):
        record(where, report(number, flow(["ok", "broken", "broken", "ok"][number])))
    (found,) = ask(where)
    assert (found["first_bad"], found["mended"], found["status"]) == (iso(1), iso(3), "ok")


def test_flows_are_told_apart_and_found_by_patterns(where: str) -> None:
    others = [flow("ok", name="web-to-cache"), {**flow("ok", client="web2"), "server": None, "address": "2001:db8::21"}]
    record(where, report(0, flow("broken"), *others), report(1, flow("ok"), *others))

    def names(**wanted: str) -> list[tuple[str, str, str | None]]:
        return sorted((each["name"], each["client"], each["server"]) for each in ask(where, Wanted(**wanted)))

    assert len(names()) == 3
    assert names(flow="*cache") == [("web-to-cache", "web1", "db1")]
    assert names(client="web[12]", server="2001:db8:*") == [("web-to-db", "web2", None)]
    assert names(client="web") == []


def test_many_flows(where: str) -> None:
    flows = [flow("broken", name=f"flow{number}") for number in range(1100)]
    record(where, report(0, *flows), report(1, *flows))
    assert {(each["runs"], each["first_bad"]) for each in ask(where)} == {(2, iso(0))}


class TestChanges:
    def not_held(self, where: str) -> dict[tuple[str, str], int]:
        with Database(where).reading() as connection:
            return {(code, host): times for (_flow, code, host), times in _ask.not_held(connection).items()}

    def test_what_was_changed(self, where: str) -> None:
        other = {**FIX, "flows": ["web-to-db-web1", "other-web1", "nobody"], "outcome": "rolled_back"}
        record(where, report(0, flow("ok"), flow("ok", name="other"), changes=[FIX, other, {"host": "db2"}]))
        with Database(where).reading() as connection:
            flows = _ask.named(connection, Wanted(flow="other"))
            found = [document.change_document(change) for change in _ask.changes(connection, flows, 0)]
            assert _ask.changes(connection, flows, EPOCH + 1) == []
        assert [(each["outcome"], each["host"], [named["name"] for named in each["flows"]]) for each in found] == [
            ("rolled_back", "db1", ["other"]),
            ("", "db2", []),
        ]
        assert found[0]["finished"] == iso(0)

    def test_a_fix_that_holds(self, where: str) -> None:
        record(
            where,
            report(0, flow("broken")),
            report(1, flow("ok"), changes=[FIX]),
            report(2, flow("ok")),
            report(3, flow("broken", OTHER)),
        )
        assert self.not_held(where) == {}

    def test_fixes_that_did_not_hold(self, where: str) -> None:
        record(where, report(1, flow("ok"), changes=[FIX, FIX]), report(2, flow("broken")), report(3, flow("broken")))
        assert self.not_held(where) == {("no_listener", "db1"): 1}
        record(where, report(4, flow("ok"), changes=[FIX]), report(5, flow("ok")))
        assert self.not_held(where) == {("no_listener", "db1"): 1}
        record(where, report(6, flow("broken")))
        assert self.not_held(where) == {("no_listener", "db1"): 2}

    def test_a_fix_that_was_needed_again_did_not_hold(self, where: str) -> None:
        """Even if the run that found it broken has mended it, and reports it ok."""
        record(where, report(1, flow("ok"), changes=[FIX]), report(2, flow("ok"), changes=[FIX, {**FIX, "outcome": "rolled_back"}]))
        assert self.not_held(where) == {("no_listener", "db1"): 1}
        with Database(where).reading() as connection:
            assert [(rest, times) for (_flow, *rest), times in _ask.kept(connection).items()] == [(["no_listener", "db1", ""], 2)]

    def test_kept_fixes_of_different_rules_are_counted_apart(self, where: str) -> None:
        one, other = {**FIX, "subject": "a1"}, {**FIX, "subject": "b2"}
        record(where, report(1, flow("ok"), changes=[one]), report(2, flow("ok"), changes=[one, other]))
        with Database(where).reading() as connection:
            times = {subject: times for (_flow, _code, _host, subject), times in _ask.kept(connection).items()}
        assert times == {"a1": 2, "b2": 1}

    def test_what_was_rolled_back_was_no_attempt(self, where: str) -> None:
        record(where, report(1, flow("broken"), changes=[{**FIX, "outcome": "rolled_back"}]), report(2, flow("broken")))
        assert self.not_held(where) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", EPOCH - 5400),
        (" 7d", EPOCH - 604800),
        ("999999999w", 0),
        ("2026-09-21T14:13:20Z", EPOCH),
        ("2026-09-21T16:13:20+02:00", EPOCH),
        ("2026-09-21 14:13:20", EPOCH),
        ("2026-09-21", EPOCH - 51200),
    ],
)
def test_since(text: str, expected: float) -> None:
    assert document.ago(text, EPOCH, "since") == expected


@pytest.mark.parametrize("text", ["", "yesterday", "7 days", "-1d", "\x1b[31m", "9" * 400 + "d"])
def test_since_what(text: str) -> None:
    with pytest.raises(HistoryError, match=r"^since is '.*', which is neither a time nor how long ago that was: write 24h, 7d, or"):
        document.ago(text, EPOCH, "since")
