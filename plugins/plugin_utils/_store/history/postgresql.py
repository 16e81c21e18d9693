# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A history in PostgreSQL, by SQLAlchemy and psycopg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..._history.errors import HistoryError
from ..._libraries import lacking
from ..._values.text import clean
from .session import Parameters, Session

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, TextClause

PATIENCE = 30
"""Seconds to wait for others who write."""
_OPTIONS: dict[str, Any] = {
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
"""The advisory lock that writers take one after the other: ``handshak`` in ASCII."""


class Postgresql:
    """The database of a URL."""

    def __init__(self, where: str) -> None:
        """HistoryError where it is none of PostgreSQL, or where the libraries for it are missing."""
        if why := lacking("A history in PostgreSQL", "sqlalchemy", "psycopg"):
            raise HistoryError(f"{why}.")
        from sqlalchemy.exc import SQLAlchemyError

        self._url = _url(where)
        self.shown = _shown(self._url)
        self.errors = (SQLAlchemyError,)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that may write, one after the other."""
        with self._connection() as connection, connection.begin():
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")
            yield _Session(connection)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent state to read; nobody waits for it."""
        with self._connection() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield _Session(connection)

    def _connection(self) -> Connection:
        from sqlalchemy import NullPool, create_engine

        options = {name: value for name, value in _OPTIONS.items() if name not in self._url.query}
        return create_engine(self._url, poolclass=NullPool, hide_parameters=True, connect_args=options).connect()


class _Session:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, parameters: Parameters | None = None) -> Sequence[Any]:
        return self._connection.execute(_text(statement, parameters or {}), dict(parameters or {})).all()

    def run(self, statement: str, parameters: Parameters | None = None) -> int:
        return self._connection.execute(_text(statement, parameters or {}), dict(parameters or {})).rowcount

    def run_many(self, statement: str, several: Sequence[Parameters]) -> None:
        self._connection.execute(_text(statement, {}), [dict(each) for each in several])

    def has_table(self, name: str) -> bool:
        from sqlalchemy import inspect

        return bool(inspect(self._connection).has_table(name))


def _text(statement: str, parameters: Parameters) -> TextClause:
    from sqlalchemy import bindparam, text

    return text(statement).bindparams(*(bindparam(name, expanding=True) for name, value in parameters.items() if isinstance(value, list)))


def _url(where: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        url = make_url(where)
    except (SQLAlchemyError, ValueError):
        # Without the value: it may hold a password.
        raise HistoryError("The URL of the history cannot be read: write postgresql://user:password@host:port/database.") from None
    return url.set(drivername="postgresql+psycopg")


def _shown(url: URL) -> str:
    host = url.host or url.query.get("host") or "localhost"
    port = f":{url.port}" if url.port else ""
    return clean(f"postgresql://{host if isinstance(host, str) else host[0]}{port}/{url.database or ''}", 400)
