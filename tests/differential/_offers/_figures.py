# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome of the flows that were tried: how many fixes were offered, opened their flow, and opened nothing else."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from .. import _pool
from ._rulesets import Ruleset

_GOOD = ("opens", "further")


@dataclasses.dataclass
class Figures:
    """`wrong`: offered without reserve, and not right once it was typed; `missed`: refused, and right all the same."""

    rulesets: int = 0
    loaded: int = 0
    flows: int = 0
    advice: int = 0
    other: int = 0
    offered: int = 0
    reserved: int = 0
    opened: int = 0
    exactly: int = 0
    refused: Counter[str] = dataclasses.field(default_factory=Counter)
    missed: int = 0
    wrong: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def count(self, answer: Mapping[str, Any]) -> None:
        self.rulesets += 1
        if "failed" in answer:
            self.wrong.append(dict(answer))
        self.loaded += "flows" in answer
        for flow in answer.get("flows", ()):
            self.flows += 1
            self._count(answer["name"], flow)

    def _count(self, name: str, flow: Mapping[str, Any]) -> None:
        turns = flow["turns"]
        if not turns or not turns[-1]["steps"]:
            self.other += not turns  # by several rules, or by one of another cause than a rule that stops
            self.advice += bool(turns)
            return
        right = flow["opened"] and not flow["changed"] and not any(turn["typed"] for turn in turns)
        refused = next((turn["rehearsed"] for turn in turns if turn["rehearsed"]["result"] not in _GOOD), None)
        if refused is not None:
            self.refused[f"{refused['result']}: {_kind(refused['why'])}"] += 1
            self.missed += right
            return
        reserve = any(turn["rehearsed"]["result"] == "opens" and turn["rehearsed"]["why"] for turn in turns)
        self.offered += 1
        self.reserved += reserve
        self.opened += flow["opened"]
        self.exactly += right
        if not right and (not reserve or flow["changed"]):
            self.wrong.append({"name": name, **flow})

    def __str__(self) -> str:
        lines = [
            f"{self.rulesets} rulesets, {self.loaded} of which load here; {self.flows} flows that they stop,"
            f" {self.other} of them by more than one rule or by none that lets packets on, {self.advice} left to people",
            f"offered: {self.offered}, {self.reserved} of them with a reserve; opened: {self.opened}; opened exactly: {self.exactly};"
            f" wrong: {len(self.wrong)}",
            f"refused by the rehearsal: {sum(self.refused.values())}, {self.missed} of which would have opened exactly",
            *(f"  {number:5}  {reason}" for reason, number in self.refused.most_common(20)),
        ]
        return "\n".join(lines)


def measure(rulesets: Iterable[Ruleset], workers: int | None = None) -> Figures:
    figures = Figures()
    for answer in _pool.run([each.order() for each in rulesets], workers, module="tests.differential._offers._worker"):
        figures.count(answer)
    return figures


def told(wrong: Mapping[str, Any]) -> str:
    """For people."""
    if "failed" in wrong:
        return f"=== {wrong['name']}\n{wrong['failed']}"
    lines = [f"=== {wrong['name']}: {wrong['flow']}, opened: {wrong['opened']}, also changed: {wrong['changed']}"]
    for turn in wrong["turns"]:
        lines += [*(f"  $ {command}" for command in turn["commands"]), *(f"  ! {said}" for said in turn.get("typed", ()))]
        lines.append(f"  rehearsed: {turn['rehearsed']}")
    return "\n".join(lines)


def _kind(reason: str) -> str:
    """A reason without what differs from flow to flow."""
    reason = re.sub(r"a (SYN-ACK|SYN|ACK) from \S+ port \S+ to \S+ port \S+", r"a \1", reason)
    return re.sub(r"\b[\d.]+\b|\(table .*", "#", reason)[:130]
