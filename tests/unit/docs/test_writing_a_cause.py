# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cause that docs/writing_a_cause.md adds works as the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes import backlog
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix import backlog as fixes
from tests.faults import _fault
from tests.faults.catalogue import backlog as faults
from tests.unit.plugins.plugin_utils.planted import case_of

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/writing_a_cause.md").read_text(encoding="utf-8")
FAULT, RULE, ENTRY, FIX = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def defined(code: str, module: Any) -> dict[str, Any]:
    """The names of a module, and those that the code adds to it."""
    names = dict(vars(module))
    exec(code, names)
    return names


def test_the_entry_is_proven_where_its_cause_acts_and_found_nowhere_else() -> None:
    entry = eval(ENTRY, defined(RULE, backlog))
    case, healthy = case_of("accept_queue_full"), case_of("accept_queue_full.twin")
    assert case is not None and healthy is not None
    finding = entry.rule(case)
    assert (finding.certainty, finding.host, finding.segment) == ("proven", "db1", *entry.segments)
    assert entry.rule(healthy) is None
    assert case.outcome.kind in entry.outcomes and "accept_queue_full" in entry.precedes
    fix = defined(FIX, fixes)[entry.code](case, finding)
    assert fix.kind == "application" and "listens on port 5432" in str(fix.summary)


def test_the_faults_are_registered_under_the_names_that_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[_fault.Fault] = []
    monkeypatch.setattr(_fault, "CATALOGUE", found)
    defined(FAULT, faults)
    (run,) = re.findall(r"^for name in (.*); do$", PAGE, re.MULTILINE)
    assert [each.name for each in found] == run.split()
    assert [(each.code, each.status) for each in found] == [(found[0].name, "broken"), (None, "ok")]


def test_the_page_runs_targets_and_playbooks_that_exist() -> None:
    commands = "\n".join(re.findall(r"^```shell\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    targets = {word for line in re.findall(r"\bmake (.*)", commands) for word in line.split() if "=" not in word}
    assert targets and targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    playbooks = set(re.findall(r"threeway\.handshake\.(\w+)", commands))
    assert playbooks and all((ROOT / f"playbooks/{name}.yml").is_file() for name in playbooks)
