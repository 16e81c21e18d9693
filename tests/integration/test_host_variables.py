# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables where people keep them, in group_vars and host_vars: each host's own decide, and the flows of all hosts are taken together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))

GROUPS = """
clients: {hosts: {web1: , web2: }}
servers: {hosts: {db1: , db2: , app1: }}
"""
QUICK = {"diagnose_attempts": 1, "diagnose_patience": 0.0, "diagnose_hops": False, "diagnose_timeout": 1.2}


CLOSED = "table inet filter { chain input { type filter hook input priority 0; policy accept; tcp dport 5432 counter drop; }; }"


def flow(server: str, client: str = "web1", **fields: Any) -> dict[str, Any]:
    return {"name": f"{client}-{server}", "clients": client, "servers": server, "port": 5432, **fields}


class Site:
    """A fleet and an inventory directory with files of variables."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.directory = fleet.directory
        self.hosts = fleet.inventory
        fleet.inventory = self.directory / "inventory"

    def keep(self, variables: Mapping[str, Mapping[str, Any]]) -> None:
        """Write C(group_vars) and C(host_vars), and nothing else: by file, such as ``group_vars/clients``."""
        shutil.rmtree(self.fleet.inventory, ignore_errors=True)
        self.fleet.inventory.mkdir()
        shutil.copy(self.hosts, self.fleet.inventory / "hosts.yml")
        (self.fleet.inventory / "groups.yml").write_text(GROUPS)
        for name, values in {"group_vars/all/quick": QUICK, **variables}.items():
            path = self.fleet.inventory / f"{name}.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))

    def closed(self, *hosts: str) -> None:
        """Close the firewall of these hosts, and open that of all others."""
        for host in ("db1", "db2"):
            self.fleet.run(host, ["nft", "flush", "ruleset"])
            if host in hosts:
                self.fleet.nft(host, CLOSED)

    def opened(self, host: str) -> bool:
        return "threeway.handshake" in self.fleet.run(host, ["nft", "list", "ruleset"]).stdout

    def changes(self) -> dict[str, tuple[str, str]]:
        """Where -> outcome and why, by the report of the last run."""
        return {change["where"]: (change["outcome"], change["why"]) for change in self.report()["changes"]}

    def play(self, book: str, *arguments: str, fails: bool = False) -> str:
        """What the playbook printed, in one line."""
        done = self.fleet.playbook(f"threeway.handshake.{book}", *arguments, check=False)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).split())

    def report(self, path: str = "handshake-report/report.json") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(Path(self.directory, path).read_text())
        return found

    def untouched(self) -> bool:
        """Whether no host has been asked for anything."""
        return not list(self.directory.glob("*/evidence/*"))

    def forget(self) -> None:
        for path in self.directory.glob("handshake-*"):
            shutil.rmtree(path)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Fleet() as fleet:
        fleet.listen("db1", "10.0.2.21", 5432)
        fleet.listen("db2", "10.0.2.22", 5432)
        yield Site(fleet)


@pytest.fixture(autouse=True)
def _fresh(site: Site) -> Iterator[None]:
    yield
    site.forget()


def test_the_flows_of_all_hosts_are_taken_together(site: Site) -> None:
    common = flow("db1", "web2")
    site.keep(
        {
            "group_vars/clients": {"handshake_flows": [flow("db1"), common]},
            "group_vars/servers": {"handshake_flows": "{{ [common] + others }}", "common": {**common}, "others": [flow("db2")]},
            "host_vars/db2": {"handshake_flows": [{**flow("app1"), "port": "5432"}]},
        }
    )
    said = site.play("diagnose")
    report = site.report()
    assert {each["name"]: each["status"] for each in report["flows"]} == {
        "web1-db1": "ok",
        "web2-db1": "ok",
        "web1-db2": "ok",
        "web1-app1": "broken",
    }, said
    assert "4 flows" in said


def test_flows_beyond_the_limit_are_listed_as_not_tried(site: Site) -> None:
    site.keep({"group_vars/clients": {"handshake_flows": [flow("db1")]}, "group_vars/servers": {"handshake_flows": [flow("db2", "web2")]}})
    said = site.play("diagnose", "--limit=web1")
    tried, not_tried = site.report()["flows"]
    assert tried["name"] == "web1-db1" and tried["probes"]["connected"] == 1
    assert any("db1" in why and "not among the hosts of this play" in why for why in tried["not_observed"])
    assert not_tried["name"] == "web2-db2" and not_tried["status"] == "undetermined" and not_tried["probes"]["attempts"] == 0
    assert any("web2" in why and "not among the hosts of this play" in why for why in not_tried["not_observed"]), said


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"group_vars/clients": {"diagnose_flows": [flow("db1")]}, "group_vars/servers": {"handshake_flows": [flow("db2", port=0)]}},
            "Flow 'web1-db2' (handshake_flows[0] of host db1), field 'port': 0 is not a TCP port",
        ),
        (
            {"group_vars/servers": {"diagnose_flows": [flow("nowhere")]}, "host_vars/web2": {"handshake_flows": [flow("db1")]}},
            "Flow 'web1-nowhere' (diagnose_flows[0] of host db1), field 'servers': the inventory has no host or group 'nowhere'",
        ),
        ({"host_vars/web2": {"handshake_flows": {"clients": "web1"}}}, "handshake_flows of host web2 is a mapping: make it a list"),
        ({"host_vars/web2": {"handshake_flows": "{{ nothing }}"}}, "The variable diagnose_flows of host web2 cannot be evaluated: "),
        ({"group_vars/all/flows": {"handshake_flows": [flow("db1", prot=1)]}}, "Flow 'web1-db1' (handshake_flows[0]) has the field 'prot'"),
    ],
)
def test_an_error_names_the_host_whose_variables_hold_it(site: Site, variables: dict[str, Any], sentence: str) -> None:
    site.keep(variables)
    assert sentence in site.play("diagnose", fails=True)
    assert site.untouched()


def test_ad_hoc_and_extra_variables_win(site: Site) -> None:
    site.keep({"group_vars/servers": {"handshake_flows": [flow("db2", port=70000)]}, "host_vars/db1": {"diagnose_flows": [flow("db1")]}})
    ad_hoc = [f"-ehandshake_{name}={value}" for name, value in (("client", "web1"), ("server", "db1"), ("port", 5432))]
    site.play("diagnose", *ad_hoc)
    assert [each["status"] for each in site.report()["flows"]] == ["ok"]
    site.play("diagnose", "-e", json.dumps({"diagnose_flows": [flow("app1")]}))
    assert [each["name"] for each in site.report()["flows"]] == ["web1-app1"]


TRACED = (("db1", "trace_close"), ("web1", "trace_try"))
BOTH = {"group_vars/all/flows": {"handshake_flows": [flow("db1"), flow("db2")], "remediate_settle": 0, "remediate_confirm_timeout": 180}}


@pytest.mark.parametrize(
    ("variables", "outcomes"),
    [
        pytest.param(
            {"group_vars/clients": {"remediate_apply": True}},
            {"db1": ("planned", "remediate_apply is not true for host db1")},
            marks=pytest.mark.slow,
        ),
        (
            {
                "group_vars/all/flows": {**BOTH["group_vars/all/flows"], "handshake_flows": [flow("db1", "app1")]},
                "host_vars/app1": {"remediate_apply": True},
            },
            {"db1": ("planned", "remediate_apply is not true for host db1")},
        ),
        pytest.param(
            {"group_vars/clients": {"remediate_apply": False}, "group_vars/servers": {"remediate_apply": True}},
            {"db1": ("kept", "connects")},
            marks=pytest.mark.slow,
        ),
        (
            {"group_vars/all/apply": {"remediate_apply": True}, "host_vars/db1": {"remediate_allow": ["service"]}},
            {"db1": ("refused", "remediate_allow does not have firewall for host db1"), "db2": ("kept", "connects")},
        ),
        pytest.param(
            {"host_vars/db1": {"remediate_apply": True, "remediate_confirm_timeout": 3}, "host_vars/db2": {"remediate_apply": True}},
            {"db1": ("refused", "for host db1, use more forks"), "db2": ("kept", "connects")},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"host_vars/web1": {"remediate_require": "possible", "remediate_allow": []}, "host_vars/db2": {"remediate_apply": True}},
            {"db1": ("planned", "remediate_apply is not true for host db1"), "db2": ("kept", "connects")},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["clients only", "the play's first host, a client", "servers only", "allow of one", "time of one", "one of two"],
)
def test_each_host_is_changed_by_its_own_variables(site: Site, variables: dict[str, Any], outcomes: dict[str, tuple[str, str]]) -> None:
    site.closed(*outcomes)
    site.keep({**BOTH, **variables})
    said = site.play("remediate")
    found = site.changes()
    assert {host: outcome for host, (outcome, _why) in found.items()} == {host: outcome for host, (outcome, _why) in outcomes.items()}, said
    for host, (outcome, why) in outcomes.items():
        assert why in found[host][1]
        assert site.opened(host) == (outcome == "kept")


@pytest.mark.slow
def test_check_mode_changes_no_host(site: Site) -> None:
    site.closed("db1")
    site.keep({**BOTH, "group_vars/servers": {"remediate_apply": True}})
    assert "nothing is changed in check mode" in site.play("remediate", "--check")
    assert site.changes() == {"db1": ("planned", "remediate_apply=true makes it")} and not site.opened("db1")


IMPORTED = {
    "ansible.builtin.import_playbook": "threeway.handshake.remediate",
    "vars": {"remediate_apply": True, "remediate_allow": ["firewall"]},
}
OWN = {
    "hosts": "web1:db1:db2",
    "gather_facts": False,
    "vars": {"remediate_apply": True},
    "tasks": [{"ansible.builtin.import_role": {"name": "threeway.handshake.remediate"}, "vars": {"remediate_allow": ["firewall"]}}],
}


@pytest.mark.parametrize("book", [pytest.param(IMPORTED, marks=pytest.mark.slow), OWN], ids=["imported", "own"])
def test_the_play_s_variables_are_those_of_all_hosts(site: Site, book: dict[str, Any]) -> None:
    """Of the play around the role, of an imported playbook, of the role itself: above those of the inventory."""
    site.keep({**BOTH, "group_vars/servers": {"remediate_apply": False, "remediate_allow": ["service"]}})
    site.closed("db1")
    (site.directory / "book.yml").write_text(json.dumps([book]))
    done = site.fleet.playbook("book.yml")
    assert site.changes()["db1"][0] == "kept" and site.opened("db1"), done.stdout


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"group_vars/servers": {"diagnose_report_dir": "./b"}}, "the hosts web1 ('./handshake-report') and db1 ('./b') differ: set it"),
        ({"group_vars/all/wrong": {"diagnose_fail_on": "brokn"}}, "diagnose_fail_on is 'brokn': give one of "),
        ({"host_vars/db1": {"remediate_allow": ["firewal"]}}, "remediate_allow of host db1 has 'firewal', which is no kind of fix"),
        ({"host_vars/db1": {"remediate_require": "{{ certain }}"}}, "The variable remediate_require of host db1 cannot be evaluated: "),
    ],
)
def test_what_cannot_be_ends_the_play_before_any_host_is_touched(site: Site, variables: dict[str, Any], sentence: str) -> None:
    site.keep({**BOTH, **variables})
    said = site.play("remediate", fails=True)
    assert sentence in said
    assert site.untouched() and "unexpectedly" not in said


def test_how_to_try_is_the_clients_and_what_to_record_the_hosts(site: Site) -> None:
    site.closed()
    site.keep(
        {
            "group_vars/all/flows": {"handshake_flows": [flow("db1"), flow("db2", "web2")], "diagnose_keep": "all"},
            "host_vars/web2": {"diagnose_attempts": 3, "diagnose_interval": 0.05},
            "host_vars/db2": {"diagnose_record": False, "diagnose_attempts": 7},
        }
    )
    site.play("diagnose")
    one, other = site.report()["flows"]
    assert (one["probes"]["attempts"], other["probes"]["attempts"]) == (1, 3)
    assert {each["host"]: each["recorded"] for each in (*one["vantages"], *other["vantages"])} == {
        "web1": True,
        "db1": True,
        "web2": True,
        "db2": False,
    }


@pytest.mark.slow
def test_hosts_go_back_to_their_baselines_and_meet_expectations_by_their_own_variables(site: Site) -> None:
    site.closed()
    site.keep(BOTH)
    site.play("baseline")
    for host in ("db1", "db2"):
        site.fleet.sysctl(host, "net.ipv4.tcp_syncookies", 0)
    site.keep(
        {
            **BOTH,
            "host_vars/db1": {"drift_remediate": True, "remediate_apply": True},
            "host_vars/db2": {"remediate_apply": True, "drift_expect": [{"name": "never", "expect": "`false`"}]},
        }
    )
    said = site.play("drift")
    report = site.report("handshake-drift/drift.json")
    found = {change["where"]: (change["outcome"], change["why"]) for change in report["changes"]}
    assert found["db1"][0] == "kept" and found["db2"] == ("refused", "drift_remediate is not true for host db2"), said
    syncookies = {host: site.fleet.run(host, ["sysctl", "-n", "net.ipv4.tcp_syncookies"]).stdout.strip() for host in ("db1", "db2")}
    assert syncookies == {"db1": "1", "db2": "0"}
    assert {host["host"]: [each["name"] for each in host["expectations"]] for host in report["hosts"] if host["expectations"]} == {
        "db2": ["never"]
    }


@pytest.mark.slow
def test_the_kernels_of_those_hosts_trace_whose_variables_allow_it(site: Site) -> None:
    site.closed()
    rules = "table inet {name} {{ chain {name} {{ type filter hook {name} priority 0; policy accept; {rule}; }}; }}"
    site.fleet.nft("db1", rules.format(name="input", rule="tcp dport 5432 drop"))
    site.fleet.nft("web1", rules.format(name="output", rule="tcp dport 9 drop"))
    site.keep({**BOTH, "host_vars/db1": {"diagnose_trace": True}})
    try:
        site.play("diagnose")
    finally:
        site.fleet.run("web1", ["nft", "flush", "ruleset"])
    traces = {host: site.report(f"handshake-report/evidence/{host}.{phase}.json") for host, phase in TRACED}
    assert traces["db1"]["evidence"]["trace"] and traces["web1"]["evidence"]["probes"]
    assert traces["web1"]["evidence"]["trace"] is None
    (broken,) = (each for each in site.report()["flows"] if each["status"] == "broken")
    assert (broken["causes"][0]["code"], broken["causes"][0]["host"], broken["causes"][0]["certainty"]) == (
        "firewall_drop",
        "db1",
        "proven",
    )
