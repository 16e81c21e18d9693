# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes on the hosts of a fleet."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # of Python 3.11
    from typing import Self

PATIENCE = 10.0  # seconds for a helper to start, to answer, or to end


class FleetError(Exception):
    """A fleet, or something on one of its hosts, did not come about; the message says why."""


class Handle:
    """A process on a host of a fleet. It is killed at the latest when the fleet ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.answer: Any = None
        self._afterwards: list[Callable[[], object]] = []

    def on_close(self, action: Callable[[], object]) -> None:
        """Have something done once the program has ended."""
        self._afterwards.append(action)

    def await_answer(self, patience: float = PATIENCE) -> Any:
        """The one line of JSON that a helper prints when it is ready; FleetError when it dies instead."""
        stdout = self.process.stdout
        if stdout is None or not select.select([stdout], [], [], patience)[0]:
            raise FleetError(f"{self.process.args!r} said nothing for {patience:.0f} s.")
        line = stdout.readline()
        if not line:
            _output, errors = self.process.communicate(timeout=PATIENCE)
            raise FleetError(f"{self.process.args!r} ended with {self.process.returncode}: {errors.strip()}")
        self.answer = json.loads(line)
        return self.answer

    @property
    def pid(self) -> int:
        """The process id of the program on the host, as seen from here (nsenter's child)."""
        outer = self.process.pid
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            if children := Path(f"/proc/{outer}/task/{outer}/children").read_text().split():
                return int(children[0])
            time.sleep(0.005)
        raise FleetError(f"{self.process.args!r} did not start within {PATIENCE:.0f} s.")

    def stop(self) -> None:
        """Freeze the program (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End the program by force, frozen or not; a second call does nothing."""
        if self.process.poll() is None:
            self.process.kill()  # nsenter; the program dies with it (PR_SET_PDEATHSIG)
        self.process.wait(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        while self._afterwards:
            self._afterwards.pop()()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
