# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of a lab, seen from outside, named so that a later one with the same id is not taken for them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from topology import LabError

PATIENCE = 5.0  # seconds for killed processes to go


def pids_outside(holder: int, inside: Collection[int]) -> dict[int, int]:
    """The holder's children: process id in the lab -> process id here. LabError if one of `inside` is gone.

    The kernel's list is complete only while no child ends (proc_pid_children(5)), and helpers of the lab do.
    """
    give_up = time.monotonic() + PATIENCE
    found: dict[int, int] = {}
    while missing := set(inside) - set(found):
        if time.monotonic() > give_up:
            raise LabError(f"Of the lab's hosts, the processes {sorted(missing)} are gone.")
        for child in Path(f"/proc/{holder}/task/{holder}/children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                status = dict(line.split(":", 1) for line in Path(f"/proc/{child}/status").read_text().splitlines() if ":" in line)
                if not status["State"].strip().startswith("Z"):
                    # NSpid: here, (namespaces between), in the lab, in the host
                    found[int(status["NSpid"].split()[-2])] = int(child)
    return found


def process(pid: int) -> dict[str, int]:
    """A process named so that a later one with the same id is not taken for it; raises LabError when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise LabError(f"Process {pid} is gone.") from error
    return {"pid": pid, "started": int(stat.rpartition(")")[2].split()[19])}


def is_alive(named: dict[str, int]) -> bool:
    """Whether that very process runs."""
    try:
        return process(named["pid"]) == named and not _is_zombie(named["pid"])
    except LabError:
        return False


def _is_zombie(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    return True


def stop(holder: dict[str, int]) -> bool:
    """Kill a lab and wait until it is gone; returns False when it was gone already."""
    if not is_alive(holder):
        return False
    os.kill(holder["pid"], signal.SIGKILL)
    give_up = time.monotonic() + PATIENCE
    while is_alive(holder):
        if time.monotonic() > give_up:
            raise LabError(f"Process {holder['pid']}, which holds the lab, was killed {PATIENCE:.0f} s ago and is still there.")
        time.sleep(0.01)
    return True
