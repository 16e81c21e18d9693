# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Works off cases in namespaces of its own: one JSON order a line on standard input, one JSON answer a line on standard output.

An order is {"seed": "1/7", "packets": 20}, or {"case": {...}} to run again what was kept, with "quick" in a scene that others have used,
with "blind" evaluated before the ruleset is loaded, to see that the difference is found. Started by _pool.py.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

from . import _compare, _evaluate, _generate
from ._case import Case, Outcome
from ._scene import LoadError, Scene

_ATTEMPTS = 20
UIDS = (0, 33, 1000)


class Worker:
    """`uids`: the users as whom packets can be sent, of which a user namespace with one user has only root."""

    def __init__(self, uids: tuple[int, ...]) -> None:
        self._uids = uids
        self._scenes: dict[bool, Scene] = {}

    def close(self) -> None:
        for scene in reversed(self._scenes.values()):
            scene.close()

    def work(self, order: Mapping[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        answer = self._again(order) if "case" in order else self._generated(order["seed"], order["packets"])
        return {**answer, "seconds": time.perf_counter() - began}

    def _again(self, order: Mapping[str, Any]) -> dict[str, Any]:
        case = Case.from_json(order["case"])
        try:
            if order.get("quick"):
                scene = self._scene(any(load.tool.endswith("-legacy") for load in case.loads))
                scene.load(case.loads)
                return self._try(case, scene)
            with Scene() as scene:  # not where others have left legacy tables
                verdicts = _evaluate.verdicts(case.packets) if order.get("blind") else None
                scene.load(case.loads)
                return self._try(case, scene, verdicts)
        except LoadError as error:
            return {"seed": case.seed, "refused": str(error)}

    def _generated(self, seed: str, packets: int) -> dict[str, Any]:
        """The first ruleset of that seed that the tools and the kernel take."""
        refused = ""
        for attempt in range(_ATTEMPTS):
            case = _generate.case(f"{seed}/{attempt}", packets, self._uids)
            scene = self._scene(any(load.tool.endswith("-legacy") for load in case.loads))
            try:
                scene.load(case.loads)
            except LoadError as error:
                refused = str(error)
                continue
            return {**self._try(case, scene), "attempts": attempt + 1}
        return {"seed": seed, "refused": refused}

    def _scene(self, legacy: bool) -> Scene:
        """Tables of legacy iptables stay for ever, with conntrack for those of NAT: rulesets without any have a scene without any."""
        if legacy not in self._scenes:
            self._scenes[legacy] = Scene()
        self._scenes[legacy].enter()
        return self._scenes[legacy]

    def _try(self, case: Case, scene: Scene, verdicts: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            verdicts = verdicts or _evaluate.verdicts(case.packets)
        except Exception:
            trouble = traceback.format_exc(limit=-6)
            return {"seed": case.seed, "case": case.to_json(), "failed": trouble, "lucky": case.lucky, "packets": len(case.packets)}
        evaluated = time.perf_counter() - began
        scene.expect(verdict["rewritten"]["destination"] for verdict in verdicts if verdict["rewritten"])
        differing, undecided, told = [], dict[str, int](), dict[str, int]()
        for number, (sent, verdict) in enumerate(zip(case.packets, verdicts, strict=True)):
            if case.stateful and number:
                scene.load(case.loads)
            outcome = scene.send(sent)
            told[verdict["verdict"]] = told.get(verdict["verdict"], 0) + 1
            if verdict["verdict"] == "undecided":
                undecided[verdict["undecided_because"]] = undecided.get(verdict["undecided_because"], 0) + 1
            differences = _compare.differences(sent, verdict, outcome, scene.counted)
            if differences:
                differing.append({"packet": number, "differences": differences, "verdict": verdict, "outcome": _plain(outcome)})
        return {
            "seed": case.seed,
            "case": case.to_json() if differing else None,
            "lucky": case.lucky,
            "packets": len(case.packets),
            "differing": differing,
            "undecided": undecided,
            "verdicts": told,
            "evaluating": evaluated,
        }


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {**dataclasses.asdict(outcome), "moved": [[*key, count] for key, count in sorted(outcome.moved.items())]}


def main() -> None:
    if len(sys.argv) > 1:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    with open("/proc/self/uid_map", encoding="ascii") as file:
        mapped = sum(int(line.split()[2]) for line in file)
    worker = Worker(UIDS if mapped > max(UIDS) else (0,))
    try:
        for line in sys.stdin:
            print(json.dumps(worker.work(json.loads(line))), flush=True)
    finally:
        worker.close()


if __name__ == "__main__":
    main()
