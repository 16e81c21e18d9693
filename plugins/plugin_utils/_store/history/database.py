# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The database of a history: a file of SQLite, or PostgreSQL by its URL. Transactions, and errors as sentences without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..._history.errors import HistoryError
from ..._values.text import clean
from . import schema
from .postgresql import Postgresql
from .session import Session
from .sqlite import SqliteFile

_SQLITE, _POSTGRESQL = ("sqlite",), ("postgresql", "postgresql+psycopg", "postgres")


class Database:
    """``where`` is a path, which means SQLite, or a URL (``sqlite:///relative``, ``sqlite:////absolute``, ``postgresql://...``)."""

    def __init__(self, where: str) -> None:
        """HistoryError where that is neither, or where a library for it is missing."""
        self._of = _opened(where)
        self.shown = self._of.shown
        """What may be printed: never a password, nor any other parameter."""

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction, the only one that writes; its tables are made or brought up to date first. All of it is kept, or nothing."""
        with self._saying("cannot be written"), self._of.writing() as session:
            schema.prepare(session, self.shown)
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent state to read; nobody waits for it. HistoryError where nothing was ever recorded."""
        with self._saying("cannot be read"), self._of.reading() as session:
            schema.check(session, self.shown)
            yield session

    @contextmanager
    def _saying(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._of.errors as error:
            reason = getattr(error, "orig", None) or error
            raise HistoryError(f"The history {self.shown} {what}: {clean(reason)}") from error
        except OSError as error:
            raise HistoryError(f"The history {self.shown} {what}: {clean(error.strerror or error)}") from error


def _opened(where: str) -> SqliteFile | Postgresql:
    kind, separator, rest = where.partition("://")
    if not separator:
        if not where or "\0" in where:
            raise HistoryError(
                "No history is given: set diagnose_history to the path of a file (SQLite), or to postgresql://host/database."
            )
        return SqliteFile(where)
    path = rest.removeprefix("/").partition("?")[0]
    if kind in _SQLITE and rest.startswith("/") and path:
        return SqliteFile(path)
    if kind not in _POSTGRESQL:
        raise HistoryError(
            f"A history of the kind {clean(kind, 40)} is not supported: give the path of a file (SQLite) or postgresql://host/database."
        )
    return Postgresql(where)
