# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was decided before the kernels were asked need not be decided again: from its JSON, the report is the same."""

from __future__ import annotations

import json

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.decided import Decided, decided
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import conclude, decide
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
