# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rules as references that people can follow: their texts, who made them, and how to change that."""

from __future__ import annotations

import typing as t

from .._commands import Run
from .evaluation import Reference, Rule
from .in_sets import InSet
from .managers import Managers

Answer = t.Dict[str, t.Any]


class Describer:
    """Rules in words: who made them, and how to change that. None of it decides anything.

    `run` None: a saved ruleset, which no tool and no file of this host is about.
    """

    def __init__(self, run: Run | None) -> None:
        self._saved, self._managers = run is None, Managers(run)
        self._described: dict[int, Reference] = {}

    def rule(self, rule: Rule) -> Reference:
        if id(rule) not in self._described:
            reference = rule.reference()
            if self._saved:
                reference["handle"] = None  # it will have another one where the ruleset is loaded
            else:
                reference["legacy"] = reference["handle"] is None
            looks_at = rule.interfaces()
            self._described[id(rule)] = {**reference, **({"interfaces": looks_at} if looks_at else {}), **self._managers.owner(reference)}
        return self._described[id(rule)]

    def policy(self, chain: Reference, verdict: str) -> Reference:
        """A chain's policy, in the form of a rule."""
        place = {name: chain[name] for name in ("family", "table", "chain")}
        reference = {**place, "handle": None, "number": None, "text": f"policy {verdict}", "packets": chain.get("packets")}
        if not self._saved:
            reference["legacy"] = bool(chain.get("legacy"))
        return {**reference, **self._managers.owner(reference)}

    def change(self, reference: Reference, question: Answer) -> Answer | None:
        return self._managers.change(reference, question)

    def in_set(self, found: InSet, source: bytes) -> Answer:
        """What a set has for a packet, or lacks, where that comes from, and how to change it."""
        looked, rule = found.looked.reference(), self.rule(found.step.rule) if found.step.rule else None
        elements = [each.reference()["element"] for each in found.elements]
        alone = bool(elements) and all(each.alone() and each.holds(source) for each in found.elements)
        found_in = {**looked, "elements": elements, "alone": alone, "rule": rule}
        return {**found_in, **self._managers.kept_in(found_in)}
