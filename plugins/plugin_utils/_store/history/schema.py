# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The tables of a history, in SQL that SQLite (3.25 or later) and PostgreSQL share, and how an older database becomes a newer one.

Times are whole seconds since 1970 (UTC). What names a flow is reduced to a digest, because an index of PostgreSQL takes no long texts.
"""

from __future__ import annotations

from ..._history.errors import HistoryError
from .session import Session

UPGRADES: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE handshake_schema (version BIGINT NOT NULL)",
        "INSERT INTO handshake_schema VALUES (0)",
        """CREATE TABLE handshake_runs (
            run TEXT PRIMARY KEY,
            started BIGINT,
            finished BIGINT NOT NULL,
            controller TEXT NOT NULL,
            digest TEXT NOT NULL)""",
        "CREATE INDEX handshake_runs_finished ON handshake_runs (finished)",
        """CREATE TABLE handshake_flows (
            flow TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            client TEXT NOT NULL,
            server TEXT NOT NULL,
            address TEXT NOT NULL,
            port BIGINT NOT NULL)""",
        """CREATE TABLE handshake_verdicts (
            flow TEXT NOT NULL REFERENCES handshake_flows ON DELETE CASCADE,
            run TEXT NOT NULL REFERENCES handshake_runs ON DELETE CASCADE,
            finished BIGINT NOT NULL,
            status TEXT NOT NULL,
            leg TEXT NOT NULL,
            segment TEXT NOT NULL,
            attempts BIGINT NOT NULL,
            connected BIGINT NOT NULL,
            connect_ms DOUBLE PRECISION,
            PRIMARY KEY (flow, run))""",
        "CREATE INDEX handshake_verdicts_in_time ON handshake_verdicts (flow, finished, run)",
        "CREATE INDEX handshake_verdicts_run ON handshake_verdicts (run)",
        """CREATE TABLE handshake_causes (
            flow TEXT NOT NULL,
            run TEXT NOT NULL,
            rank BIGINT NOT NULL,
            code TEXT NOT NULL,
            host TEXT NOT NULL,
            certainty TEXT NOT NULL,
            summary TEXT NOT NULL,
            PRIMARY KEY (flow, run, rank),
            FOREIGN KEY (flow, run) REFERENCES handshake_verdicts ON DELETE CASCADE)""",
        """CREATE TABLE handshake_changes (
            run TEXT NOT NULL REFERENCES handshake_runs ON DELETE CASCADE,
            number BIGINT NOT NULL,
            code TEXT NOT NULL,
            host TEXT NOT NULL,
            kind TEXT NOT NULL,
            outcome TEXT NOT NULL,
            summary TEXT NOT NULL,
            PRIMARY KEY (run, number))""",
        """CREATE TABLE handshake_changed_flows (
            run TEXT NOT NULL,
            number BIGINT NOT NULL,
            flow TEXT NOT NULL REFERENCES handshake_flows ON DELETE CASCADE,
            PRIMARY KEY (run, number, flow),
            FOREIGN KEY (run, number) REFERENCES handshake_changes ON DELETE CASCADE)""",
        "CREATE INDEX handshake_changed_flows_flow ON handshake_changed_flows (flow)",
        """CREATE TABLE handshake_told (
            webhook TEXT NOT NULL,
            flow TEXT NOT NULL REFERENCES handshake_flows ON DELETE CASCADE,
            status TEXT NOT NULL,
            code TEXT NOT NULL,
            host TEXT NOT NULL,
            PRIMARY KEY (webhook, flow))""",
    ),
    ("ALTER TABLE handshake_changes ADD COLUMN subject TEXT NOT NULL DEFAULT ''",),
)
"""What makes version n + 1 of a database out of version n, at index n. An entry that was released never changes: add one."""


def prepare(session: Session, shown: str) -> None:
    """Bring the tables to the version of this collection; nothing happens where they have it. HistoryError for a newer one."""
    found = version(session)
    _refuse_newer(found, shown)
    for statements in UPGRADES[found:]:
        for statement in statements:
            session.run(statement)
    if found < len(UPGRADES):
        session.run(f"UPDATE handshake_schema SET version = {len(UPGRADES)}")


def check(session: Session, shown: str) -> None:
    """HistoryError unless the tables are there, in the version of this collection."""
    found = version(session)
    _refuse_newer(found, shown)
    if found == 0:
        raise HistoryError(f"There is no history in {shown} yet: record a run first, with diagnose_history.")
    if found < len(UPGRADES):
        raise HistoryError(
            f"The history {shown} has version {found} of its tables, and this collection reads {len(UPGRADES)}: "
            "the next run that is recorded brings it up to date."
        )


def version(session: Session) -> int:
    """The version of the tables, 0 where there are none."""
    return int(session.rows("SELECT version FROM handshake_schema")[0].version) if session.has_table("handshake_schema") else 0


def _refuse_newer(found: int, shown: str) -> None:
    if found > len(UPGRADES):
        raise HistoryError(
            f"The history {shown} has version {found} of its tables, and this collection knows {len(UPGRADES)}: "
            "it was written by a newer version of the collection; use that one."
        )
