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
        "web1-db2": "broken",
        "web1-app1": "broken",
    }, said
    assert "4 flows" in said


def test_flows_beyond_the_limit_are_listed_as_not_tried(site: Site) -> None:
    site.keep({"group_vars/clients": {"handshake_flows": [flow("db1")]}, "group_vars/servers": {"handshake_flows": [flow("db2", "web2")]}})
    said = site.play("diagnose", "--limit=web1")
    tried, not_tried = site.report()["flows"]
    assert tried["name"] == "web1-db1" and tried["probes"]["connected"] == 1
    assert any("db1" in why and "not among the hosts of this play (--limit?)" in why for why in tried["not_observed"])
    assert not_tried["name"] == "web2-db2" and not_tried["status"] == "undetermined" and not_tried["probes"]["attempts"] == 0
    assert any("web2" in why and "not among the hosts of this play (--limit?)" in why for why in not_tried["not_observed"]), said


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
