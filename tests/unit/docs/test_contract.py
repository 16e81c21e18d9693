# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions that docs/contract.md shows answer their questions on a real report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jmespath

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.groups import isolated
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.faults._recorded import load

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
RECORDED = ROOT / "tests/unit/plugins/plugin_utils/recorded/path_drop.syn.json.gz"


def sample() -> dict[str, Any]:
    kept = load(RECORDED)
    evidence: dict[str, dict[str, object]] = {}
    for answer in kept["evidence"]:
        evidence.setdefault(answer["host"], {})[answer["phase"]] = answer
    report = decide(Plan.from_json(kept["plan"]), evidence, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report
    return {**report, "flows": [*report["flows"]]}  # as report.json has them


def fields(heading: str) -> set[str]:
    """The names in the first column of a section's table."""
    table = PAGE.split(f"\n### {heading}\n\n")[1].split("\n\n")[0]
    first_columns = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for column in first_columns for name in re.findall(r"`([^`]*)`", column)}


def test_the_page_names_all_fields_and_no_others() -> None:
    report = sample()
    flow = report["flows"][0]
    documents = {
        "Top level": report,
        "A flow": flow,
        "A cause": flow["causes"][0],
        "Probes": flow["probes"],
        "A row of the timeline": flow["timeline"][0],
        "A group": report["groups"][0],
        "What failures have in common": isolated([flow, {**flow, "client": "web2", "status": "ok"}], {})[0],
    }
    for heading, document in documents.items():
        assert fields(heading) == set(document), heading


def test_the_expressions_of_the_page() -> None:
    report = sample()
    shown = re.findall(r"^\| (Wh[^|]*\?) \| `([^`]*)` \|$", PAGE, re.MULTILINE)
    answers = [jmespath.search(expression, report) for _question, expression in shown]
    assert answers[0] == [["web1", "db1", 5432, "path_drop"]]
    assert answers[1] == [["path_drop", "path"]]
    assert answers[2:4] == [[], []]
    assert [0, "SYN", "web1"] in answers[4]
