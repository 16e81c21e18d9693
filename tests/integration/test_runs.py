# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs at once, on one report directory and on one fleet: each answers its own question, or is told of the other."""

from __future__ import annotations

import json
import re
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
    for facts, sentence in ({}, "this task belongs to no run"), ({"handshake_run": run}, "was planned by another ansible-playbook"):
        known = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"set_fact": facts}]}] if facts else []
        book.write_text(json.dumps([*known, {"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        done = fleet.playbook(str(book), options("orders", directory), check=False)
        assert done.returncode != 0
        assert sentence in flat(done.stdout), done.stdout
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
