# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disagreement made small: one packet, and only the rules without which it goes away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from . import _pool


def shrink(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer to the smallest case found that differs for the same first packet; the given one if nothing smaller does."""
    with _pool.Process() as worker:
        case = answer["case"]
        if "differing" in answer:
            first = answer["differing"][0]["packet"]
            case = {**case, "packets": [case["packets"][first]]}
        best = _differs(worker, case)
        if best is None:  # it takes the packets before it
            return answer
        size = max(sum(1 for _turn in _lines(case)) // 2, 1)
        while size:
            at, lines = 0, list(_lines(case))
            while at < len(lines):
                smaller = _without(case, set(lines[at : at + size]))
                found = _differs(worker, smaller)
                if found is not None:
                    case, best = smaller, found
                    lines = list(_lines(case))
                else:
                    at += size
            size //= 2
        return best


def _differs(worker: _pool.Process, case: dict[str, Any]) -> dict[str, Any] | None:
    answer = worker.ask({"case": case, "quick": True})
    return answer if answer.get("differing") or "failed" in answer else None


def _lines(case: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Rules and members of sets, by the load and the line in which they stand."""
    for at, load in enumerate(case["loads"]):
        for number, line in enumerate(load["text"].split("\n")):
            rule = line.startswith("    ") and " hook " not in line if load["tool"] == "nft" else line.startswith(("-A", "add", "create"))
            if rule or (load["tool"] == "nft" and line.startswith("  ") and line.split()[0] in ("set", "map", "counter")):
                yield at, number


def _without(case: dict[str, Any], lines: set[tuple[int, int]]) -> dict[str, Any]:
    loads = []
    for at, load in enumerate(case["loads"]):
        kept = [line for number, line in enumerate(load["text"].split("\n")) if (at, number) not in lines]
        loads.append({**load, "text": "\n".join(kept)})
    copy: dict[str, Any] = json.loads(json.dumps({**case, "loads": loads}))
    return copy
