# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The database of a history: a file of SQLite, or PostgreSQL by its URL. Transactions, and errors as sentences without secrets."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._history.errors import HistoryError
from ..._libraries import lacking
from ..._values.text import clean
from . import schema

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

PATIENCE = 30
"""Seconds to wait for others who write."""
_POSTGRESQL: dict[str, Any] = {
    "application_name": "threeway.handshake",
    "connect_timeout": 10,  # seconds
    # Half a minute, roughly, until a server counts as gone that neither answers nor says goodbye.
    "tcp_user_timeout": PATIENCE * 1000,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""Parameters of libpq that are set unless the URL sets them."""
_WRITERS = 0x68616E647368616B
"""The advisory lock of PostgreSQL that writers take one after the other: ``handshak`` in ASCII."""


class Database:
    """``where`` is a path, which means SQLite, or a URL (``sqlite:///relative``, ``sqlite:////absolute``, ``postgresql://...``)."""

    def __init__(self, where: str) -> None:
        """HistoryError where that is neither, or where the library for it is missing."""
        self._url = _url(where)
        self.shown = _shown(self._url)
        """What may be printed: never a password, nor any other parameter."""
        self._file = Path(self._url.database or "") if self._url.drivername == "sqlite" else None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, the only one that writes; its tables are made or brought up to date first. All of it is kept, or nothing."""
        with self._saying("cannot be written"):
            if self._file is not None:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            with self._engine(writing=True).connect() as connection, connection.begin():
                if self._file is None:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")
                schema.prepare(connection, self.shown)
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent state to read; nobody waits for it. HistoryError where nothing was ever recorded."""
        with self._saying("cannot be read"):
            if self._file is not None and not self._file.exists():
                raise HistoryError(f"There is no history {self.shown}: record a run first, with diagnose_history.")
            with self._engine(writing=False).connect() as connection:
                if self._file is None:
                    connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                with connection.begin():
                    schema.check(connection, self.shown)
                    yield connection

    @contextmanager
    def _saying(self, what: str) -> Iterator[None]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            raise HistoryError(f"The history {self.shown} {what}: {clean(reason)}") from error
        except OSError as error:
            raise HistoryError(f"The history {self.shown} {what}: {clean(error.strerror or error)}") from error

    def _engine(self, *, writing: bool) -> Engine:
        from sqlalchemy import NullPool, create_engine, event

        if self._file is None:
            options = {name: value for name, value in _POSTGRESQL.items() if name not in self._url.query}
        else:
            options = {"timeout": PATIENCE}
        engine = create_engine(self._url, poolclass=NullPool, hide_parameters=True, connect_args=options)
        if self._file is not None:
            event.listen(engine, "connect", _configure)
            if writing:
                event.listen(engine, "connect", _log_ahead)
            event.listen(engine, "begin", _begin_writing if writing else _begin_reading)
        return engine


def _configure(connection: Any, _record: object) -> None:
    """sqlite3 must begin no transactions by itself: it would begin them too late to be waited for."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _log_ahead(connection: Any, _record: object) -> None:
    """SQLite as several processes need it, which stays so: readers and a writer do not wait for each other."""
    import sqlite3

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


def _begin_writing(connection: Connection) -> None:
    """A writer takes its lock before it reads, because a reader that becomes a writer may have read what is no longer true."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _url(where: str) -> URL:
    if why := lacking("A history", "sqlalchemy"):
        raise HistoryError(f"{why}.")
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    if "://" not in where:
        if not where or "\0" in where:
            raise HistoryError(
                "No history is given: set diagnose_history to the path of a file (SQLite), or to postgresql://host/database."
            )
        return _sqlite(where)
    try:
        url = make_url(where)
    except (SQLAlchemyError, ValueError):
        # Without the value: it may hold a password.
        raise HistoryError("The URL of the history cannot be read: write postgresql://user:password@host:port/database.") from None
    if url.drivername == "sqlite" and url.database:
        return _sqlite(url.database)
    if url.drivername not in ("postgresql", "postgresql+psycopg", "postgres"):
        kind = clean(url.drivername, 40)
        raise HistoryError(
            f"A history of the kind {kind} is not supported: give the path of a file (SQLite) or postgresql://host/database."
        )
    if why := lacking("A history in PostgreSQL", "psycopg"):
        raise HistoryError(f"{why}.")
    return url.set(drivername="postgresql+psycopg")


def _sqlite(path: str) -> URL:
    from sqlalchemy import URL

    return URL.create("sqlite", database=os.path.abspath(os.path.expanduser(path)))


def _shown(url: URL) -> str:
    if url.drivername == "sqlite":
        return clean(url.database, 400)
    host = url.host or url.query.get("host") or "localhost"
    port = f":{url.port}" if url.port else ""
    return clean(f"postgresql://{host if isinstance(host, str) else host[0]}{port}/{url.database or ''}", 400)
