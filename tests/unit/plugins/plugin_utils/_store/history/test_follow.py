# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who follows a history hears of each change once, in order, whatever the order in which runs were recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._history.errors import HistoryError
from ansible_collections.threeway.handshake.plugins.plugin_utils._history.histories import Wanted
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import follow
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database

from .reports import EPOCH, flow, iso, record, report


class Following:
    """A position that goes through JSON between two looks, as a restart has it."""

    def __init__(self, where: str, number: float = 0) -> None:
        self.where = where
        with Database(where).reading() as connection:
            self.position = follow.start(connection, EPOCH + 60 * number)

    def look(self, wanted: Wanted | None = None, causes: bool = False) -> list[dict[str, Any]]:
        self.position = follow.from_json(json.loads(json.dumps(follow.to_json(self.position))))
        with Database(self.where).reading() as connection:
            events, self.position = follow.look(connection, self.position, wanted or Wanted(), causes)
        return [event.document for event in events]

    def short(self, **options: Any) -> list[tuple[str, str | None, str]]:
        return [(event["event"], event["from"], event["to"]) for event in self.look(**options)]


def test_each_change_is_told_once_with_what_was_known_then(where: str) -> None:
    record(where, report(1, flow("ok")))
    following = Following(where, 2)
    assert following.look() == []
    record(where, report(2, flow("broken")), report(3, flow("broken")), report(4, flow("ok")))
    first_bad, mended = following.look()
    assert {
        name: first_bad[name] for name in ("event", "run", "finished", "name", "client", "server", "address", "port", "from", "to")
    } == {
        "event": "first_bad",
        "run": "run-00002.00",
        "finished": iso(2),
        "name": "web-to-db",
        "client": "web1",
        "server": "db1",
        "address": "192.0.2.21",
        "port": 5432,
        "from": "ok",
        "to": "broken",
    }
    assert (first_bad["last_good"], first_bad["first_bad"], first_bad["mended"]) == (iso(1), iso(2), None)
    assert first_bad["cause"] == {"code": "no_listener", "host": "db1", "certainty": "proven", "summary": "nothing listens"}
    assert (mended["event"], mended["mended"], mended["time_to_mend_seconds"]) == ("mended", iso(4), 120)
    assert mended["cause_before"] == {"code": "no_listener", "host": "db1"} and mended["cause"] is None
    assert first_bad["id"] != mended["id"]
    assert following.look() == []


def test_kinds_of_changes(where: str) -> None:
    other = flow("broken", cause=("firewall_drop", "r1"))
    record(where, report(1, flow("ok")))
    following = Following(where, 1.5)
    record(
        where,
        *(report(number, each) for number, each in enumerate([flow("degraded"), flow("broken"), other, flow("undetermined"), other], 2)),
    )
    assert following.short(causes=True) == [
        ("changed", "ok", "degraded"),
        ("first_bad", "degraded", "broken"),
        ("cause_changed", "broken", "broken"),
        ("changed", "broken", "undetermined"),
        ("changed", "undetermined", "broken"),
    ]
    assert Following(where, 1.5).short() == [
        ("changed", "ok", "degraded"),
        ("first_bad", "degraded", "broken"),
        ("changed", "broken", "undetermined"),
        ("changed", "undetermined", "broken"),
    ]


def test_flows_that_nobody_heard_of(where: str) -> None:
    record(where, report(1, flow("ok"), flow("broken", name="other")))
    assert Following(where, 0).short() == [("first_bad", None, "broken")]
    assert Following(where, 2).short() == []
    assert Following(where, 0).short(wanted=Wanted(flow="web*")) == []


def test_runs_that_are_recorded_late(where: str) -> None:
    """A run of another control host is news for its own flows; for a flow that a later run told of, it is not."""
    record(where, report(1, flow("ok"), flow("ok", name="other")))
    following = Following(where, 2)
    record(where, report(5, flow("broken")))
    assert following.short() == [("first_bad", "ok", "broken")]
    record(where, report(4, flow("ok"), flow("broken", name="other")))
    assert [(event["name"], event["to"]) for event in following.look()] == [("other", "broken")]
    record(where, report(3, flow("ok", name="other")))
    assert following.look() == []


def test_a_run_that_was_completed_is_looked_at_again(where: str) -> None:
    record(where, report(1, flow("ok")))
    following = Following(where, 2)
    record(where, report(2, flow("broken")))
    assert following.short() == [("first_bad", "ok", "broken")]
    record(where, report(2, flow("ok")))
    assert following.short() == [("changed", "broken", "ok")]
    assert following.look() == []


def test_a_stop_in_the_middle_repeats_nothing(where: str) -> None:
    record(where, report(1, flow("ok"), flow("ok", name="other")))
    following = Following(where, 2)
    record(where, report(2, flow("broken"), flow("broken", name="other")), report(3, flow("ok")))
    with Database(where).reading() as connection:
        events, _after = follow.look(connection, following.position, Wanted(), False)
    following.position = following.position.after(events[0])
    assert [(event["id"]) for event in following.look()] == [event.document["id"] for event in events[1:]]


def test_looks_are_bounded(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "AT_ONCE", 2)
    record(where, report(0, flow("ok")))
    following = Following(where, 0.5)
    record(where, *(report(number, flow("broken" if number % 2 else "ok")) for number in range(1, 6)))
    assert [len(following.look()) for _look in range(4)] == [2, 2, 1, 0]
    record(where, report(500, flow("ok")))
    assert following.short() == [("mended", "broken", "ok")]
    assert list(following.position.runs) == ["run-00500.00"]


@pytest.mark.parametrize(
    "document", [None, [], {}, {"schema": "other"}, {"schema": follow.SCHEMA, "since": 0, "runs": {"a": 1}, "flows": {}}]
)
def test_positions_that_are_none(document: object) -> None:
    with pytest.raises(HistoryError, match=r"^It is not of the schema threeway.handshake/position/1\.$"):
        follow.from_json(document)
