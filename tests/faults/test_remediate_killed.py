# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers killed in the middle of a remediation: each host ends as it was or as planned, and restores itself in time.

One lab, as many servers as kills. Each controller mends one of them, and is killed a random time behind a random step of its journal:
alone, so that its workers and what they do on the host go on, or with all that it has started.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.faults._mending import CLOSED, await_end, diagnosed, mend, state
from tests.lab.fleet import Fleet
from tests.lab.topologies import at, host, three_hosts, with_hosts

TIMEOUT = 12
MARGIN = 5.0  # seconds by which a loaded machine may be late
STEPS = ("arming", "armed", "step", "changed", "judged", "confirmed")


@pytest.mark.clock("the guard's timer, behind which a host is to be as before")
@pytest.mark.parametrize(("kills", "seed"), [(4, 21), pytest.param(200, None, marks=pytest.mark.slow)])
def test_whatever_the_controller_is_killed_at(kills: int, seed: int | None) -> None:
    rounds, seed = max(1, kills // 40), random.randrange(1 << 30) if seed is None else seed
    chance = random.Random(seed)
    servers = {f"s{number}": f"10.0.2.{100 + number}" for number in range(1, kills // rounds + 1)}
    routes = ["default via 10.0.2.1", "default via 2001:db8:2::1"]
    topology = with_hosts(three_hosts(), **{name: host([], routes, eth0=at("back", 2, 100 + n)) for n, name in enumerate(servers, 1)})
    ends: Counter[tuple[bool, str]] = Counter()
    with Fleet(topology) as fleet:
        fleet.nft("db1", CLOSED)
        for name, address in {"db1": "10.0.2.21", **servers}.items():
            fleet.listen(name, address, 5432)
        report = diagnosed(fleet)
        for _round in range(rounds):
            for name in servers:
                fleet.run(name, ["nft", "flush", "ruleset"])
                fleet.nft(name, CLOSED)
            before = {name: state(fleet, name).splitlines() for name in servers}
            orders = [(*server, chance.choice(STEPS), chance.uniform(0, 1.5), chance.random() < 0.5) for server in servers.items()]
            with ThreadPoolExecutor(3) as pool:
                killed = list(pool.map(lambda order: kill(fleet, report, *order), orders))
            for (name, address, step, _delay, alone), what in zip(orders, killed, strict=True):
                now = state(fleet, name).splitlines()
                added, gone = [line for line in now if line not in before[name]], [line for line in before[name] if line not in now]
                told = (seed, name, step, alone, what, added, gone)
                if what == "confirmed":
                    assert gone == [] and len(added) == 1 and f"ip daddr {address} tcp dport 5432" in added[0], told
                else:
                    assert what in ("restored", "planned") and (added, gone) == ([], []), told
                ends[alone, what] += 1
    print(f"seed {seed}: {dict(ends)}")
    assert sum(ends.values()) == kills and ends[True, "restored"] + ends[False, "restored"] >= kills / 4, ends


def kill(fleet: Fleet, report: dict[str, Any], server: str, address: str, step: str, delay: float, alone: bool) -> str:
    """Let a controller mend a server, and kill it so many seconds behind a step; how its transaction ended, and that in time."""
    with mend(fleet, report, f"{server}-{time.time_ns()}", server, address, remediate_confirm_timeout=TIMEOUT) as controller:
        controller.await_step(step)
        time.sleep(delay)
        controller.kill(alone)
        assert "arming" in controller.steps(), controller.said
    return await_end(fleet, controller, TIMEOUT + MARGIN)
