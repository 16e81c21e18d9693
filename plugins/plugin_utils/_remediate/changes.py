# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Entries of the report's ``changes``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._model.prose import Wording, unwrapped
from .mending import Mending

OUTCOMES = {
    "planned": "would be made",
    "kept": "made and kept",
    "rolled_back": "made and undone",
    "refused": "not made",
    "escalated": "not made again",
    "failed": "not known to be undone",
}

Json = Mapping[str, Any]


def change(
    mending: Mending, outcome: str, why: Wording, before: Json, after: Json | None = None, transaction: str | None = None
) -> dict[str, Any]:
    """One entry. ``before`` and ``after`` are reports; their flows are shortened."""
    return {
        "code": mending.code,
        "host": mending.host,
        "subject": mending.subject,
        "kind": mending.kind,
        "outcome": outcome,
        "summary": unwrapped(mending.summary),
        "why": unwrapped(why),
        "risk": mending.risk,
        "flows": list(mending.flows),
        "steps": [step["command"] for step in mending.steps] or list(mending.commands),
        "undo": list(mending.undo),
        "where": mending.where,
        "transaction": transaction,
        "before": _probes(before, mending.flows),
        "after": [] if after is None else _probes(after, mending.flows),
    }


def _probes(report: Json, wanted: Iterable[str]) -> list[dict[str, Any]]:
    flows = {flow["id"]: flow for flow in report["flows"]}
    return [_probe(flows[name]) for name in wanted if name in flows]


def _probe(flow: Json) -> dict[str, Any]:
    cause = flow["causes"][0] if flow["causes"] else None
    probes = {name: flow["probes"][name] for name in ("attempts", "connected", "errors", "connect_ms")}
    return {
        "flow": flow["id"],
        "status": flow["status"],
        **probes,
        "cause": {"code": cause["code"], "host": cause["host"]} if cause else None,
    }
