# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports go into the database whole, once, and whatever their texts hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._history.errors import HistoryError
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import record as _record
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database

from .reports import EPOCH, contents, flow, record, report, rows


def test_what_is_kept(where: str) -> None:
    change = {
        "code": "no_listener",
        "host": "db1",
        "kind": "service",
        "outcome": "kept",
        "summary": "started",
        "flows": ["web-to-db-web1", 7],
    }
    assert record(where, report(1, flow("broken"), flow("ok", client="web2"), changes=[change, "no change"])) == [True]
    kept = contents(where)
    assert [run[:4] for run in kept["runs"]] == [("run-00001.00", EPOCH + 54, EPOCH + 60, "here")]
    assert sorted(each[1:] for each in kept["flows"]) == [("web-to-db", client, "db1", "192.0.2.21", 5432) for client in ("web1", "web2")]
    assert sorted(verdict[2:] for verdict in kept["verdicts"]) == [
        (EPOCH + 60, "broken", "syn", "server.socket", 3, 0, 0.41),
        (EPOCH + 60, "ok", "", "", 3, 3, 0.41),
    ]
    assert [cause[2:] for cause in kept["causes"]] == [(0, "no_listener", "db1", "proven", "nothing listens")]
    assert [each[1:] for each in kept["changes"]] == [(0, "no_listener", "db1", "service", "kept", "started", "")]
    assert [each[1] for each in kept["changed_flows"]] == [0]


def test_the_same_report_again_changes_nothing(where: str) -> None:
    first = report(1, flow("broken"))
    assert record(where, first, report(2, flow("ok"))) == [True, True]
    before = contents(where)
    assert record(where, json.loads(json.dumps(first))) == [False]
    assert contents(where) == before


def test_a_report_that_was_completed_replaces_what_was_kept_of_its_run(where: str) -> None:
    assert record(where, report(1, flow("broken"), flow("ok", client="web2")), report(1, flow("ok"))) == [True, True]
    assert rows(where, "SELECT status FROM handshake_verdicts") == [("ok",)]
    assert rows(where, "SELECT * FROM handshake_causes") == []


def test_entries_that_are_the_same_flow_count_as_the_worst(where: str) -> None:
    record(where, report(1, flow("ok"), flow("broken"), flow("degraded")))
    assert rows(where, "SELECT status FROM handshake_verdicts") == [("broken",)]


def test_an_error_in_the_middle_leaves_nothing(where: str) -> None:
    record(where, report(1, flow("ok")))
    before = contents(where)
    with pytest.raises(ZeroDivisionError), Database(where).writing() as connection:
        _record.record(connection, report(2, flow("broken")), "here")
        raise ZeroDivisionError
    assert contents(where) == before


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"run": None}, "The report has no run id, without which it cannot be recorded."),
        (
            {"finished": "yesterday"},
            "The report of the run run-00001.00 does not say when it finished: it cannot be put in order with others.",
        ),
    ],
)
def test_reports_that_cannot_be_kept(where: str, missing: dict[str, Any], said: str) -> None:
    with pytest.raises(HistoryError) as refused:
        record(where, {**report(1, flow("ok")), **missing})
    assert str(refused.value) == said


def test_old_runs_are_forgotten_with_all_that_is_theirs(where: str) -> None:
    old = flow("broken", name="gone")
    change = {"code": "no_listener", "host": "db1", "outcome": "kept", "flows": ["gone-web1"]}
    record(where, report(1, old, flow("broken"), changes=[change]), report(2, flow("ok")), report(3, flow("ok")))
    with Database(where).writing() as connection:
        assert _record.forget(connection, EPOCH + 60 * 2) == 1
        assert _record.forget(connection, EPOCH + 60 * 2) == 0
    assert rows(where, "SELECT run FROM handshake_runs ORDER BY run") == [("run-00002.00",), ("run-00003.00",)]
    assert rows(where, "SELECT name FROM handshake_flows") == [("web-to-db",)]
    for table in ("causes", "changes", "changed_flows"):
        assert rows(where, f"SELECT * FROM handshake_{table}") == []


class TestHostileTexts:
    @pytest.mark.parametrize(
        "text",
        [
            "'; DROP TABLE handshake_runs; --",
            ":run",
            "%s %(run)s {{ 7 * 7 }}",
            "\0nul",
            "\ud800",
            "\x1b]0;x\x07",
            "\U0001f600" * 5000,
            "\\",
            '"',
        ],
    )
    def test_they_are_data(self, where: str, text: str) -> None:
        entry = flow("broken", cause=(text, text), name=text, client=text)
        entry = {**entry, "id": text, "leg": text, "segment": text, "server": text, "address": text}
        entry["causes"][0] |= {"summary": text, "certainty": text}
        change = {"code": text, "host": text, "kind": text, "outcome": text, "summary": text, "flows": [text]}
        assert record(where, {**report(1, entry, changes=[change]), "started": text}) == [True]
        assert record(where, {**report(1, entry, changes=[change]), "started": text}) == [False]
        ((name, client),) = rows(where, "SELECT name, client FROM handshake_flows")
        assert name == client and name.isprintable() and 1 <= len(name) <= 128
        assert len(rows(where, "SELECT * FROM handshake_changed_flows")) == 1

    @given(
        document=st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from([*report(1), *flow("broken"), "code", "host", "rank"]) | st.text(max_size=5), inner, max_size=6
                )
            ),
            max_leaves=30,
        ),
        entry=st.dictionaries(
            st.sampled_from(list(flow("broken"))), st.integers() | st.text() | st.floats() | st.lists(st.text()) | st.none()
        ),
    )
    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_document_is_kept_or_refused_with_a_sentence(self, where: str, document: object, entry: dict[str, Any]) -> None:
        told = document if isinstance(document, dict) else {"flows": document, "changes": document}
        for hostile in (told, {**report(1), **told}, {**report(2), "flows": [entry], "changes": [document, entry]}):
            try:
                record(where, hostile)
            except HistoryError as error:
                assert str(error).startswith("The report ")
