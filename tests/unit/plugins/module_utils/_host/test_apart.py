# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a namespace of its own ends in time, with all that it has started, and holds on to nothing of the host's."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._host import apart
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

COLLECTIONS = Path(__file__).parents[5] / "build" / "collections"
SCRIPT = """
import os, subprocess, time
from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._host import apart

def work():
    apart.emptied("/run/netns")
    subprocess.run(["sh", "-c", "echo $$ > /run/pid.new; mv /run/pid.new /run/pid; exec sleep 60"])
    return {}

try:
    apart.in_namespace("wait", work, SECONDS)
except ObserveError as error:
    print(error)
"""


def script(seconds: float) -> str:
    argv = ["env", f"PYTHONPATH={COLLECTIONS}", sys.executable, "-c", SCRIPT.replace("SECONDS", str(seconds))]
    return " ".join(map(shlex.quote, argv))


def ends(network: Rootless) -> bool:
    """Nobody reaps orphans there."""
    for _try in range(100):
        if network.sh("cut -d ' ' -f 3 /proc/$(cat /run/pid)/stat || echo gone").strip() in ("Z", "gone"):
            return True
        time.sleep(0.05)
    return False


def test_programs_end_with_the_time() -> None:
    with Rootless() as network:
        assert network.sh(script(0.7)) == "it takes longer than 0.7 s to wait\n"
        assert ends(network)


def test_programs_end_with_the_parent_and_mounts_go_when_the_hosts_do() -> None:
    with Rootless() as network:
        network.sh("mkdir /run/disk; mount -t tmpfs none /run/disk; mount --make-rshared /")
        network.sh(f"{script(60)} > /dev/null 2>&1 & echo $! > /run/parent; until [ -e /run/pid ]; do sleep 0.05; done")
        assert " /run/disk " in network.sh("cat /proc/$(cat /run/pid)/mountinfo")
        network.sh("umount /run/disk")
        assert " /run/disk " not in network.sh("cat /proc/$(cat /run/pid)/mountinfo")
        network.sh("kill -KILL $(cat /run/parent)")
        assert ends(network)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_seconds_that_are_none(seconds: float) -> None:
    with pytest.raises(ObserveError, match="give a number from 0 to 86400"):
        apart.in_namespace("wait", dict, seconds)


def test_time_that_is_spent_counts() -> None:
    with pytest.raises(ObserveError, match="it takes longer than 2 s to wait"):
        apart.in_namespace("wait", dict, 2.0, 2.5)
