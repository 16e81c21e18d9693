# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded evidence of faults, as the decide room takes it."""

from __future__ import annotations

import marshal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.faults._recorded import load

RECORDED = Path(__file__).parent / "recorded"
NAMES = sorted(path.name.removesuffix(".json.gz") for path in RECORDED.iterdir())
STARTED, FINISHED = "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z"
Phases = dict[str, dict[str, dict[str, Any]]]


def recorded(name: str) -> tuple[Plan, Phases]:
    """The plan and the evidence of a recording, a copy to be changed."""
    found: Phases = {}
    for answer in marshal.loads(_written(name)):
        found.setdefault(answer["host"], {})[answer["phase"]] = answer
    return Plan.from_json(kept(name)["plan"]), found


@lru_cache(128)
def reported(name: str) -> dict[str, Any]:
    """The report of a recording as it is, for all tests of a worker that only read it; not to be changed."""
    return decide(*recorded(name), STARTED, FINISHED).report


@cache
def kept(name: str) -> dict[str, Any]:
    """All that is known of a recording; not to be changed."""
    return load(RECORDED / f"{name}.json.gz")


@cache
def _written(name: str) -> bytes:
    return marshal.dumps(kept(name)["evidence"])  # to be copied: read in a third of the time that JSON takes
