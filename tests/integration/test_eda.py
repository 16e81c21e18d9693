# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebooks as ansible-rulebook runs them, on the embedded lab."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fleet import Fleet
from tests.unit.plugins.plugin_utils._store.history.reports import EPOCH, flow, record, report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing())),
    pytest.mark.skipif(not shutil.which("ansible-rulebook"), reason="ansible-rulebook is not installed: pip install ansible-rulebook"),
    pytest.mark.skipif(not shutil.which("java"), reason="there is no Java, which ansible-rulebook needs"),
]
TOKEN = "t0ken"


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet() as running:
        yield running


@contextmanager
def rulebook(fleet: Fleet, name: str, **variables: Any) -> Iterator[Path]:
    """A rulebook that runs; its log."""
    files = {"handshake_report_dir": str(fleet.directory / "report"), **variables}
    (fleet.directory / "variables.yml").write_text(json.dumps(files))
    log = fleet.directory / "rulebook.log"
    arguments = [f"--rulebook=threeway.handshake.{name}", f"--inventory={fleet.inventory}", "--vars=variables.yml", "--print-events"]
    environment = {name: value for name, value in fleet.environment().items() if name != "PYTHONPATH"}
    with log.open("w") as output:
        running = subprocess.Popen(
            [*fleet.controller(), "ansible-rulebook", *arguments],
            env=environment,
            cwd=fleet.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield log
    finally:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def await_true(is_so: Callable[[], object], log: Path, patience: float = 120.0) -> None:
    give_up = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < give_up, log.read_text()
        time.sleep(0.3)


def now() -> float:
    """The number of a run that finishes now."""
    return (time.time() - EPOCH) / 60


def test_changes_are_acted_on(fleet: Fleet) -> None:
    history, state, found = (
        str(fleet.directory / "history.db"),
        fleet.directory / "state.json",
        fleet.directory / "report/web1-db1-5432/report.json",
    )
    record(history, report(1, flow("ok")))
    with rulebook(fleet, "act_on_changes", handshake_history=history, handshake_state=str(state)) as log:
        await_true(state.exists, log)
        record(history, report(now(), flow("broken")))
        await_true(found.exists, log)
        assert [(each["client"], each["server"], each["status"]) for each in json.loads(found.read_text())["flows"]] == [
            ("web1", "db1", "broken")
        ]
        record(history, report(now(), flow("ok")))
        await_true(lambda: "web-to-db works again after " in log.read_text(), log)
    assert "Start tracing where broken handshakes are expected" in log.read_text()


def test_alerts_are_diagnosed_if_they_name_a_flow(fleet: Fleet) -> None:
    found = fleet.directory / "report/web1-db1-5432/report.json"
    hostile = {"client": "{{ lookup('pipe', 'touch hacked') }}", "server": "db1", "port": "5432"}
    alerts = [{"status": "firing", "labels": labels} for labels in (hostile, {"client": "web1", "server": "db1", "port": "5432"})]
    post = [*fleet.controller(), "python3", "-c", POST, "http://127.0.0.1:5001/endpoint", TOKEN, json.dumps({"alerts": alerts})]
    with rulebook(fleet, "diagnose_on_alert", handshake_token=TOKEN) as log:
        await_true(lambda: subprocess.run(post, capture_output=True, check=False).returncode == 0, log)
        await_true(found.exists, log)
        assert [each["client"] for each in json.loads(found.read_text())["flows"]] == ["web1"]
        assert log.read_text().count("PLAY [Plan the diagnosis]") == 1
    assert not (fleet.directory / "hacked").exists()


POST = """
import sys, urllib.request
headers = {"Content-Type": "application/json", "Authorization": f"Bearer {sys.argv[2]}"}
urllib.request.urlopen(urllib.request.Request(sys.argv[1], sys.argv[3].encode(), headers), timeout=5)
"""
