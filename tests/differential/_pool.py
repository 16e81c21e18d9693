# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several workers at once, each in namespaces of its own, and what they found."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # of Python 3.11
    from typing import Self

CHECKOUT = Path(__file__).absolute().parents[2]
_SCRIPT = 'mount -t tmpfs none /run && exec "$0" "$@"'


class WorkerError(Exception):
    """A worker ended before its time."""


class Process:
    """One worker on one CPU, by default the first that is ours; a context manager. `module`: what it runs."""

    def __init__(self, cpu: int | None = None, module: str = "tests.differential._worker") -> None:
        """Root needs no user namespace, and has all users to send packets as; anybody else is root of one, and its only user."""
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        unshare = ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        chosen = min(os.sched_getaffinity(0)) if cpu is None else cpu
        worker = ["sh", "-c", _SCRIPT, sys.executable, "-B", "-m", module, str(chosen)]
        path = f"{CHECKOUT}:{CHECKOUT / 'build' / 'collections'}"
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": path, "LC_ALL": "C.UTF-8"}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([*unshare, *worker], cwd=CHECKOUT, env=environment, stdin=pipe, stdout=pipe, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of _worker.py to one order; WorkerError when it ends instead."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = ""
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"the worker ended at {json.dumps(order)[:200]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def run(orders: Sequence[Mapping[str, Any]], workers: int | None = None, **process: str) -> Iterator[dict[str, Any]]:
    """The answers of _worker.py to all orders, in the order in which they come. `workers` None: one for each CPU that is ours.

    `process`: further options of `Process`.
    """
    cpus = sorted(os.sched_getaffinity(0))
    todo: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
    for order in orders:
        todo.put(order)
    done: queue.SimpleQueue[dict[str, Any] | Exception] = queue.SimpleQueue()
    stop = threading.Event()

    def feed(cpu: int) -> None:
        try:
            with Process(cpu, **process) as worker:
                while not stop.is_set():
                    done.put(worker.ask(todo.get_nowait()))
        except queue.Empty:
            pass
        except Exception as error:
            done.put(error)

    count = min(workers or len(cpus), len(orders))
    threads = [threading.Thread(target=feed, args=(cpus[number % len(cpus)],)) for number in range(count)]
    try:
        for thread in threads:
            thread.start()
        for _order in orders:
            answer = done.get()
            if isinstance(answer, Exception):
                raise answer
            yield answer
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@dataclasses.dataclass
class Figures:
    """The outcome of a run. Rulesets that depend on luck on purpose are counted apart from those that should be decided."""

    rulesets: int = 0
    refused: int = 0
    packets: Counter[bool] = dataclasses.field(default_factory=Counter)  # by whether the ruleset is lucky
    undecided: Counter[bool] = dataclasses.field(default_factory=Counter)
    reasons: Counter[str] = dataclasses.field(default_factory=Counter)  # of what is undecided without luck
    verdicts: Counter[str] = dataclasses.field(default_factory=Counter)
    differing: list[dict[str, Any]] = dataclasses.field(default_factory=list)  # answers with differences or failures
    evaluating: float = 0.0
    seconds: float = 0.0

    @property
    def undecided_share(self) -> float:
        return self.undecided[False] / max(self.packets[False], 1)

    def count(self, answer: dict[str, Any]) -> None:
        self.refused += answer.get("attempts", 1) - 1
        if "refused" in answer:
            self.refused += 1
            return
        self.rulesets += 1
        lucky = answer["lucky"]
        self.packets[lucky] += answer["packets"]
        if "failed" in answer:
            self.differing.append(answer)
            return
        self.evaluating += answer["evaluating"]
        self.verdicts.update(answer["verdicts"])
        self.undecided[lucky] += sum(answer["undecided"].values())
        if not lucky:
            for reason, number in answer["undecided"].items():
                self.reasons[_kind(reason)] += number
        if answer["differing"]:
            self.differing.append(answer)

    def __str__(self) -> str:
        total = sum(self.packets.values())
        wrong = sum(len(answer.get("differing", [1])) for answer in self.differing)
        lines = [
            f"{self.rulesets} rulesets ({self.refused} more were refused by the tools), {total} packets in {self.seconds:.1f} s:"
            f" {self.rulesets / max(self.seconds, 1e-9):.1f} rulesets/s,"
            f" {1e3 * self.evaluating / max(self.rulesets, 1):.1f} ms of them for evaluating each",
            f"verdicts: {', '.join(f'{verdict} {number}' for verdict, number in self.verdicts.most_common())}",
            f"disagreements: {wrong} packets of {len(self.differing)} rulesets",
            f"undecided: {self.undecided[False]} of {self.packets[False]} packets ({self.undecided_share:.2%});"
            f" in rulesets that depend on luck {self.undecided[True]} of {self.packets[True]}",
            *(f"  {number:6}  {reason}" for reason, number in self.reasons.most_common(25)),
        ]
        return "\n".join(lines)


def measure(orders: Sequence[Mapping[str, Any]], workers: int | None = None, on: Callable[[Figures], None] | None = None) -> Figures:
    """Run all orders; `on` is called after each."""
    figures, began = Figures(), time.monotonic()
    for answer in run(orders, workers):
        figures.count(answer)
        figures.seconds = time.monotonic() - began
        if on:
            on(figures)
    return figures


def _kind(reason: str) -> str:
    """A reason without its numbers and names, so that like reasons count together."""
    return re.sub(r"\b(0x[0-9a-f]+|\d[\d.:/a-f-]*|[a-z]\d+|[0-9a-f:]+::[0-9a-f:/]*)\b", "#", reason)[:160]
