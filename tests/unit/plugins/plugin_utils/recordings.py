# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded evidence of faults, as the decide room takes it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.faults._recorded import load

RECORDED = Path(__file__).parent / "recorded"
Phases = dict[str, dict[str, dict[str, Any]]]


def recorded(name: str) -> tuple[Plan, Phases]:
    """The plan and the evidence of a recording, a copy to be changed."""
    found: Phases = {}
    for answer in json.loads(_written(name)):
        found.setdefault(answer["host"], {})[answer["phase"]] = answer
    return Plan.from_json(kept(name)["plan"]), found


@cache
def kept(name: str) -> dict[str, Any]:
    """All that is known of a recording; not to be changed."""
    return load(RECORDED / f"{name}.json.gz")


@cache
def _written(name: str) -> str:
    return json.dumps(kept(name)["evidence"])
