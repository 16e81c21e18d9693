# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller lacks is said in the plan, with the command that installs it, before any host is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HIDE = "import os, sys\nsys.modules.update(dict.fromkeys(os.environ['HIDDEN'].split()))\n"


def planned(tmp_path: Path, hidden: str, variables: dict[str, Any], **keywords: Any) -> tuple[dict[str, Any], str]:
    """The result of the task, and what was said beside it, on a controller without these libraries. No host can be reached.

    `keywords`: of the play.
    """
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    hosts = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    flows = {"diagnose_flows": [{"clients": "web1", "servers": "db1", "port": 5432}]}
    unset = dict.fromkeys(("diagnose_client", "diagnose_server", "diagnose_port"), "")
    server = {**hosts, "handshake_address": "10.0.2.21"}
    inventory = {"all": {"hosts": {"web1": hosts, "db1": server}, "vars": {**unset, **flows, **variables}}}
    (tmp_path / "inventory.yml").write_text(json.dumps(inventory))
    plan = {
        "threeway.handshake.plan": {"roles": ["diagnose"], "report_dir": str(tmp_path / "report")},
        "register": "plan",
        "run_once": True,
    }
    shown = {"ansible.builtin.copy": {"content": "{{ plan | to_json }}", "dest": str(tmp_path / "plan.json")}}
    tasks = [plan, {**shown, "delegate_to": "localhost", "run_once": True, "vars": {"ansible_connection": "local"}}]
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks, **keywords}]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", str(tmp_path / "inventory.yml"), str(tmp_path / "play.yml")],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}", "HIDDEN": hidden, "COLUMNS": "10000"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((tmp_path / "plan.json").read_text())
    return found, done.stderr


@pytest.mark.parametrize(
    ("history", "hidden", "needs"),
    [
        pytest.param(
            "postgresql://db/x",
            "sqlalchemy",
            "library SQLAlchemy on the controller: {} -m pip install 'SQLAlchemy>=2.0'",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "postgresql://db/x",
            "psycopg",
            "library psycopg on the controller: {} -m pip install 'psycopg[binary]>=3.1'",
            marks=pytest.mark.slow,
        ),
        (
            "postgresql://db/x",
            "psycopg sqlalchemy",
            "libraries SQLAlchemy and psycopg on the controller: {} -m pip install 'SQLAlchemy>=2.0' 'psycopg[binary]>=3.1'",
        ),
    ],
)
def test_a_history_without_its_libraries(tmp_path: Path, history: str, hidden: str, needs: str) -> None:
    plan, said = planned(tmp_path, hidden, {"diagnose_history": history})
    sentence = f"diagnose_history needs the Python {needs.format(sys.executable)}"
    assert plan["lacking"] == [sentence]
    assert f"{sentence}." in said


def test_a_password_without_paramiko_is_no_warning(tmp_path: Path) -> None:
    plan, said = planned(tmp_path, "paramiko", {"ansible_password": "s3cret"})
    (sentence,) = plan["lacking"]
    assert sentence.endswith(f"needs the Python library paramiko on the controller: {sys.executable} -m pip install paramiko")
    assert sentence.startswith("Logging in to web1, db1 with a password, if no usable Python is there, ")
    assert "paramiko" not in said and "s3cret" not in said


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"diagnose_history": "history.db"},
        {"ansible_password": "x", "diagnose_without_python": "never"},
    ],
)
def test_nothing_is_said_of_what_is_not_asked_for(tmp_path: Path, variables: dict[str, Any]) -> None:
    plan, _said = planned(tmp_path, "jmespath paramiko psycopg sqlalchemy", variables)
    assert plan["lacking"] == []


def test_hosts_that_a_play_takes_one_after_the_other_are_waited_for(tmp_path: Path) -> None:
    """Recorders live until the last client has tried: throttle takes fewer hosts at a time than forks do."""
    flows = {"diagnose_flows": [{"clients": "web1:db1", "address": "10.0.2.21", "port": 5432}]}
    together, apart = (planned(tmp_path, "", flows, **keywords)[0]["waits"]["try"] for keywords in ({}, {"throttle": 1}))
    assert apart["at_most"] > 1.5 * together["at_most"]
