# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Whether the rate of SYNs decides which of them pass: many at once and few in turn, time and again. Repeated SYNs do not count."""

from __future__ import annotations

import time
import typing as t
from dataclasses import replace

from .probe import Watch, try_all
from .resolve import Resolved

PACES = ((12, 0.0), (6, 0.4))  # attempts, and the seconds between two of them
ROUNDS = 2
PAUSE = 1.0  # seconds between them, in which who counts may forget
WAIT = 0.9  # seconds for an answer: the kernel repeats a SYN after one


def sweep(resolved: t.Iterable[Resolved], watch: Watch | None = None, rounds: int = ROUNDS) -> list[dict[str, t.Any]]:
    """Of each destination how many SYNs were answered at each pace, in the order in which they were tried; V of docs/evidence.md."""
    found = []
    for each in resolved:
        for attempts, interval in PACES * rounds:
            time.sleep(PAUSE)
            dial = replace(each.dial, attempts=attempts, interval=interval, timeout=WAIT, greeting=0.0, further=0)
            probes = try_all([replace(each, dial=dial)], patience=0.0, settle=0.0, watch=watch)
            answered = sum(probe["outcome"] == "connected" or probe["errno"] == "ECONNREFUSED" for probe in probes)
            end = {"address": dial.address, "port": dial.port}
            found.append({**end, "interval": interval, "attempts": len(probes), "answered": answered})
    return found
