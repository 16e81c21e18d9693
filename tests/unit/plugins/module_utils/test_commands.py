# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs are run alike by all modules."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("ansible")
from ansible.module_utils import basic
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._commands import runner

PLUGINS = Path(__file__).parents[4] / "plugins"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> AnsibleModule:
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": {}}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)  # since ansible-core 2.19
    return AnsibleModule({})


def test_a_missing_program_ends_as_in_a_shell(module: AnsibleModule) -> None:
    assert runner(module)(["no-such-program"])[:2] == (127, "")


def test_messages_are_in_english(module: AnsibleModule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    shown = runner(module)([sys.executable, "-c", "import os; print(os.environ['LANGUAGE'], os.environ['LC_ALL'])"])
    assert shown == (0, "C C\n", "")


def test_programs_are_looked_for_where_the_caller_says(module: AnsibleModule, tmp_path: Path) -> None:
    (tmp_path / "greet").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "greet").chmod(0o755)
    assert runner(module)(["greet"])[0] == 127
    assert runner(module, path=str(tmp_path))(["greet"]) == (0, "hello\n", "")


def test_input_is_passed_on_exactly_where_that_is_asked(module: AnsibleModule) -> None:
    assert [runner(module, exact_input=exact)(["wc", "-c"], data="three")[1].strip() for exact in (True, False)] == ["5", "6"]


def test_no_other_file_runs_programs_by_the_module() -> None:
    runs = [path for path in PLUGINS.rglob("*.py") if re.search(r"\brun_command\(", path.read_text(encoding="utf-8"))]
    assert [path.name for path in runs] == ["_commands.py"]
