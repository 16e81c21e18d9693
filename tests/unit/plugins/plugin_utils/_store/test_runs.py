# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report directory belongs to one run, for as long as the process lives that the run's tasks were started by."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._store import runs
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError

SINCE = "2026-11-21T04:00:00Z"
FORK = multiprocessing.get_context("fork")


def task(function: Callable[..., object], *arguments: object) -> str:
    """What a task says that runs in a process of its own, as those of Ansible do."""
    told = FORK.SimpleQueue()

    def run() -> None:
        try:
            function(*arguments)
            told.put("")
        except EvidenceError as error:
            told.put(str(error))

    process = FORK.Process(target=run)
    process.start()
    process.join()
    return str(told.get())


@contextmanager
def another() -> Iterator[runs.Controller]:
    """Another process that could be an ansible-playbook."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield replace(runs.Controller.this(), pid=process.pid, started=runs._started(process.pid))
        process.kill()


def held(directory: Path, controller: runs.Controller, run: str = "first") -> None:
    (directory / runs.LOCK).write_text(json.dumps({"run": run, "since": SINCE, **vars(controller)}))


def test_all_tasks_of_a_run_belong_to_one_process(tmp_path: Path) -> None:
    assert task(runs.take, tmp_path, "first", SINCE) == ""
    assert json.loads((tmp_path / runs.LOCK).read_text())["pid"] == os.getpid()
    assert task(runs.check, tmp_path, "first") == ""
    assert task(runs.take, tmp_path, "second", SINCE) == ""  # after one another in one playbook
    assert "belongs to another run now (run second, since" in task(runs.check, tmp_path, "first")
    assert "belongs to no run" in task(runs.check, tmp_path, "")


def test_an_ansible_playbook_that_is_a_child_itself_knows_its_plan() -> None:
    """A program of Python runs Ansible in a process of multiprocessing; a task of it plans, and it asks for the hosts itself."""
    told = FORK.SimpleQueue()

    def ansible_playbook() -> None:
        planned = FORK.SimpleQueue()
        worker = FORK.Process(target=lambda: planned.put(vars(runs.Controller.this())))
        worker.start()
        controller = planned.get()
        worker.join()
        told.put([runs.is_this(each) for each in (controller, {**controller, "started": "1"}, None)])

    process = FORK.Process(target=ansible_playbook)
    process.start()
    process.join()
    assert told.get() == [True, False, False]


def test_a_second_run_is_told_of_the_first(tmp_path: Path) -> None:
    with another() as first:
        held(tmp_path, first)
        said = task(runs.take, tmp_path, "second", SINCE)
        assert f"is in use by run first, since {SINCE}, process {first.pid} on {first.host}: wait for its end" in said
        assert "run.lock" not in said
        assert "was planned by another ansible-playbook" in task(runs.check, tmp_path, "first")
    assert task(runs.take, tmp_path, "second", SINCE) == ""


def test_of_many_that_begin_at_once_one_goes_on(tmp_path: Path) -> None:
    told = FORK.SimpleQueue()
    start, end = FORK.Event(), FORK.Event()

    def controller(number: int) -> None:
        start.wait()
        told.put(task(runs.take, tmp_path, f"run-{number}", SINCE))
        end.wait()

    several = [FORK.Process(target=controller, args=(number,)) for number in range(12)]
    for process in several:
        process.start()
    start.set()
    said = [told.get() for _process in several]
    end.set()
    for process in several:
        process.join()
    assert said.count("") == 1, said
    assert sum("is in use by run run-" in each for each in said) == 11


@pytest.mark.parametrize(
    ("changed", "lives"),
    [
        ({"started": "1"}, False),  # the number of a process that has ended belongs to another one
        ({"boot": "another"}, False),
        ({"boot": "another", "machine": "another"}, None),
        ({"namespace": "pid:[1]"}, None),
        ({"boot": "another", "machine": "", "host": "elsewhere"}, None),
    ],
)
def test_who_is_not_there_any_more(changed: dict[str, Any], lives: bool | None) -> None:
    here = replace(runs.Controller.this(), machine="this")
    with another() as first:
        first = replace(first, machine="this")
        assert first.lives(here) is True
        assert replace(first, **changed).lives(here) is lives


def test_platforms_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    blank: dict[str, Any] = {"started": "", "namespace": "", "boot": "", "machine": ""}
    with another() as first:
        here = replace(runs.Controller.this(), **blank)
        assert replace(first, **blank).lives(here) is None  # its number may be another's by now
        gone = replace(first, **blank)
    assert gone.lives(here) is False
    assert replace(gone, host="elsewhere").lives(here) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="making a namespace of process ids takes root")
def test_the_proc_of_another_namespace_says_nothing(tmp_path: Path) -> None:
    """The first process of a container is no other one's first because both are number 1."""
    program = (
        "import json; from dataclasses import replace;"
        "from ansible_collections.threeway.handshake.plugins.plugin_utils._store import runs;"
        "here = runs.Controller.this();"
        "others = replace(here, started='10'), replace(here, pid=2);"
        "print(json.dumps([here.pid, here.started, *(each.lives(here) for each in (here, *others))]))"
    )
    told = {}
    for name, options in {"own": ["--mount-proc"], "host's": []}.items():
        argv = ["unshare", "--pid", "--fork", *options, sys.executable, "-c", program]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        told[name] = json.loads(done.stdout)
    assert told["host's"] == [1, "", None, None, False]
    number, started, *lives = told["own"]
    assert number == 1 and started and lives == [True, False, False]


def test_a_run_that_cannot_be_seen_has_a_lease(tmp_path: Path) -> None:
    with another() as first:
        held(tmp_path, replace(first, namespace="pid:[1]"))
    said = task(runs.take, tmp_path, "second", SINCE)
    assert f"or remove {tmp_path / runs.LOCK} if that run has ended: it cannot be seen from here" in said
    long_ago = time.time() - runs.LEASE - 1
    os.utime(tmp_path / runs.LOCK, (long_ago, long_ago))
    assert task(runs.take, tmp_path, "second", SINCE) == ""
    os.utime(tmp_path / runs.LOCK, (long_ago, long_ago))
    assert task(runs.check, tmp_path, "second") == ""
    assert (tmp_path / runs.LOCK).stat().st_mtime > long_ago + 60  # each task renews it
    held(tmp_path, replace(first, namespace="pid:[1]"))
    assert "is in use" in task(runs.take, tmp_path, "third", SINCE)
    runs.rest(tmp_path)  # its report is written: the next container need not wait
    assert task(runs.take, tmp_path, "third", SINCE) == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": 1}', "\0" * 20])
def test_a_damaged_lock_is_nobodys(tmp_path: Path, text: str) -> None:
    (tmp_path / runs.LOCK).write_text(text)
    assert "belongs to no run" in task(runs.check, tmp_path, "second")
    assert task(runs.take, tmp_path, "second", SINCE) == ""
