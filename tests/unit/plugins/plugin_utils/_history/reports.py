# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports in the form of report.json, as short as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

EPOCH = 1_790_000_000
"""When run number 0 finished; each further one finished a minute later."""


def iso(number: float) -> str:
    """When a run finished."""
    return datetime.fromtimestamp(EPOCH + 60 * number, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
