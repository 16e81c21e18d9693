# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is waited for ends in time, with what it started."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import suppress

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.time_limit import TimeIsUp, time_limit


def test_what_was_started_ends_with_the_time() -> None:
    began = time.monotonic()
    with pytest.raises(TimeIsUp), time_limit(0.3):
        process = subprocess.Popen(["sh", "-c", "sleep 61.5; true"])
        with suppress(Exception):  # as connection plugins do
            process.wait()
    assert time.monotonic() - began < 10
    assert process.wait() == -signal.SIGTERM
    assert subprocess.run(["pgrep", "-f", "^sleep 61.5"], check=False, stdout=subprocess.DEVNULL).returncode == 1


def test_who_is_in_time_is_left_alone() -> None:
    for seconds in (0.0, 5.0):
        with time_limit(seconds):
            assert subprocess.run(["true"], check=True).returncode == 0
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0


def test_an_earlier_limit_stays_in_force() -> None:
    def ring(_number: int, _frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(TimeoutError), time_limit(5.0):
            time.sleep(10)
        time.sleep(0.1)  # it came once: who notes that is not interrupted by it again
        signal.setitimer(signal.ITIMER_REAL, 0.6)
        with pytest.raises(TimeIsUp), time_limit(0.2):
            time.sleep(10)
        with pytest.raises(TimeoutError):
            time.sleep(10)
    finally:
        signal.signal(signal.SIGALRM, before)
