# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs at once, on one report directory and on one fleet: each answers its own question, or is told of the other."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.controller import Controller
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

PORTS = {"orders": 5432, "shop": 8080}
QUICK = {"diagnose_attempts": 1, "diagnose_patience": 0.0, "diagnose_hops": False}
RECORDERS = "ls /run/threeway-handshake 2> /dev/null | wc -l"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.three_hosts()) as running:
        running.listen("db1", "::", PORTS["orders"])
        running.nft("db1", "table inet shop { chain input { type filter hook input priority 0; tcp dport 8080 counter drop; }; }")
        yield running


def options(name: str, report_dir: Path | str, **more: Any) -> str:
    flow = {"name": name, "clients": "web1", "servers": "db1", "address": "10.0.2.21", "port": PORTS[name], "timeout": 1.2}
    return f"--extra-vars={json.dumps({'handshake_flows': [flow], 'diagnose_report_dir': str(report_dir), **QUICK, **more})}"


def report(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "report.json").read_text())
    return found


def flat(text: str) -> str:
    return re.sub(r"[\s│┃]+", " ", text)


def test_a_second_run_does_not_get_the_directory_of_one_that_lives(fleet: Fleet) -> None:
    shared = fleet.directory / "shared"
    slow = options("orders", shared, diagnose_attempts=30)
    with Controller(fleet, shared, "threeway.handshake.diagnose", slow) as first:
        first.await_file("evidence/web1.try.json")
        second = fleet.playbook("threeway.handshake.diagnose", options("shop", shared), check=False)
        assert second.returncode != 0
        run = json.loads((shared / "evidence/plan.json").read_text())["run"]
        assert f"is in use by run {run}, since 20" in flat(second.stdout), second.stdout
        assert first.wait() == 0, first.said
    assert [flow["name"] for flow in report(shared)["flows"]] == ["orders"]
    assert report(shared)["run"] == run
    fleet.playbook("threeway.handshake.diagnose", options("shop", shared))  # the first has ended
    assert [flow["name"] for flow in report(shared)["flows"]] == ["shop"]


def test_two_controllers_on_one_fleet_each_see_their_own(fleet: Fleet) -> None:
    here, there = fleet.directory / "here", fleet.directory / "there"
    with (
        Controller(fleet, here, "threeway.handshake.diagnose", options("orders", here)) as one,
        Controller(fleet, there, "threeway.handshake.diagnose", options("shop", there)) as other,
    ):
        assert (one.wait(), other.wait()) == (0, 0), one.said + other.said
    assert [(flow["name"], flow["status"]) for flow in report(here)["flows"]] == [("orders", "ok")]
    (shop,) = report(there)["flows"]
    assert (shop["name"], shop["status"], shop["causes"][0]["code"]) == ("shop", "broken", "firewall_drop")
    assert shop["causes"][0]["certainty"] == "proven"
    assert fleet.run("db1", ["sh", "-c", RECORDERS]).stdout.strip() == "0"


def test_a_plan_is_used_by_the_run_that_made_it_alone(fleet: Fleet) -> None:
    directory = fleet.directory / "planned"
    fleet.playbook("threeway.handshake.diagnose", options("orders", directory))
    before = (directory / "report.json").read_bytes()
    book = fleet.directory / "later.yml"
    run = json.loads(before)["run"]
    tasks = [{"import_role": {"name": "threeway.handshake.diagnose", "tasks_from": "observe"}}]
    older = {"handshake_run": run, "handshake_trace": False}  # a cache may have what another version of the collection planned
    for facts, sentence in ({}, "this task belongs to no run"), (older, "was planned by another ansible-playbook"):
        known = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"set_fact": {**facts, "cacheable": True}}]}] if facts else []
        book.write_text(json.dumps([*known, {"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        done = fleet.playbook(str(book), options("orders", directory), check=False)
        assert done.returncode != 0
        assert sentence in flat(done.stdout), done.stdout
        assert "handshake_isolate" not in done.stdout
        assert (directory / "report.json").read_bytes() == before


def test_a_directory_that_others_may_write_to_is_refused(fleet: Fleet) -> None:
    open_to_all = fleet.directory / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o1777)
    done = fleet.playbook("threeway.handshake.diagnose", options("orders", open_to_all), check=False)
    assert done.returncode != 0
    assert f"others may write to {open_to_all} (owner root, mode 1777)" in flat(done.stdout), done.stdout
    assert list(open_to_all.iterdir()) == []
    fleet.playbook("threeway.handshake.diagnose", options("orders", open_to_all / "mine"))
    assert (open_to_all / "mine").stat().st_mode & 0o7777 == 0o700
    (open_to_all / "link").symlink_to("mine")
    done = fleet.playbook("threeway.handshake.diagnose", options("orders", open_to_all / "link"), check=False)
    assert done.returncode != 0
    assert "is a link to mine: give the directory itself" in flat(done.stdout), done.stdout


PLAYS: list[tuple[list[str], dict[str, Any], str]] = [
    ([], {"serial": 1}, "takes 1 of its 3 hosts at a time (serial)"),
    ([], {"strategy": "free"}, "has the strategy free"),
    ([], {"strategy": "ansible.builtin.host_pinned"}, "has the strategy ansible.builtin.host_pinned"),
]


@pytest.mark.parametrize(("arguments", "play", "sentence"), PLAYS, ids=["serial", "free", "host_pinned"])
def test_plays_that_take_hosts_apart_are_refused(fleet: Fleet, arguments: list[str], play: dict[str, Any], sentence: str) -> None:
    book = fleet.directory / "apart.yml"
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["threeway.handshake.diagnose"], **play}]))
    done = fleet.playbook(str(book), options("orders", fleet.directory / "apart"), *arguments, check=False)
    assert done.returncode != 0
    assert sentence in flat(done.stdout), done.stdout


