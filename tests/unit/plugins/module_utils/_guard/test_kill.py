# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL at a random step of a transaction, and the loss of power: at the end the host is as it was before, or as planned."""

from __future__ import annotations

import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._guard.scene import BASE, CHANGE, SAVES, Scene

pytestmark = pytest.mark.skipif(sys.version_info < (3, 8), reason="Python 3.7 has no audit hooks to be killed at")
TIMEOUT = 6.0
AT_ONCE = 4


def things_done() -> dict[str, int]:
    """How many things each step does when nobody kills it."""
    with Scene() as host:
        done = {"arm": host.arm()["things"]}
        host.sh(CHANGE)
        done["confirm"] = host.step("confirm", "t1")["things"]
        return {**done, "restorer": 3 * done["confirm"]}


def trial(seed: int, things: dict[str, int], where: tuple[str, int] | None = None) -> str:
    """One transaction, killed somewhere or there; returns what was killed, for the log."""
    chance = random.Random(seed)
    victim = chance.choice(["arm", "change", "confirm", "restorer"])
    power_fails = chance.random() < 0.3
    kill_at = chance.randint(1, things.get(victim, 1))
    if where:
        victim, kill_at = where
    what = f"seed {seed}: {victim} at {kill_at}{', then power' if power_fails else ''}"
    with Scene() as host:
        before = planned = host.dump()
        outcome = host.arm(timeout=TIMEOUT, kill_at=kill_at if victim == "arm" else 0)
        armed_until = time.monotonic() + TIMEOUT
        if victim == "arm":
            assert "killed" in outcome or kill_at >= outcome["things"], what
        else:
            with host.before_the_deadline():
                if victim == "change":
                    host.sh(f"timeout -s KILL {chance.uniform(0.001, 0.06):.3f} sh -c '{CHANGE}' || true")
                else:
                    host.sh(CHANGE)
                    planned = host.dump()
                if victim == "confirm":
                    host.step("confirm", "t1", kill_at=kill_at)
                elif victim == "restorer":
                    host.step("restorer", "t1", "now", kill_at=kill_at)
        if power_fails:
            watchers = host.watchers()
            if watchers:
                host.sh(f"kill -KILL {' '.join(watchers)} || true")
            if f"{BASE}/t1/restore.pyz" in host.left():
                host.step("restorer", "t1", "boot")
        else:
            time.sleep(max(0.0, armed_until - time.monotonic()))
            host.await_silence()
        steps, after = host.steps(), host.dump()
        last = steps[-1] if steps else "forgotten"
        if last == "planned":  # killed before anything would have watched
            last = "forgotten"
        assert last in {"arm": ("forgotten", "restored")}.get(victim, ("confirmed", "restored")), f"{what}: {steps}"
        assert after == (planned if last == "confirmed" else before), f"{what}: {steps}"
        assert steps.count("restored") + steps.count("confirmed") <= 1, f"{what}: {steps}"
        assert victim in ("confirm", "restorer") or after == before, what
        again = host.arm("t2", saves=SAVES)
        assert again.get("state") == "armed", f"{what}: {again}"
        assert host.step("confirm", "t2")["state"] == "confirmed", what
        assert host.left() == [], what
    return what


QUICK = (0, 1, 2, 5)  # each of the four victims


def run(*seeds: int) -> None:
    things = things_done()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for what in pool.map(lambda seed: trial(seed, things), seeds):
            print(what)


def test_a_host_is_as_before_or_as_planned_wherever_a_transaction_is_killed() -> None:
    run(*QUICK)


@pytest.mark.slow
def test_many_more() -> None:
    run(*(seed for seed in range(300) if seed not in QUICK))


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["arm", "confirm", "restorer"])
def test_every_place_where_it_can_be_killed(victim: str) -> None:
    things = things_done()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for what in pool.map(lambda at: trial(at, things, (victim, at)), range(1, things[victim] + 1)):
            print(what)
