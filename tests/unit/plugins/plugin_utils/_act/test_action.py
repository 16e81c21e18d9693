# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions have in common: no host's text controls the terminal, in real plays as verbose as can be."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins import action
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction, _cleaned
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.remediation_files import RemediationFiles

ACTIONS = sorted(path.stem for path in Path(action.__path__[0]).glob("*.py") if not path.stem.startswith("_"))

HOSTILE = "a\x1b[31mb\x07c\x9b1md\u202ee"
CONTROLS = "\x1b\x07\x08\x7f\x9b\u202e"
LIE = {
    "changed": True,
    "msg": HOSTILE,
    "warnings": [HOSTILE],
    "deprecations": [{"msg": HOSTILE, "version": "1"}],
    "exception": HOSTILE,
    "stdout": HOSTILE,
    "diff": {"before": f"{HOSTILE}\n", "after": "x\n", "before_header": HOSTILE},
    "ansible_facts": {HOSTILE: HOSTILE},
}


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_answers_through_the_common_base(name: str) -> None:
    module = importlib.import_module(f"{action.__name__}.{name}")
    assert issubclass(module.ActionModule, HandshakeAction)
    assert "run" not in vars(module.ActionModule)


def test_results_are_printable_and_whole() -> None:
    found = _cleaned({"msg": f"{HOSTILE}\n\tend", "hosts": ["db\x1b1"], HOSTILE: [1, None, (HOSTILE,)]}, frozenset(["db\x1b1"]))
    shown = r"a\x1b[31mb\x07c\x9b1md\u202ee"
    assert found == {"msg": f"{shown}\n\tend", "hosts": ["db\x1b1"], shown: [1, None, [shown]]}


def environment(tmp_path: Path) -> dict[str, str]:
    root = next(Path(path) for path in sys.path if (Path(path) / "ansible_collections/threeway/handshake").exists())
    return {
        **{name: value for name, value in os.environ.items() if name != "COLUMNS"},
        "ANSIBLE_COLLECTIONS_PATH": str(root),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "PYTHONUTF8": "1",
    }


def play(tmp_path: Path, tasks: list[dict[str, object]], **settings: str) -> subprocess.CompletedProcess[str]:
    """A play with a host that answers every module with a lie between words that control a terminal."""
    (tmp_path / "liar").write_text(
        f"#!{sys.executable}\nprint({HOSTILE!r})\nprint({json.dumps(LIE)!r})\nprint({HOSTILE!r})\n", encoding="utf-8"
    )
    (tmp_path / "liar").chmod(0o755)
    liar = {"ansible_connection": "local", "ansible_python_interpreter": str(tmp_path / "liar")}
    (tmp_path / "inventory.json").write_text(json.dumps({"all": {"hosts": {"liar": liar}}}))
    (tmp_path / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    return subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.json", "play.json", "--diff", "-vv"],
        cwd=tmp_path,
        env={**environment(tmp_path), **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", ["sysctl_info", "guard"])
def test_what_a_host_s_shell_says_does_not_control_the_terminal(tmp_path: Path, name: str) -> None:
    """ansible-core raises errors that quote what chmod, setfacl and others have said."""
    shell = tmp_path / "shell"
    shell.write_text(f'#!/bin/sh\ncase "$*" in *chmod*) printf %s {shlex.quote(HOSTILE)} >&2; exit 1;; *) exec /bin/sh "$@";; esac\n')
    shell.chmod(0o755)
    arguments = {"sysctl_info": {"name": ["net.ipv4.ip_forward"]}, "guard": {"state": "queried"}}[name]
    variables = {"ansible_shell_executable": str(shell), "ansible_python_interpreter": sys.executable, "ansible_pipelining": False}
    done = play(tmp_path, [{f"threeway.handshake.{name}": arguments, "vars": variables}], ANSIBLE_KEEP_REMOTE_FILES="1")
    assert done.returncode == 2, done.stderr
    assert r"a\x1b[31mb" in done.stdout.replace("\\\\", "\\"), done.stdout
    assert not set(CONTROLS) & set(done.stdout + done.stderr)


@pytest.mark.parametrize("phase", ["apply", *(pytest.param(phase, marks=pytest.mark.slow) for phase in ("preview", "settle"))])
def test_a_host_that_lies_while_it_is_mended_does_not_control_the_terminal(tmp_path: Path, phase: str) -> None:
    files = RemediationFiles(str(tmp_path))
    files.begin()
    files.keep_state({"run": "r", "turn": 1})
    steps = [
        {"module": "ansible.posix.sysctl", "arguments": {"name": "a", "value": "1"}, "command": f"sysctl -w {HOSTILE}"},
        {"module": "ansible.builtin.command", "arguments": {"cmd": "true"}, "command": "true"},
        {"module": "ansible.builtin.copy", "arguments": {"content": "x", "dest": str(tmp_path / "there")}, "command": "true"},
    ]
    order = {"run": "r", "host": "liar", "turn": 1, "transaction": "t", "timeout": 5.0, "saves": {}, "steps": steps}
    files.keep_host("liar", "order", order)
    if phase == "settle":
        files.keep_host("liar", "applied", {"turn": 1, "state": "applied", "why": HOSTILE, "armed": 0.0})
        files.keep_verdicts(1, {"liar": {"keep": False, "why": HOSTILE, "helped": []}})
    task = {"threeway.handshake.mend": {"phase": phase, "report_dir": str(tmp_path), "run": "r"}}
    done = play(tmp_path, [task])
    assert "liar" in done.stdout and "PLAY RECAP" in done.stdout
    assert not [char for char in CONTROLS if char in done.stdout + done.stderr], done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
