# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that return facts named as what the collection is configured with: Ansible lets facts override the inventory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

CLOSED = "table inet filter {{ chain {0} {{ type filter hook {0} priority 0; policy accept; tcp dport 5432 counter drop; }}; }}"
FLOWS = [{"name": "web-to-db", "clients": "web1", "servers": "db1", "port": 5432}]
QUICK = {
    "handshake_flows": FLOWS,
    "diagnose_attempts": 1,
    "diagnose_patience": 0.0,
    "diagnose_hops": False,
    "diagnose_timeout": 1.2,
    "remediate_settle": 0,
    "remediate_confirm_timeout": 180,
}
# What `setup`, or any module, prints where a host is not honest.
SAYS = """
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({"facts": {"type": "dict"}})
module.exit_json(ansible_facts=module.params["facts"])
"""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet() as fleet:
        fleet.listen("db1", "10.0.2.21", 5432)
        fleet.nft("db1", CLOSED.format("input"))
        (fleet.inventory.parent / "group_vars").mkdir()
        (fleet.inventory.parent / "group_vars/all.yml").write_text(json.dumps(QUICK))
        (fleet.directory / "library").mkdir()
        (fleet.directory / "library/says.py").write_text(SAYS)
        yield fleet


def play(fleet: Fleet, book: str, facts: Mapping[str, Mapping[str, Any]], *, fails: bool = False) -> str:
    """What a playbook printed whose hosts have said these facts in a play before, in one line."""
    before = [
        {"hosts": host, "gather_facts": False, "tasks": [{"says": {"facts": {"ansible_kernel": "Linux", **told}}}]}
        for host, told in facts.items()
    ]
    (fleet.directory / "book.yml").write_text(json.dumps([*before, {"ansible.builtin.import_playbook": f"threeway.handshake.{book}"}]))
    done = fleet.playbook("book.yml", check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def report(fleet: Fleet) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(fleet.directory, "handshake-report/report.json").read_text())
    return found


def test_what_a_host_says_of_itself_is_no_option_no_flow_and_no_address(fleet: Fleet) -> None:
    lies = {
        "db1": {"remediate_apply": True, "remediate_require": "possible", "handshake_flows": [{**FLOWS[0], "name": "lie", "port": 22}]},
        "web1": {"handshake_address": "203.0.113.66", "handshake_addresses": ["0.0.0.0/0"], "remediate_confirm_timeout": 1},
    }
    said = play(fleet, "remediate", lies)
    found = report(fleet)
    assert [(each["name"], each["status"]) for each in found["flows"]] == [("web-to-db", "broken")], said
    assert [(each["where"], each["outcome"], each["why"]) for each in found["changes"]] == [
        ("db1", "planned", "remediate_apply=true makes it")
    ]
    plan = json.loads((fleet.directory / "handshake-report/evidence/plan.json").read_text())
    assert plan["addresses"]["web1"] == ["10.0.1.11", "2001:db8:1::11"]
    assert "Host db1 says in its facts what 'handshake_flows', 'remediate_apply', 'remediate_require' is: that does not count" in said
    assert "threeway.handshake" not in fleet.run("db1", ["nft", "list", "ruleset"]).stdout


@pytest.mark.parametrize("name", ["diagnose_report_dir", "__diagnose_report_dir"])
def test_what_ansible_would_take_for_the_whole_play_ends_it(fleet: Fleet, name: str) -> None:
    said = play(fleet, "diagnose", {"web2": {name: str(fleet.directory / "elsewhere")}}, fails=True)
    assert f"Host web2 says in its facts what '{name}' is, and Ansible would go by that for the whole play" in said
    assert not (fleet.directory / "elsewhere").exists()


@pytest.mark.slow
def test_without_facts_among_the_variables_everything_works(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The roles read what the plan left as facts of the controller."""
    (fleet.inventory.parent / "group_vars/all.yml").write_text(json.dumps({**QUICK, "diagnose_trace": True}))
    environment = {**fleet.environment(), "ANSIBLE_INJECT_FACT_VARS": "False"}
    monkeypatch.setattr(fleet, "environment", lambda: environment)
    play(fleet, "diagnose", {"web1": {"diagnose_report_dir": str(fleet.directory / "elsewhere")}})
    (flow,) = report(fleet)["flows"]
    assert flow["status"] == "broken" and not (fleet.directory / "elsewhere").exists()
    assert (fleet.directory / "handshake-report/evidence/db1.trace_close.json").exists()


@pytest.mark.slow
def test_a_fact_cache_keeps_no_plan(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier ansible-playbook left as facts of the controller is neither planned for the next one nor in its way."""
    (fleet.inventory.parent / "group_vars/all.yml").write_text(json.dumps(QUICK))
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(fleet.directory / "cache")}
    environment = {**fleet.environment(), **cache}
    monkeypatch.setattr(fleet, "environment", lambda: environment)
    fleet.playbook("threeway.handshake.diagnose")
    (cached,) = (fleet.directory / "cache").glob("*localhost")
    assert "handshake_hosts" in cached.read_text()
    done = fleet.playbook("threeway.handshake.diagnose", "--tags=none", check=False)
    assert done.returncode != 0 and "No handshake was planned: " in " ".join((done.stdout + done.stderr).split())
    tasks = [{"ansible.builtin.import_role": {"name": "threeway.handshake.remediate", "tasks_from": "fixes"}}]
    (fleet.directory / "book.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    fleet.playbook("book.yml")
    assert [(each["where"], each["outcome"]) for each in report(fleet)["changes"]] == [("db1", "planned")]