BOOKS = ("diagnose", "remediate", "baseline", "drift")
IN_VAIN = ("--tags=none", "--start-at-task=Find out where they break", "--inventory=/dev/null")
# Each playbook, and each way to plan nothing, in `make test`; all pairs in `make test-all`.
PAIRS = [
    pytest.param(book, [argument], marks=() if number % len(IN_VAIN) == turn else pytest.mark.slow, id=f"{book}-{turn}")
    for number, book in enumerate(BOOKS)
    for turn, argument in enumerate(IN_VAIN)
]


@pytest.mark.parametrize(("book", "arguments"), PAIRS)
def test_playbooks_that_plan_nothing_do_not_end_well(fleet: Fleet, book: str, arguments: list[str]) -> None:
    if "--inventory=/dev/null" in arguments:
        (fleet.directory / "nobody.yml").write_text("all: {}\n")
        hosts, arguments = fleet.inventory, []
        fleet.inventory = fleet.directory / "nobody.yml"
        try:
            done = fleet.playbook(f"threeway.handshake.{book}", options("orders", fleet.directory / "nothing"), check=False)
        finally:
            fleet.inventory = hosts
    else:
        done = fleet.playbook(f"threeway.handshake.{book}", options("orders", fleet.directory / "nothing"), *arguments, check=False)
    assert done.returncode != 0, done.stdout
    assert "No handshake was planned: " in flat(done.stdout + done.stderr)


def test_a_play_that_sees_one_end_says_which_it_lacks(fleet: Fleet) -> None:
    directory = fleet.directory / "limited"
    done = fleet.playbook("threeway.handshake.diagnose", options("shop", directory), "--limit=web1")
    (flow,) = report(directory)["flows"]
    assert report(directory)["unobserved"] == [
        {"host": "db1", "kind": "not_in_play", "why": "it is not among the hosts of this play", "phase": None, "roles": ["server"]}
    ]
    assert "not observed: db1 (server): not in play: it is not among the hosts of this play" in flat(done.stdout)
    assert flow["status"] != "ok" and all("become" not in each for each in flow["undecided"])


MOMENTS = [
    pytest.param("evidence/plan.json", marks=pytest.mark.slow),
    "evidence/db1.open.json",
    "evidence/web1.try.json",
    pytest.param("evidence/db1.close.json", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_an_interrupted_run_has_found_is_concluded(fleet: Fleet, moment: str, times: int) -> None:
    directory = fleet.directory / f"interrupted-{times}-{Path(moment).stem}"
    slow = options("shop", directory, diagnose_attempts=5, diagnose_host_timeout=20)
    with Controller(fleet, directory, "threeway.handshake.diagnose", slow) as run:
        run.await_file(moment)
        for _time in range(times):
            run.interrupt()
        with contextlib.suppress(subprocess.TimeoutExpired):  # interrupted while it cleans up, Ansible may hang
            assert run.wait(20) != 0
    done = fleet.playbook("threeway.handshake.conclude", f"--extra-vars=diagnose_report_dir={directory}", check=False)
    told = report(directory)
    assert told["run"] == json.loads((directory / "evidence/plan.json").read_text())["run"]
    (flow,) = told["flows"]
    if flow["probes"]["attempts"]:
        assert done.returncode == 0 and flow["status"] in ("broken", "undetermined"), done.stdout
    else:
        assert done.returncode != 0 and "No handshake could be tried. web1: " in flat(done.stdout), done.stdout
        assert {each["kind"] for each in told["unobserved"]} <= {"interrupted", "silent", "timeout"}  # a loaded machine is slow


def test_recorders_of_interrupted_runs_are_gone_by_their_deadline(fleet: Fleet) -> None:
    give_up = time.monotonic() + 140
    while fleet.run("db1", ["sh", "-c", RECORDERS]).stdout.strip() != "0":
        assert time.monotonic() < give_up
        time.sleep(1)


@pytest.mark.slow
def test_the_state_of_a_guard_is_told(fleet: Fleet) -> None:
    directory = fleet.directory / "guarded"
    fleet.listen("db1", "10.0.2.21", 8080)
    more = {"remediate_apply": True, "remediate_report_dir": str(directory), "remediate_confirm_timeout": 90, "remediate_settle": 30}
    with Controller(fleet, directory, "threeway.handshake.remediate", options("shop", directory, **more)) as run:
        assert run.await_step("changed"), run.said
        run.interrupt()
        assert run.wait(60) != 0
    fleet.playbook("threeway.handshake.conclude", f"--extra-vars=diagnose_report_dir={directory}")
    (change,) = report(directory)["changes"]
    assert (change["where"], change["outcome"]) == ("db1", "failed")
    assert "the run was interrupted while db1 was on its guard: it restores itself by 20" in change["why"]
