# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of other versions."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._history.errors import HistoryError
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import schema
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database

from .reports import contents, flow, record, report, rows

NOW = len(schema.UPGRADES)


def test_the_first_version_gets_subjects(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as released:
        released.setattr(schema, "UPGRADES", schema.UPGRADES[:1])
        with Database(where).writing() as connection:
            schema.prepare(connection, "it")
    record(where, report(1, flow("ok")))
    assert rows(where, "SELECT COUNT(subject) FROM handshake_changes") == [(0,)]


def test_to_itself_is_no_change(where: str) -> None:
    record(where, report(1, flow("ok")))
    before = contents(where)
    with Database(where).writing() as connection:
        schema.prepare(connection, "it")
    assert contents(where) == before
    assert rows(where, "SELECT version FROM handshake_schema") == [(NOW,)]


def test_an_older_one_is_brought_up_to_date_by_a_writer(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record(where, report(1, flow("ok")))
    added = ("ALTER TABLE handshake_runs ADD COLUMN reason TEXT NOT NULL DEFAULT 'schedule'",)
    monkeypatch.setattr(schema, "UPGRADES", (*schema.UPGRADES, added))
    with pytest.raises(
        HistoryError, match=f"has version {NOW} of its tables, and this collection reads {NOW + 1}: the next run that is recorded"
    ):
        contents(where)
    record(where, report(2, flow("ok")))
    assert rows(where, "SELECT reason FROM handshake_runs") == [("schedule",)] * 2
    assert rows(where, "SELECT version FROM handshake_schema") == [(NOW + 1,)]


def test_a_newer_one_is_left_alone(where: str) -> None:
    record(where, report(1, flow("ok")))
    with Database(where).writing() as connection:
        connection.run("UPDATE handshake_schema SET version = 7")
    for attempt in (lambda: record(where, report(2, flow("ok"))), lambda: contents(where)):
        with pytest.raises(HistoryError, match=f"has version 7 of its tables, and this collection knows {NOW}: it was written by a newer"):
            attempt()
