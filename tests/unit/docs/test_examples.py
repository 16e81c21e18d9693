# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of what to do with the outcome of a diagnosis do what they say, and the survey for AWX fits the role."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.options import DECLARED
from ansible_collections.threeway.handshake.plugins.plugin_utils._report.digest import digest
from tests.unit.plugins.plugin_utils.recordings import recorded

DOCS = Path(__file__).parents[3] / "docs"


def examples(page: str, heading: str) -> list[dict[str, Any]]:
    """The tasks of the first YAML example under a heading."""
    section = (DOCS / page).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1]
    example = re.search(r"^```yaml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert example
    found: list[dict[str, Any]] = yaml.safe_load(example[1])
    return found


def outcome(*names: str) -> dict[str, Any]:
    """As `handshake_report` has it, of recordings as if they were flows of one run."""
    reports = [decide(*recorded(name), "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z").report for name in names]
    flows = [{**flow, "name": name} for name, report in zip(names, reports, strict=True) for flow in report["flows"]]
    found: dict[str, Any] = json.loads(json.dumps(digest({**reports[0], "flows": flows}, "handshake-report/report.json")))
    return found


def said(tmp_path: Path, tasks: list[dict[str, Any]], report: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of the tasks, a failed one and its `msg` too."""
    told: list[dict[str, Any]] = []
    for number, task in enumerate(tasks):
        kept = {"content": "{{ told | to_json }}", "dest": str(tmp_path / f"{number}.json")}
        told += [{**task, "register": "told", "ignore_errors": True}, {"ansible.builtin.copy": kept}]
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"handshake_report": report}, "tasks": told}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    argv = [sys.executable, "-m", "ansible", "playbook", str(tmp_path / "play.yml")]
    done = subprocess.run(argv, env=os.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads((tmp_path / f"{number}.json").read_text()) for number in range(len(tasks))]


def test_in_a_play(tmp_path: Path) -> None:
    tasks = examples("contract.md", "In a play")
    broken = outcome("firewall_drop.server-input", "no_listener", "healthy.twin")
    stopped, hosts = said(tmp_path, tasks, broken)
    assert stopped["failed"] and stopped["msg"] == broken["flows"][0]["summary"]
    assert hosts["msg"] == ["db1"]
    passed, none = said(tmp_path, tasks, outcome("healthy.twin"))
    assert not passed["failed"] and none["msg"] == []


def test_in_the_next_job_of_a_workflow(tmp_path: Path) -> None:
    tasks = examples("awx.md", "The next job of a workflow")
    broken = outcome("firewall_drop.server-input", "no_listener", "path_drop.syn", "healthy.twin")
    tickets, proven, stopped = said(tmp_path, tasks, broken)
    drop, closed, lost, _healthy = broken["flows"]
    assert [each["msg"] for each in tickets["results"]] == [f"db1: {drop['summary']}; {closed['summary']}", f"path: {lost['summary']}"]
    assert proven["msg"] == [
        {"flow": flow["name"], "host": flow["host"], "code": flow["code"], "fix": flow["fix"]} for flow in (drop, closed, lost)
    ]
    assert stopped["failed"] and stopped["msg"] == "firewall_drop.server-input, no_listener, path_drop.syn"


def test_the_survey_asks_for_what_the_role_takes() -> None:
    """In the form of AWX's `survey_spec`."""
    specs = yaml.safe_load((DOCS.parent / "roles/diagnose/meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    options = {name: spec for entry in specs.values() for name, spec in entry["options"].items()}
    survey = json.loads((DOCS / "awx/survey.json").read_text(encoding="utf-8"))
    assert set(survey) == {"name", "description", "spec"}
    for question in survey["spec"]:
        assert {"question_name", "question_description", "required", "type", "variable", "default", "min", "max", "choices"} == set(
            question
        )
        if question["type"] == "multiplechoice":
            assert question["choices"] == options[question["variable"]]["choices"]
            assert question["default"] == options[question["variable"]]["default"]
        else:
            assert question["type"] == "text" and question["variable"] in DECLARED


@pytest.mark.parametrize("name", ["execution-environment.yml", "diagnose.yml"])
def test_files_that_the_page_shows_are_what_they_are_called(name: str) -> None:
    page = (DOCS / "awx.md").read_text(encoding="utf-8")
    shown = re.search(rf"^  ```yaml\n  # {re.escape(name)}\n(.*?)^  ```$", page, re.MULTILINE | re.DOTALL)
    assert shown
    document = yaml.safe_load(shown[1])
    if name == "diagnose.yml":
        assert [list(play) for play in document] == [["name", "import_playbook"]]
    else:
        assert document["version"] == 3 and document["dependencies"]["galaxy"]["collections"] == ["threeway.handshake"]
