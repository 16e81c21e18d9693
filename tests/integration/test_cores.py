# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few faults, packed into one fleet, through every playbook that asks hosts: what dev/matrix runs with each release of ansible-core.

The hosts have the oldest Python that this release of ansible-core takes there, and then the newest.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.release import __version__

from tests.faults._mending import QUICK
from tests.lab.fleet import Fleet

pytestmark = [pytest.mark.matrix, pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))]
CHECKOUT = Path(__file__).parent.parent.parent
PLANTED = "planted"
# What a host returns must never be a template: ansible-core before 2.19 makes one of every text that is not marked as unsafe.
TEMPLATE = f"{{{{ lookup('pipe','touch {PLANTED}') }}}}"
RULES = f"""
table inet filter {{
    chain input {{ type filter hook input priority 0; policy accept; tcp dport 5432 counter drop comment "{TEMPLATE}"; }}
}}
"""
FLOWS = [
    {"name": "closed", "clients": "web1", "servers": "db1", "port": 5432, "timeout": 1.2},
    {"name": "nobody", "clients": "web1", "servers": "db1", "port": 5433, "timeout": 1.2},
    {"name": "full", "clients": "web2", "servers": "db2", "port": 5434, "timeout": 1.2},
    {"name": "healthy", "clients": "web2", "servers": "app1", "port": 8080, "timeout": 1.2},
]
SETTLED = {"remediate_settle": 0, "remediate_confirm_timeout": 180}


def pythons() -> list[Any]:
    core = ".".join(__version__.split(".")[:2])
    listing = [CHECKOUT / "dev" / "interpreters", "targets", core]
    found = [line.split(" ", 1) for line in subprocess.run(listing, check=True, capture_output=True, text=True).stdout.splitlines()]
    return [pytest.param(python, id=f"python{version}") for version, python in (found[0], found[-1])]


@pytest.fixture(scope="module", params=pythons())
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    with Fleet(python=request.param) as running:
        running.listen("db1", "10.0.2.21", 5432)
        running.nft("db1", RULES)
        running.listen("db2", "10.0.2.22", 5434, backlog=1, behaviour="silent")
        running.hold("web2", "10.0.2.22", 5434, count=2)
        running.listen("app1", "10.0.2.31", 8080)
        yield running


def play(fleet: Fleet, name: str, *arguments: str, check: bool = True, **options: Any) -> str:
    extra = {"handshake_flows": FLOWS, "diagnose_history": str(fleet.directory / "history.db"), **QUICK, **SETTLED, **options}
    said = fleet.playbook(f"threeway.handshake.{name}", "--extra-vars", json.dumps(extra), *arguments, check=check).stdout
    assert "Traceback" not in said and "fault of the collection" not in said
    assert list(fleet.directory.rglob(PLANTED)) == []
    return said


def report(fleet: Fleet, name: str = "handshake-report/report.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((fleet.directory / name).read_text())
    return found


def found(fleet: Fleet) -> dict[str, tuple[str, str | None, str | None]]:
    flows = report(fleet)["flows"]
    firsts = {flow["name"]: next(iter(flow["causes"]), {"code": None, "certainty": None}) for flow in flows}
    return {flow["name"]: (flow["status"], firsts[flow["name"]]["code"], firsts[flow["name"]]["certainty"]) for flow in flows}


def test_diagnose(fleet: Fleet) -> None:
    play(fleet, "diagnose")
    assert found(fleet) == {
        "closed": ("broken", "firewall_drop", "proven"),
        "nobody": ("broken", "no_listener", "proven"),
        "full": ("broken", "accept_queue_full", "proven"),
        "healthy": ("ok", None, None),
    }
    assert TEMPLATE in (fleet.directory / "handshake-report/evidence/db1.open.json").read_text()
    said = play(fleet, "diagnose", check=False, diagnose_fail_on="broken", diagnose_trace=True)
    assert "Of 4 handshakes, 3 broken" in " ".join(said.split())


def test_numbers_and_switches_as_texts(fleet: Fleet) -> None:
    """As `-e name=value` has them, and templates of ansible-core before 2.19."""
    texts = {
        "diagnose_attempts": "2",
        "diagnose_timeout": "1.2",
        "diagnose_hops": "false",
        "diagnose_trace": "no",
        "diagnose_settle": "0.1",
    }
    options = [word for name, value in texts.items() for word in ("--extra-vars", f"{name}={value}")]
    alone = ["handshake_client=web2", "handshake_server=app1", "handshake_port=8080"]
    done = fleet.playbook("threeway.handshake.diagnose", *options, *(word for each in alone for word in ("--extra-vars", each)))
    assert "1 flow: 1 ok" in done.stdout


def test_remediate(fleet: Fleet) -> None:
    said = play(fleet, "remediate")
    assert "nothing is changed without remediate_apply=true" in said and "changed=1" not in said
    assert [(change["code"], change["outcome"]) for change in report(fleet)["changes"]][:1] == [("firewall_drop", "planned")]
    said = play(fleet, "remediate", remediate_apply=True)
    kept = [(change["code"], change["host"]) for change in report(fleet)["changes"] if change["outcome"] == "kept"]
    assert kept == [("firewall_drop", "db1")], said
    assert fleet.connect("web1", "10.0.2.21", 5432) == "connected"
    said = play(fleet, "history")
    assert "closed" in said


def test_baseline_and_drift(fleet: Fleet) -> None:
    play(fleet, "baseline")
    play(fleet, "drift", drift_fail_on="any")
    fleet.sysctl("app1", "net.ipv4.tcp_syncookies", 0)
    play(fleet, "drift")
    drifted = [(host["host"], each["kind"]) for host in report(fleet, "handshake-drift/drift.json")["hosts"] for each in host["drifts"]]
    assert drifted == [("app1", "sysctl")]
    play(fleet, "drift", drift_remediate=True, remediate_apply=True)
    changes = report(fleet, "handshake-drift/drift.json")["changes"]
    assert [(change["host"], change["outcome"]) for change in changes if change["outcome"] == "kept"] == [("app1", "kept")], changes
    assert fleet.run("app1", ["sysctl", "-n", "net.ipv4.tcp_syncookies"]).stdout.strip() == "1"


def test_a_change_that_does_not_help_is_told_without_templating_it(fleet: Fleet) -> None:
    """Somebody else closes the port again: what is said of that is in results, in what is registered and in the report."""
    fleet.nft("db1", f"flush ruleset\n{RULES}")
    closes = "nft insert rule inet filter input tcp dport 5432 counter drop"
    fleet.popen("db1", ["sh", "-c", f"nft monitor new rules | {{ read -r line; {closes}; }}"])
    play(fleet, "remediate", remediate_apply=True)
    kept = [(change["code"], change["host"]) for change in report(fleet)["changes"] if change["outcome"] == "kept"]
    assert kept == [("firewall_drop", "db1")] * 2, report(fleet)["changes"]
    assert fleet.connect("web1", "10.0.2.21", 5432) == "connected"


def test_the_lab_comes_and_goes(fleet: Fleet) -> None:
    for name in ("lab_up", "lab_down"):
        fleet.playbook(f"threeway.handshake.{name}", "--extra-vars", "lab_directory=lab-of-its-own")
