# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of remediation share: a firewall that is closed, controllers that are told to open it, and all of a host's state."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.faults._fault import DB1, Flow
from tests.lab.controller import Controller
from tests.lab.fleet import Fleet

QUICK = {"diagnose_attempts": 2, "diagnose_interval": 0.1, "diagnose_patience": 0.0, "diagnose_hops": False}
CLOSED = "table inet filter { chain input { type filter hook input priority 0; policy accept; tcp dport 5432 counter drop; }; }"
STATE = r"""
nft list ruleset | sed -E 's/packets [0-9]+ bytes [0-9]+//'
find /etc -type f -exec sha256sum {} + | sort
sysctl -a --pattern '^net[.](ipv[46]|core)[.]' 2> /dev/null | grep -vE 'neigh|inet_peer|route'
ip route show table all | grep -v fe80:; ip rule
"""
PLAY = """
- hosts: web1:{server}
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {{name: threeway.handshake.remediate, tasks_from: fixes}}
"""
NO_TIME = {"started": "2026-11-21T04:00:00Z", "finished": "2026-11-21T04:00:00Z"}  # a diagnosis that takes none fits into any deadline
TRANSACTIONS = "/var/lib/threeway-handshake"


def state(fleet: Fleet, host: str = "db1") -> str:
    return fleet.run(host, ["sh", "-c", STATE]).stdout


def diagnosed(fleet: Fleet) -> dict[str, Any]:
    """The report of db1, which is broken."""
    extra = {"handshake_flows": [Flow(timeout=1.2).declared()], "diagnose_report_dir": "first", **QUICK}
    fleet.playbook("threeway.handshake.diagnose", "--extra-vars", json.dumps(extra), "--limit=web1,db1")
    report: dict[str, Any] = json.loads((fleet.directory / "first/report.json").read_text())
    assert report["flows"][0]["causes"][0]["fix"]["steps"], report["flows"][0]["causes"]
    return {**report, **NO_TIME}


def mend(fleet: Fleet, report: dict[str, Any], name: str, server: str = "db1", address: str = DB1, **options: Any) -> Controller:
    """A controller that has just been told to mend what a report of db1 says, or the same on another server; `name`: of its directory."""
    directory = fleet.directory / name
    directory.mkdir()
    (directory / "report.json").write_text(json.dumps(report).replace(DB1, address).replace("db1", server))
    (directory / "play.yml").write_text(PLAY.format(server=server))
    flow = {**Flow(timeout=1.2).declared(), "servers": server, "address": address}
    extra = {"handshake_flows": [flow], "remediate_apply": True, "remediate_report_dir": str(directory), "remediate_settle": 0, **QUICK}
    return Controller(fleet, directory, str(directory / "play.yml"), "--extra-vars", json.dumps({**extra, **options}))


def last_steps(fleet: Fleet, host: str = "db1") -> list[str]:
    """The last step of each transaction of a host, the oldest first."""
    script = f"ls -tr {TRANSACTIONS}/*/journal 2> /dev/null | xargs -r -n1 tail -n1"
    return [json.loads(line)["step"] for line in fleet.run(host, ["sh", "-c", script]).stdout.splitlines()]


def await_end(fleet: Fleet, controller: Controller, patience: float) -> str:
    """How the host ended a controller's transaction; `planned` for one that was never armed, so that nothing was changed."""
    give_up = time.monotonic() + patience
    first = controller.notes()[0]
    while True:
        journal = fleet.run(first["host"], ["cat", f"{TRANSACTIONS}/{first['transaction']}/journal"], check=False).stdout
        steps = [json.loads(line)["step"] for line in journal.splitlines()] or ["planned"]
        if steps[-1] in ("confirmed", "restored", "failed"):
            return str(steps[-1])
        if time.monotonic() > give_up:
            assert steps == ["planned"], (first, steps)
            return "planned"
        time.sleep(0.2)
