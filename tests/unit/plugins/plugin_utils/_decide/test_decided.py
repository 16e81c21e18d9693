# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was decided before the kernels were asked need not be decided again: from its JSON, the report is the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.decided import Decided, decided
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.entries import Entries
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import conclude, decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._report import document
from tests.unit.plugins.plugin_utils.recordings import RECORDED, recorded

TIMES = ("2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z")


@pytest.mark.parametrize("keep_all", [False, True])
def test_a_decision_that_was_kept_is_reported_as_one_that_is_made(keep_all: bool) -> None:
    for path in sorted(RECORDED.glob("*.json.gz"))[keep_all::10]:
        plan, evidence = recorded(path.name.removesuffix(".json.gz"))
        made = decide(plan, evidence, *TIMES, keep_all=keep_all)
        before = decided(plan, [judge(plan, evidence, short=not keep_all)], keep_all)
        kept = conclude(plan, Decided.from_json(json.loads(json.dumps(before.to_json()))), *TIMES)
        assert document.render(kept.report) == document.render(made.report)
        assert (kept.captures, kept.common, kept.unasked) == (made.captures, made.common, made.unasked)


@pytest.mark.parametrize(("failing", "times"), [(0, 0), (1, 1)])
def test_what_is_plainly_well_is_compared_with_what_fails_alone(failing: int, times: int) -> None:
    """To make all entries of a large fleet takes a tenth as long as to decide them: not to see that there is nothing to compare."""
    counted: list[int] = []

    def well(port: int) -> dict[str, Any]:
        counted.append(port)
        return _entry(port, "ok")

    found = Decided(Entries(_entry(port, "broken") for port in range(failing)), {}, [], {}, {})
    for port in (80, 443):
        found.flows.add_well(lambda port=port: well(port))  # type: ignore[misc]
    report = conclude(Plan("run", (), {}), found, *TIMES).report
    assert counted == [80, 443] * times
    assert [len(report[name]) for name in ("groups", "isolated")] == [failing, failing]


def _entry(port: int, status: str) -> dict[str, Any]:
    cause = {"code": "no_listener", "host": "db1", "title": "Nothing listens on the port", "summary": "nothing listens"}
    asked = {"name": "flow", "id": f"{port}", "client": "web1", "server": "db1", "address": "10.0.2.21", "resolved": [], "port": port}
    return {**asked, "expect": "open", "status": status, "causes": [cause] if status == "broken" else [], "probes": {"attempts": 1}}
