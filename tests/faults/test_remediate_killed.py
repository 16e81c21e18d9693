# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers killed in the middle of a remediation: each host ends as it was or as planned, and restores itself in time.

One lab, as many servers as kills. Each controller mends one of them, and is killed a random time behind a random step of its journal.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.faults._fault import Flow
from tests.faults.test_remediate import CLOSED, QUICK, STATE
from tests.lab.fleet import Fleet
from tests.lab.topologies import at, host, three_hosts, with_hosts

FIRST = "10.0.2.21"
TIMEOUT = 12
MARGIN = 5.0  # seconds by which a loaded machine may be late
STEPS = ("arming", "armed", "step", "changed", "judged", "confirmed")
WORDS = {"started": "2026-11-21T04:00:00Z", "finished": "2026-11-21T04:00:00Z"}  # a diagnosis of no time leaves time to be killed in
PLAY = """
- hosts: web1:{server}
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {{name: threeway.handshake.remediate, tasks_from: fixes}}
"""


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_whatever_the_controller_is_killed_at(kills: int) -> None:
    rounds, seed = max(1, kills // 40), random.randrange(1 << 30)
    chance = random.Random(seed)
    servers = {f"s{number}": f"10.0.2.{100 + number}" for number in range(1, kills // rounds + 1)}
    routes = ["default via 10.0.2.1", "default via 2001:db8:2::1"]
    topology = with_hosts(three_hosts(), **{name: host([], routes, eth0=at("back", 2, 100 + n)) for n, name in enumerate(servers, 1)})
    ends: Counter[str] = Counter()
    with Fleet(topology) as fleet:
        report = broken(fleet)
        for name, address in servers.items():
            fleet.listen(name, address, 5432)
        for _round in range(rounds):
            for name in servers:
                fleet.run(name, ["nft", "flush", "ruleset"])
                fleet.nft(name, CLOSED)
            before = {name: state(fleet, name) for name in servers}
            orders = [(name, address, chance.choice(STEPS), chance.uniform(0, 1.5)) for name, address in servers.items()]
            with ThreadPoolExecutor(3) as pool:
                killed = list(pool.map(lambda order: kill(fleet, report, *order), orders))
            for (name, address, step, _delay), (run, at_time) in zip(orders, killed, strict=True):
                what = ended(fleet, name, run, at_time)
                was, now = before[name].splitlines(), state(fleet, name).splitlines()
                added, gone = [line for line in now if line not in was], [line for line in was if line not in now]
                told = (seed, name, step, what, added, gone)
                if what == "confirmed":
                    assert gone == [] and len(added) == 1 and f"ip daddr {address} tcp dport 5432" in added[0], told
                else:
                    assert (added, gone) == ([], []), told
                ends[what] += 1
    assert sum(ends.values()) == kills and ends["restored"] >= kills / 4, ends


def broken(fleet: Fleet) -> str:
    """The report of one server whose firewall is closed."""
    fleet.listen("db1", FIRST, 5432)
    fleet.nft("db1", CLOSED)
    extra = {"handshake_flows": [Flow(timeout=1.2).declared()], "diagnose_report_dir": "first", **QUICK}
    fleet.playbook("threeway.handshake.diagnose", "--extra-vars", json.dumps(extra), "--limit=web1,db1")
    report: dict[str, Any] = json.loads((fleet.directory / "first/report.json").read_text())
    assert report["flows"][0]["causes"][0]["code"] == "firewall_drop"
    return json.dumps({**report, **WORDS})


def kill(fleet: Fleet, report: str, server: str, address: str, step: str, delay: float) -> tuple[str, float]:
    """Let a controller mend a server, and kill it and all its processes so many seconds behind a step. The run, and when."""
    run = f"{server}-{time.time_ns() // 1000 % 10**10}"
    directory = fleet.directory / run
    directory.mkdir()
    text = json.dumps({**json.loads(report.replace(FIRST, address).replace("db1", server)), "run": run})
    (directory / "report.json").write_text(text)
    (directory / "play.yml").write_text(PLAY.format(server=server))
    flow = {**Flow(timeout=1.2).declared(), "servers": server, "address": address}
    extra = {"handshake_flows": [flow], "remediate_apply": True, "remediate_report_dir": str(directory), "remediate_settle": 0, **QUICK}
    argv = [sys.executable, "-m", "ansible", "playbook", f"--inventory={fleet.inventory}", str(directory / "play.yml")]
    argv += ["--extra-vars", json.dumps({**extra, "remediate_confirm_timeout": TIMEOUT})]
    null = subprocess.DEVNULL
    log = directory / "log"
    with log.open("w") as output:
        controller = subprocess.Popen(
            argv, env=fleet.environment(), cwd=fleet.directory, stdin=null, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            give_up = time.monotonic() + 90
            while not reached(directory / "remediate.jsonl", step) and controller.poll() is None:
                assert time.monotonic() < give_up, log.read_text()
                time.sleep(0.05)
            time.sleep(delay)
        finally:
            with suppress(ProcessLookupError):  # it had ended
                os.killpg(controller.pid, signal.SIGKILL)
            controller.wait()
    assert reached(directory / "remediate.jsonl", "arming"), log.read_text()
    return run, time.time()


def reached(journal: Path, step: str) -> bool:
    return journal.exists() and f'"step": "{step}"' in journal.read_text()


def ended(fleet: Fleet, name: str, run: str, killed: float) -> str:
    """How the transaction ended. One that was not armed within some seconds left nothing, or only plans."""
    journal = f"/var/lib/threeway-handshake/remediate-{run}-1/journal"
    while True:
        lines = fleet.run(name, ["cat", journal], check=False).stdout.splitlines()
        step = str(json.loads(lines[-1])["step"]) if lines else "planned"
        if step in ("confirmed", "restored") or (step == "planned" and time.time() > killed + MARGIN):
            return step
        assert time.time() < killed + TIMEOUT + MARGIN, (name, lines)
        time.sleep(0.2)


def state(fleet: Fleet, name: str) -> str:
    return fleet.run(name, ["sh", "-c", STATE]).stdout
