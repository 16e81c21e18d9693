# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays of users around the roles: what keeps a host from being observed is told as what it is, and never ends as if all were well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

QUICK = {"diagnose_attempts": 1, "diagnose_patience": 0.0, "diagnose_hops": False, "diagnose_timeout": 1.2, "diagnose_depth": "quick"}
FLOW = {"name": "orders", "clients": "web1", "servers": "db1", "address": "10.0.2.21", "port": 5432}
ROLE = "threeway.handshake.diagnose"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.three_hosts()) as running:
        running.listen("db1", "10.0.2.21", 5432)
        yield running


def play(fleet: Fleet, *tasks: dict[str, Any], **keywords: Any) -> tuple[int, str, dict[str, Any] | None]:
    """The exit code, the output in one line, and the report if there is one."""
    book, directory = fleet.directory / "book.yml", fleet.directory / "report"
    (directory / "report.json").unlink(missing_ok=True)
    variables = {**QUICK, "handshake_flows": [FLOW], "diagnose_report_dir": str(directory)}
    book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks, **keywords}]))
    done = fleet.playbook(str(book), check=False)
    report = json.loads((directory / "report.json").read_text()) if (directory / "report.json").exists() else None
    return done.returncode, " ".join((done.stdout + done.stderr).split()), report


def gaps(report: dict[str, Any] | None) -> dict[str, tuple[str, str]]:
    assert report is not None
    return {each["host"]: (each["kind"], each["why"]) for each in report["unobserved"]}


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ({"include_role": {"name": ROLE, "apply": {"delegate_to": "r1"}}}, "the play runs this task on r1 in its place"),
        ({"block": [{"import_role": {"name": ROLE}}], "run_once": True}, "the play runs this task once for all its hosts"),
    ],
    ids=["delegate_to", "run_once"],
)
def test_no_host_stands_for_another(fleet: Fleet, task: dict[str, Any], sentence: str) -> None:
    """r1 would connect, and web1 has not been asked."""
    code, said, report = play(fleet, task)
    assert code != 0, said
    assert report is not None and [flow["status"] for flow in report["flows"]] == ["undetermined"]
    kind, why = gaps(report)["web1"]
    assert kind == "play" and (sentence in why or "did not run this role's tasks for it" in why), why
    assert sentence in said


def test_hosts_that_a_condition_leaves_out_are_told_as_such(fleet: Fleet) -> None:
    code, said, report = play(fleet, {"include_role": {"name": ROLE}, "when": "inventory_hostname == 'web1'"})
    assert code == 0, said
    assert gaps(report)["db1"][0] == "play" and "without when, run_once or tags" in gaps(report)["db1"][1]


def test_hosts_that_failed_before_are_told_as_such(fleet: Fleet) -> None:
    failing = {"ansible.builtin.assert": {"that": "inventory_hostname != 'db1'"}}
    _code, said, report = play(fleet, failing, {"include_role": {"name": ROLE}})
    assert gaps(report)["db1"][0] == "play" and "a task before the role failed on it" in gaps(report)["db1"][1], said


def test_a_condition_that_leaves_the_plan_out_does_not_end_well(fleet: Fleet) -> None:
    """The plan is made once, by the first host: where the condition is false for that one, nobody plans."""
    code, said, report = play(fleet, {"import_role": {"name": ROLE}, "when": "inventory_hostname == 'db1'"})
    assert code != 0 and report is None, said
    assert "or a condition (when) that leave its first task out" in said


def test_the_play_s_own_time_limit_is_named(fleet: Fleet) -> None:
    fleet.nft("r1", "table inet slow { chain forward { type filter hook forward priority 0; tcp dport 5433 drop; }; }")
    patient = {**QUICK, "handshake_flows": [{**FLOW, "port": 5433, "timeout": 60}], "diagnose_report_dir": str(fleet.directory / "report")}
    _code, said, report = play(fleet, {"include_role": {"name": ROLE, "apply": {"timeout": 20}}}, vars=patient)
    why = "Ansible ended its task after 20 s: raise the timeout of the play, or task_timeout in ansible.cfg"
    assert gaps(report)["web1"] == ("timeout", why), said
