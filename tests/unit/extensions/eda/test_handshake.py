# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source as ansible-rulebook runs it: a file run by its path, whose main is cancelled in the end."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import postgresql
from tests.lab._machines import collections_root
from tests.unit.plugins.plugin_utils._store.history.reports import flow, record, report

SOURCE = collections_root() / "ansible_collections/threeway/handshake/extensions/eda/plugins/event_source/handshake.py"


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "history.db")
        return
    with postgresql.optional() as server:
        yield server.url("history")


def follow(arguments: dict[str, Any], number: int, patience: float = 10.0) -> list[dict[str, Any]]:
    """What the source emits until it is cancelled, which is when it has emitted so many events; with 0, after a short while."""

    async def listen() -> list[dict[str, Any]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        source = asyncio.create_task(runpy.run_path(str(SOURCE))["main"](queue, arguments))
        give_up = time.monotonic() + (patience if number else 0.7)
        while not source.done() and time.monotonic() < give_up and not 0 < number <= queue.qsize():
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.05)
        source.cancel()
        (ended,) = await asyncio.gather(source, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended
        return [queue.get_nowait()["handshake"] for _event in range(queue.qsize())]

    return asyncio.run(listen())


def test_it_goes_on_where_it_was(where: str, tmp_path: Path) -> None:
    """Events come while it runs; after a stop, those that were missed, and no other."""
    arguments = {"history": where, "interval": 1, "state": str(tmp_path / "state.json"), "since": "2026-01-01"}
    record(where, report(1, flow("ok")), report(2, flow("broken")))
    assert [event["event"] for event in follow(arguments, 1)] == ["first_bad"]
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
    record(where, report(3, flow("ok")), report(4, flow("broken")))
    assert [event["event"] for event in follow(arguments, 1)] == ["mended", "first_bad"]
    assert follow(arguments, 0) == []


def test_by_default_only_what_comes_is_news(where: str, tmp_path: Path) -> None:
    record(where, report(1, flow("broken")))
    assert follow({"history": where, "state": str(tmp_path / "state.json")}, 0) == []
    assert json.loads((tmp_path / "state.json").read_text())["flows"]


def test_a_history_that_is_not_there_yet_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert follow({"history": str(tmp_path / "none.db"), "interval": "1"}, 0) == []
    (said,) = [each.getMessage() for each in caplog.records if each.name != "asyncio"]
    assert said.startswith("There is no history /") and said.endswith(" It is tried again every 1 seconds.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "The event source threeway.handshake.handshake needs history: the path of a file, or postgresql://host/database."),
        (
            {"history": "h", "server": None, "port": 1},
            "The event source threeway.handshake.handshake has no argument 'port': it has history, ",
        ),
        ({"history": "h", "interval": 0}, "interval is 0: it goes from 1 to 86400 seconds."),
        ({"history": "h", "interval": "soon"}, "interval is 'soon', which is no number of seconds."),
        ({"history": "h", "causes": "perhaps"}, "causes is 'perhaps': write true or false."),
        ({"history": "h", "since": "monday"}, "since is 'monday', which is neither a time nor how long ago that was:"),
        ({"history": "mysql://me:s3cret@db/x"}, "A history of the kind mysql is not supported:"),
        ({"history": "h", "state": "/etc/hostname"}, "/etc/hostname is not JSON"),
        ({"history": "h", "state": "/proc/version/x"}, "/proc/version/x cannot be read: Not a directory."),
    ],
)
def test_arguments_that_cannot_work(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        follow(arguments, 1)
    assert str(refused.value).startswith(said) and "s3cret" not in str(refused.value)


def test_it_finds_its_collection_without_help() -> None:
    """ansible-rulebook neither has collections on its path nor imports Ansible."""
    script = f"import runpy, sys; runpy.run_path({str(SOURCE)!r}); assert 'ansible' not in sys.modules"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", script], env=environment, cwd="/", check=True)
