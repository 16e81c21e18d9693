# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports in the form of report.json, as short as tests need them; into databases, and what is there then."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import record as _record
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database

EPOCH = 1_790_000_000
"""When run number 0 finished; each further one finished a minute later."""


def iso(number: float) -> str:
    """When a run finished."""
    return datetime.fromtimestamp(EPOCH + 60 * number, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def flow(status: str, cause: tuple[str, str] | None = None, name: str = "web-to-db", client: str = "web1") -> dict[str, Any]:
    """``cause``: its code and host; a broken flow has one unless it is given."""
    cause = cause or (("no_listener", "db1") if status == "broken" else None)
    told = {"title": "", "certainty": "proven", "summary": "nothing listens", "evidence": [], "against": [], "fix": None}
    return {
        "id": f"{name}-{client}",
        "name": name,
        "client": client,
        "server": "db1",
        "address": "192.0.2.21",
        "port": 5432,
        "status": status,
        "leg": None if status == "ok" else "syn",
        "segment": None if status == "ok" else "server.socket",
        "causes": [{"code": cause[0], "host": cause[1], **told}] if cause else [],
        "probes": {"attempts": 3, "connected": 0 if status == "broken" else 3, "errors": {}, "connect_ms": 0.41},
    }


def report(number: float, *flows: dict[str, Any], changes: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The report of run ``number``."""
    return {
        "schema": "threeway.handshake/report/1",
        "run": f"run-{number:08.2f}",
        "started": iso(number - 0.1),
        "finished": iso(number),
        "flows": list(flows),
        "groups": [],
        "changes": changes or [],
    }


def record(where: str, *reports: dict[str, Any]) -> list[bool]:
    """Whether each of them was new."""
    with Database(where).writing() as connection:
        return [_record.record(connection, each, "here") for each in reports]


def rows(where: str, query: str) -> list[tuple[Any, ...]]:
    """What a query answers."""
    with Database(where).reading() as connection:
        return [tuple(row) for row in connection.rows(query)]


def contents(where: str) -> dict[str, list[tuple[Any, ...]]]:
    """All tables."""
    tables = ("runs", "flows", "verdicts", "causes", "changes", "changed_flows", "told")
    return {table: sorted(rows(where, f"SELECT * FROM handshake_{table}"), key=repr) for table in tables}
