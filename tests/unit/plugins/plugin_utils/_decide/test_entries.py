# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of a report are a list, of which some are made when they are looked at."""

from __future__ import annotations

from functools import partial

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.entries import Document, Entries
from ansible_collections.threeway.handshake.plugins.plugin_utils._report import document

BROKEN: Document = {"id": "a", "status": "broken"}
FINE: Document = {"id": "b", "status": "ok"}


def made() -> Entries:
    entries = Entries([BROKEN])
    entries.add_well(partial(dict, FINE))
    return entries


def test_they_are_as_a_list() -> None:
    entries = made()
    assert [*entries] == [entries[0], entries[-1]] == [BROKEN, FINE] == [*entries[:]] == [*entries[:1], *entries[1:]]
    assert len(entries) == 2
    assert entries == [BROKEN, FINE] == entries
    assert entries != [BROKEN]


def test_they_are_counted_by_status() -> None:
    assert made().counts == {"broken": 1, "ok": 1} == made()[:].counts
    assert Entries().counts["ok"] == 0


def test_they_are_written_as_a_list() -> None:
    for entries in (made(), Entries()):
        assert document.render({"flows": entries}) == document.render({"flows": [*entries]})


def test_what_is_made_is_not_kept() -> None:
    entries = made()
    assert entries[1] is not entries[1]
    assert entries[0] is BROKEN
