# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Flows that break for one common reason, told once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def groups(flows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first causes of all flows that are not ok, by (code, host), the most frequent first."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for flow in flows:
        if flow["status"] != "ok" and flow["causes"]:
            first = flow["causes"][0]
            found.setdefault((first["code"], first["host"]), []).append(flow)
    return [
        {
            "code": code,
            "host": host,
            "flows": list(dict.fromkeys(flow["name"] for flow in members)),
            "entries": [flow["id"] for flow in members],
            "summary": _summary(members),
        }
        for (code, host), members in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def _summary(members: Sequence[dict[str, Any]]) -> str:
    first = members[0]["causes"][0]
    if len(members) == 1:
        return str(first["summary"])
    where = "on the way" if first["host"] == "path" else f"at {first['host']}"
    return f"{first['title']} {where}: {len(members)} handshakes, for example: {first['summary']}"
