# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions that docs/contract.md shows answer their questions on a real report."""

from __future__ import annotations

import re
from pathlib import Path

import jmespath

from ansible_collections.threeway.handshake.plugins.plugin_utils._plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._verdict import decide
from tests.faults._recorded import load

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "tests/unit/plugins/plugin_utils/recorded/path_drop.syn.json.gz"


def test_the_expressions_of_the_page() -> None:
    kept = load(RECORDED)
    evidence: dict[str, dict[str, object]] = {}
    for answer in kept["evidence"]:
        evidence.setdefault(answer["host"], {})[answer["phase"]] = answer
    report = decide(Plan.from_json(kept["plan"]), evidence, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report
    shown = re.findall(r"^\| (Wh[^|]*\?) \| `([^`]*)` \|$", (ROOT / "docs/contract.md").read_text(), re.MULTILINE)
    answers = [jmespath.search(expression, report) for _question, expression in shown]
    assert answers[0] == [["web1", "db1", 5432, "path_drop"]]
    assert answers[1] == [["path_drop", "path"]]
    assert answers[2:4] == [[], []]
    assert [0, "SYN", "web1"] in answers[4]
