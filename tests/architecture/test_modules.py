# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which modules are for users, which have an option in common, and what an execution environment needs for them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.threeway.handshake.plugins.plugin_utils._libraries import LIBRARIES

ROOT = Path(__file__).parents[2]
MODULES = {path.stem: path for path in (ROOT / "plugins/modules").glob("*.py")}
GROUPS: dict[str, list[str]] = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))["action_groups"]
IN_COMMON = {"ports": "ports", "reports": "path"}
"""The option of each action group."""


@cache
def documentation(name: str) -> dict[str, Any]:
    text = re.search(r'^DOCUMENTATION = r"""\n(.*?)^"""$', MODULES[name].read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert text
    found: dict[str, Any] = yaml.safe_load(text[1])
    return found


def test_a_module_is_for_users_or_says_that_it_is_an_inner_one() -> None:
    page = (ROOT / "docs/modules.md").read_text(encoding="utf-8").partition("\nAll others are inner modules")[0]
    listed = {name for row in re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    inner = {name for name in MODULES if "threeway.handshake.attributes.inner" in documentation(name)["extends_documentation_fragment"]}
    assert inner == {name for name in MODULES if documentation(name)["short_description"].endswith(" (inner module)")}
    assert listed == set(MODULES) - inner


@pytest.mark.parametrize("group", GROUPS)
def test_the_modules_of_a_group_have_its_option_and_say_that_they_are_in_it(group: str) -> None:
    for name in GROUPS[group]:
        assert IN_COMMON[group] in documentation(name)["options"]
        assert f"threeway.handshake.attributes.action_group_{group}" in documentation(name)["extends_documentation_fragment"]
    others = set(MODULES) - set(GROUPS[group])
    told = {name for name in others if f"action_group_{group}" in str(documentation(name)["extends_documentation_fragment"])}
    assert told == set()


def test_module_defaults_for_a_group(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)):
        wanted = one.getsockname()[1]
        tasks = [
            {"threeway.handshake.listener_info": {}, "register": "told"},
            {
                "ansible.builtin.copy": {
                    "content": "{{ told.listeners | map(attribute='port') | to_json }}",
                    "dest": str(tmp_path / "ports"),
                }
            },
        ]
        defaults = {"group/threeway.handshake.ports": {"ports": [wanted]}}
        play = {"hosts": "localhost", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}
        (tmp_path / "play.yml").write_text(json.dumps([play]))
        argv = [sys.executable, "-m", "ansible", "playbook", str(tmp_path / "play.yml")]
        done = subprocess.run(argv, env=os.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "ports").read_text()) == [wanted]


def test_an_execution_environment_gets_nothing_that_a_diagnosis_does_not_need() -> None:
    told = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text(encoding="utf-8"))["dependencies"]
    assert set(told) == {"system"} and not (ROOT / "meta/requirements.txt").exists()  # ansible-builder takes that file even if not named
    lines = [line for line in (ROOT / told["system"]).read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert {line.split()[0] for line in lines if not line.endswith("lab]")} == {"openssh-client", "openssh-clients"}


def test_optional_libraries_are_on_the_page_of_requirements() -> None:
    page = (ROOT / "docs/requirements.md").read_text(encoding="utf-8")
    for requirement in LIBRARIES.values():
        assert re.split(r"[\[>]", requirement)[0] in page
