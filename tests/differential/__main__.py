# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the evaluator of firewalls with the kernel: python -m tests.differential --rulesets 500 --packets 20 --seed 1"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from . import _pool, _shrink


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description="Compare the evaluator of firewalls with the kernel.")
    parser.add_argument("--rulesets", type=int, default=100)
    parser.add_argument("--packets", type=int, default=20, help="packets for each ruleset")
    parser.add_argument("--seed", default=str(int(time.time())), help="what the rulesets are made from, told in the output")
    parser.add_argument("--workers", type=int, default=None, help="processes at once, by default one for each CPU")
    parser.add_argument("--only", help="run the ruleset of one seed again, such as 1/17")
    parser.add_argument("--replay", type=Path, nargs="+", help="run cases again that --keep, or regressions/, has kept")
    parser.add_argument("--keep", type=Path, help="write each disagreement's case there, as JSON")
    parser.add_argument("--show", type=int, default=5, help="disagreements that are shown in full")
    parser.add_argument("--shrink", action="store_true", help="make the cases that are shown or kept as small as they can be")
    arguments = parser.parse_args()
    if arguments.replay:
        orders: list[dict[str, Any]] = [{"case": json.loads(path.read_text(encoding="utf-8"))} for path in arguments.replay]
    elif arguments.only:
        orders = [{"seed": arguments.only, "packets": arguments.packets}]
    else:
        orders = [{"seed": f"{arguments.seed}/{number}", "packets": arguments.packets} for number in range(arguments.rulesets)]
    figures = _pool.measure(orders, arguments.workers)
    if arguments.shrink:
        figures.differing[: arguments.show] = [_shrink.shrink(answer) for answer in figures.differing[: arguments.show]]
    for answer in figures.differing[: arguments.show]:
        print(describe(answer), end="\n\n")
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        for answer in figures.differing:
            keep(answer, arguments.keep)
    print(f"seed {arguments.seed}: {figures}")
    return 1 if figures.differing else 0


def describe(answer: dict[str, Any]) -> str:
    """A disagreement for people: the ruleset, the packet, what was expected and what came, and how to see it again."""
    case = answer["case"]
    lines = [f"=== {answer['seed']}", *(f"--- {load['tool']}\n{load['text']}" for load in case["loads"])]
    if "failed" in answer:
        return "\n".join([*lines, "the evaluator failed:", answer["failed"]])
    for each in answer["differing"][:3]:
        verdict = {name: each["verdict"][name] for name in ("verdict", "reject_with", "rewritten")}
        path = [(_place(step["rule"] or step["chain"]), step["matched"], step["effect"]) for step in each["verdict"]["path"]]
        lines += [
            f"--- packet {each['packet']}: {json.dumps(case['packets'][each['packet']])}",
            *(f"  * {difference}" for difference in each["differences"]),
            f"  evaluator: {json.dumps(verdict)}",
            *(f"    {place}: {matched} {effect or ''}" for place, matched, effect in path if matched is not False),
            f"  kernel: {json.dumps({name: value for name, value in each['outcome'].items() if name != 'moved'})}",
            *(f"    moved: {moved}" for moved in each["outcome"]["moved"]),
        ]
    seed = answer["seed"].rsplit("/", 1)[0]
    return "\n".join([*lines, f"again: python -m tests.differential --only {seed} --packets {answer['packets']}"])


def _place(about: dict[str, Any]) -> str:
    return " ".join(str(about.get(name)) for name in ("family", "table", "chain", "number") if about.get(name) is not None)


def keep(answer: dict[str, Any], directory: Path) -> None:
    """The case with only the packets that differed, for regressions/."""
    case = dict(answer["case"])
    if "differing" in answer:
        case["packets"] = [case["packets"][each["packet"]] for each in answer["differing"]]
    (directory / f"{answer['seed'].replace('/', '-')}.json").write_text(json.dumps(case, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
