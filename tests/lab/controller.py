# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller in the background: it mends, is watched by its journal, and may end before it has finished."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._handle import PATIENCE
from ._machines import Machines

if TYPE_CHECKING:  # of Python 3.11
    from typing import Self


class Controller:
    """`ansible-playbook`, in a session of its own and with a report directory of its own. Use as a context manager: it ends at the end."""

    def __init__(self, fleet: Machines, report_dir: Path, *arguments: str) -> None:
        self.report_dir = report_dir
        report_dir.mkdir(exist_ok=True)
        self._log = report_dir / "log"
        with self._log.open("w") as log:
            self._run = fleet.start_playbook(log, *arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def report(self) -> Any:
        return json.loads((self.report_dir / "report.json").read_text())

    def notes(self) -> list[dict[str, Any]]:
        """The lines of the journal that concern a host."""
        with suppress(FileNotFoundError):
            lines = (self.report_dir / "remediate.jsonl").read_text().splitlines()
            return [note for note in map(json.loads, lines) if "host" in note]
        return []

    def steps(self) -> list[str]:
        """What they say was done."""
        return [note["step"] for note in self.notes()]

    def await_step(self, step: str, patience: float = 120.0) -> bool:
        """Wait for a step in the journal; whether it came before the controller ended."""
        give_up = time.monotonic() + patience
        while step not in self.steps():
            if self._run.poll() is not None:
                return step in self.steps()
            assert time.monotonic() < give_up, self.said
            time.sleep(0.05)
        return True

    def await_file(self, name: str, patience: float = 120.0) -> None:
        """Wait for a file in the report directory."""
        give_up = time.monotonic() + patience
        while not (self.report_dir / name).exists():
            assert self._run.poll() is None and time.monotonic() < give_up, self.said
            time.sleep(0.02)

    def wait(self, patience: float = 300.0) -> int:
        """The exit code, when it has finished."""
        return self._run.wait(patience)

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        os.killpg(self._run.pid, signal.SIGINT)

    def kill(self, alone: bool = False) -> None:
        """SIGKILL, to the controller alone or to its workers and all that they have started too: those have sessions of their own."""
        processes = [self._run.pid] if alone else [*_family(self._run.pid)]
        for pid in processes:
            with suppress(ProcessLookupError):  # it had ended
                os.kill(pid, signal.SIGKILL)
        self._run.wait(PATIENCE)


def _family(pid: int) -> Iterator[int]:
    """A process that can start no more, and its descendants, each stopped before they are counted."""
    with suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, signal.SIGSTOP)
        yield pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _family(int(child))
