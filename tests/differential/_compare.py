# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where what the evaluator says of a packet differs from what the kernel did to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ._case import Key, Outcome, Sent

_OUTCOMES = {"accept": ("accept",), "drop": ("lost",), "stolen": ("lost",), "queue": ("lost",), "reject": ("reject", "lost")}


def differences(sent: Sent, verdict: Mapping[str, Any], outcome: Outcome, counted: Collection[Key]) -> list[str]:
    """Sentences, none where both agree. A packet that is undecided agrees with everything. `counted`: the rules that have counters."""
    if verdict["verdict"] == "undecided":
        return []
    found = []
    if outcome.verdict not in _OUTCOMES[verdict["verdict"]]:
        found.append(f"the evaluator says {verdict['verdict']}, the kernel {outcome.verdict}")
    elif outcome.verdict == "reject" and outcome.reject_with != verdict["reject_with"]:
        found.append(f"the evaluator says reject with {verdict['reject_with']}, the kernel {outcome.reject_with}")
    elif outcome.verdict == "accept":
        unsure = any(step["matched"] is None for step in verdict["path"])
        found += _rewritten(sent, verdict["rewritten"] or {}, outcome, mark=not unsure)
    return found + list(_path(verdict, outcome, counted))


def _rewritten(sent: Sent, rewritten: Mapping[str, Any], outcome: Outcome, mark: bool) -> Iterator[str]:
    """`mark` False: it depends on an unknown that does not matter otherwise."""
    for field in ("source", "source_port", "destination", "port", *(["mark"] if mark else [])):
        expected, got = rewritten.get(field, getattr(sent, field)), getattr(outcome, field)
        if None not in (expected, got) and expected != got:
            yield f"its {field} is {got}, the evaluator says {expected}"


def _path(verdict: Mapping[str, Any], outcome: Outcome, counted: Collection[Key]) -> Iterator[str]:
    """Counters of the rules on the way moved, and no others; where an answer was sent, its way moved some, too.

    Behind something unknown that does not matter for the verdict the path is one of several, and is not compared.
    """
    sure = Counter[Key]()
    others = outcome.replied or outcome.looped or verdict["verdict"] == "reject"
    for step in verdict["path"]:
        if step["matched"] is None:
            others = True
            break
        key = _key(step["rule"])
        if key is not None and key in counted and step["matched"]:
            sure[key] += 1
    for key in sorted(sure.keys() | outcome.moved.keys()):
        moved, wanted = outcome.moved.get(key, 0), sure[key]
        if moved < wanted or (moved > wanted and not others):
            yield f"the counter of {' '.join(map(str, key))} moved by {moved}, the evaluator has it match {wanted} times"


def _key(rule: Mapping[str, Any] | None) -> Key | None:
    if rule is None or rule["number"] is None:
        return None
    return ("legacy" if rule["handle"] is None else "nft", rule["family"], rule["table"], rule["chain"], rule["number"])
