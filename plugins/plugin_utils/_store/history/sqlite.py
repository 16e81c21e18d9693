# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A history in a file, by Python's own SQLite."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import namedtuple
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..._history.errors import HistoryError
from ..._values.text import clean
from .session import Parameters, Session

PATIENCE = 30
"""Seconds to wait for others who write."""


class SqliteFile:
    """The database of a file."""

    errors = (sqlite3.Error,)

    def __init__(self, path: str) -> None:
        self._file = Path(os.path.abspath(os.path.expanduser(path)))
        self.shown = clean(str(self._file), 400)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that may write; the file is made if it is not there.

        A writer takes its lock before it reads, because a reader that becomes a writer may have read what is no longer true.
        """
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
        with self._connection() as connection:
            _log_ahead(connection)
            with _transaction(connection, "BEGIN IMMEDIATE"):
                yield _Session(connection)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent state to read; nobody waits for it. HistoryError where there is no file."""
        if not self._file.exists():
            raise HistoryError(f"There is no history {self.shown}: record a run first, with diagnose_history.")
        with self._connection() as connection, _transaction(connection, "BEGIN"):
            yield _Session(connection)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # sqlite3 must begin no transactions by itself: it would begin them too late to be waited for.
        with closing(sqlite3.connect(self._file, timeout=PATIENCE, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # some errors end it
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _log_ahead(connection: sqlite3.Connection) -> None:
    """SQLite as several processes need it, which stays so: readers and a writer do not wait for each other."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:  # Who is the first to use the file changes it to write-ahead logging, for which SQLite waits for nobody.
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = str(error) == "database is locked"  # Python 3.10 does not give SQLITE_BUSY as a number
            if not busy or time.monotonic() > give_up:
                raise
            time.sleep(0.02)


class _Session:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Parameters | None = None) -> Sequence[Any]:
        cursor = self._connection.execute(*_spread(statement, parameters or {}))
        row = namedtuple("row", [column[0] for column in cursor.description], rename=True)  # type: ignore[misc]
        return [row(*each) for each in cursor]

    def run(self, statement: str, parameters: Parameters | None = None) -> int:
        return self._connection.execute(*_spread(statement, parameters or {})).rowcount

    def run_many(self, statement: str, several: Sequence[Parameters]) -> None:
        self._connection.executemany(statement, several)

    def has_table(self, name: str) -> bool:
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name", {"name": name}))


def _spread(statement: str, parameters: Parameters) -> tuple[str, dict[str, Any]]:
    """A list after ``IN`` with a parameter for each of its items, which SQLite does not do by itself."""
    given = dict(parameters)
    for name, value in parameters.items():
        if isinstance(value, list):
            items = {f"{name}_{number}": item for number, item in enumerate(value)}
            statement = statement.replace(f"IN :{name}", f"IN ({', '.join(f':{item}' for item in items)})")
            del given[name]
            given |= items
    return statement, given
