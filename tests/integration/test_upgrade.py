# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What version 0.1.0 left behind (recorded/0.1.0) is read by today's code: reports, baselines, histories, transactions of the guard."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab._machines import collections_root
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))
RECORDED = Path(__file__).parent / "recorded" / "0.1.0"
FLOWS = json.dumps({"handshake_flows": [{"name": "web-to-db", "clients": "web1", "servers": "db1", "port": 5432}]})
STATE = "ansible_collections.threeway.handshake.plugins.module_utils._guard.state"
KERNEL = f"import json; from {STATE} import kernel; print(json.dumps(kernel()))"
TRANSACTIONS = "/var/lib/threeway-handshake"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.three_hosts()) as running, running.listen("db1", "10.0.2.21", 5432):
        yield running


def test_a_report_directory_is_used_on(fleet: Fleet) -> None:
    shutil.copytree(RECORDED / "report", fleet.directory / "handshake-report")
    fleet.playbook("threeway.handshake.diagnose", "-e", FLOWS)
    old, new = (json.loads((place / "report.json").read_text()) for place in (RECORDED / "report", fleet.directory / "handshake-report"))
    assert new["schema"] == old["schema"]
    assert new["summary"]["ok"] == 1 and set(old["flows"][0]) <= set(new["flows"][0])


def test_a_baseline_is_compared_with(fleet: Fleet) -> None:
    baseline = fleet.directory / "handshake-baseline"
    shutil.copytree(RECORDED / "baseline", baseline)
    # The listener is a process of the interpreter that runs the tests, which has another name where they are started in another way.
    host = (baseline / "db1.yml").read_text()
    assert "process: python\n" in host
    (baseline / "db1.yml").write_text(host.replace("process: python\n", f"process: {Path(fleet.python).name}\n"))
    fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 0)
    try:
        fleet.playbook("threeway.handshake.drift", "-e", FLOWS, check=False)
    finally:
        fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 1)
    report = json.loads((fleet.directory / "handshake-drift" / "drift.json").read_text())
    found = {(host["host"], each["name"]) for host in report["hosts"] for each in host["drifts"]}
    assert {host["host"] for host in report["hosts"]} == {"web1", "db1"}
    assert ("db1", "net.ipv4.tcp_syncookies") in found
    # The kernel and the machine may be others than those of the recording; what the lab itself sets is not.
    assert not {(host, name) for host, name in found if not name.startswith("net.")}


@pytest.mark.slow
def test_a_history_is_read_and_goes_on(fleet: Fleet) -> None:
    database, found = fleet.directory / "history.db", fleet.directory / "history.json"
    with sqlite3.connect(database) as connection:
        connection.executescript((RECORDED / "history.sql").read_text())
    connection.close()
    options = ["-e", f"diagnose_history={database}", "-e", "history_since=2026-11-01", "-e", f"history_output={found}"]
    # Who asks only reads, perhaps as another user: the tables are brought up to date by the next run.
    asked = fleet.playbook("threeway.handshake.history", *options, check=False)
    assert asked.returncode != 0 and "the next run that is recorded brings it up to date" in asked.stdout, asked.stdout
    fleet.playbook("threeway.handshake.diagnose", "-e", FLOWS, *options)
    fleet.playbook("threeway.handshake.history", *options)
    (flow,) = json.loads(found.read_text())["flows"]
    assert (flow["status"], flow["last_cause"]["code"]) == ("ok", "firewall_drop")
    assert (flow["since"], flow["flaps"], flow["runs"]) == ("2026-11-28T15:03:42Z", 2, 5), flow


class TestGuard:
    @pytest.fixture
    def armed(self, fleet: Fleet) -> Iterator[Fleet]:
        """db1 as the transaction's host was, and changed since."""
        fleet.run("db1", ["cp", "-r", "--no-preserve=mode", str(RECORDED / "guard"), TRANSACTIONS])
        # Recorded on another kernel, as before a reboot: what a reboot forgets would not be put back.
        saved = Path(f"{TRANSACTIONS}/upgrade-1/saved.json")
        state = json.loads(fleet.run("db1", ["cat", str(saved)]).stdout)
        state["kernel"] = json.loads(fleet.run("db1", ["env", f"PYTHONPATH={collections_root()}", fleet.python, "-c", KERNEL]).stdout)
        fleet.write("db1", str(saved), json.dumps(state))
        fleet.run("db1", ["chmod", "-R", "go=,u=rwX", TRANSACTIONS])
        fleet.sysctl("db1", "net.ipv4.tcp_syncookies", 0)
        fleet.write("db1", "/etc/hosts", "changed\n")
        yield fleet
        fleet.run("db1", ["rm", "-r", TRANSACTIONS])
        fleet.run("db1", ["nft", "flush", "ruleset"])

    def test_an_open_transaction_is_known_and_restored(self, armed: Fleet) -> None:
        queried = guard(armed, state="queried")
        assert [each["transaction"] for each in queried["transactions"]] == ["upgrade-1"], queried
        guard(armed, state="restored", transaction="upgrade-1")
        assert armed.run("db1", ["cat", "/proc/sys/net/ipv4/tcp_syncookies"]).stdout == "1\n"
        assert "10.0.2.21 db1" in armed.run("db1", ["cat", "/etc/hosts"]).stdout
        assert "tcp dport 8080 counter" in armed.run("db1", ["nft", "list", "ruleset"]).stdout
        assert guard(armed, state="queried")["transactions"] == []

    def test_an_open_transaction_is_confirmed_and_forgotten(self, armed: Fleet) -> None:
        guard(armed, state="confirmed", transaction="upgrade-1")
        assert armed.run("db1", ["cat", "/etc/hosts"]).stdout == "changed\n"
        guard(armed, state="absent", transaction="upgrade-1")
        assert armed.run("db1", ["ls", TRANSACTIONS]).stdout.startswith("remediate-")


def guard(fleet: Fleet, **options: str) -> dict[str, Any]:
    """What the module guard returns on db1."""
    playbook = fleet.directory / "guard.yml"
    tasks = [
        {"threeway.handshake.guard": options, "register": "answer"},
        {"ansible.builtin.copy": {"content": "{{ answer | to_json }}", "dest": "./answer.json"}, "delegate_to": "localhost"},
    ]
    playbook.write_text(json.dumps([{"hosts": "db1", "gather_facts": False, "tasks": tasks}]))
    fleet.playbook(str(playbook))
    answer: dict[str, Any] = json.loads((fleet.directory / "answer.json").read_text())
    return answer
