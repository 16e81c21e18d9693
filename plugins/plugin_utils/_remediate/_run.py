# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A remediation from turn to turn: what is to be mended, what has been tried, and what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate import _batch
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate._changes import change
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate._mending import Mending, by_host, mendings, merged_saves
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate._policy import FOR_GOOD, MOST_TURNS, Policy, escalation

Json = Mapping[str, Any]
NotHeld = Mapping[tuple[str, str, str], int]


@dataclass
class Remediation:
    """What is kept between two turns."""

    run: str
    policy: Policy
    managed: tuple[str, ...]
    """The hosts that this run reaches."""
    apply: bool
    not_held: list[tuple[str, str, str, int]] = field(default_factory=list)
    """Id of a flow, code and host of its cause, and how often a fix for it did not hold."""
    turn: int = 0
    report: str = "before"
    """The name of the report of how things are now."""
    batch: dict[str, list[Mending]] = field(default_factory=dict)
    """Host -> what is made on it in this turn."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    """The hosts that were changed, whether that was kept or not."""
    stopped: str | None = None

    def to_json(self) -> dict[str, Any]:
        batch = {host: [each.to_json() for each in several] for host, several in self.batch.items()}
        return {**vars(self), "policy": asdict(self.policy), "batch": batch}

    @classmethod
    def from_json(cls, raw: Json) -> Remediation:
        batch = {host: [Mending.from_json(each) for each in several] for host, several in raw["batch"].items()}
        policy = Policy(**{**raw["policy"], "allow": tuple(raw["policy"]["allow"])})
        not_held = [tuple(each) for each in raw["not_held"]]
        return cls(**{**raw, "policy": policy, "managed": tuple(raw["managed"]), "not_held": not_held, "batch": batch})

    def wanted(self, report: Json) -> tuple[list[Mending], list[tuple[Mending, str, str]]]:
        """The fixes that may be made, those on the canary first, and the others with their outcome and why."""
        not_held = {(flow, code, host): times for flow, code, host, times in self.not_held}
        allowed, left = [], []
        for mending in mendings(report):
            if mending.key in self.tried:
                continue
            if why := self.policy.refusal(mending, self.managed):
                left.append((mending, "refused", why))
            elif why := escalation(mending, not_held):
                left.append((mending, "escalated", why))
            elif self._turns_of(mending.where) >= MOST_TURNS:
                why = f"this run has changed {mending.where} {MOST_TURNS} times, and something new shows each time"
                left.append((mending, "refused", why))
            else:
                allowed.append(mending)
        ordered = _batch.hosts_in_order(allowed, report)
        reachable = _batch.within_reach(ordered, self.touched, self.policy)
        beyond = f"remediate_max_hosts is {self.policy.max_hosts}: run it again when these changes have proved themselves"
        left += [(mending, "refused", beyond) for mending in allowed if mending.where not in reachable]
        chosen = by_host(allowed)
        return [mending for host in reachable for mending in chosen[host]], left

    def _turns_of(self, host: str) -> int:
        return len({change["transaction"] for change in self.changes if change["where"] == host and change["outcome"] != "refused"})

    def begin_turn(self, report: Json) -> None:
        """Choose the next batch; it is empty when there is nothing left, or nothing may be made any more."""
        self.turn += 1
        self.batch = {}
        if self.apply and self.stopped is None:
            allowed, _left = self.wanted(report)
            chosen = by_host(allowed)
            self.batch = {host: chosen[host] for host in _batch.next_batch(list(chosen), self.touched, self.policy)}

    def end_turn(self, settled: Mapping[str, Json], helped: Mapping[str, Sequence[str]], before: Json, after: Json) -> None:
        """Take down what became of the batch. A change that did not stay ends the run, unless some of its host's fixes helped.

        A host that refused was not changed: it neither counts nor ends anything, and what comes next has still to be tried on one host.
        """
        for host, several in self.batch.items():
            outcome, why = settled[host]["outcome"], settled[host]["why"]
            again = outcome == "rolled_back" and 0 < len(helped.get(host, ())) < len(several)
            for mending in several:
                if again and mending.key in helped[host]:
                    continue
                self.tried.append(mending.key)
                lost = "; what it ended is not brought back" if outcome == "rolled_back" and mending.kind in FOR_GOOD else ""
                self.changes.append(change(mending, outcome, f"{why}{lost}", before, after, transaction(self.run, self.turn)))
            if outcome in ("rolled_back", "failed") and not again:
                self.stopped = self.stopped or f"a change on {host} did not stay, and the run ended with it"
        made = [host for host in self.batch if settled[host]["outcome"] != "refused"]
        self.touched = list(dict.fromkeys([*self.touched, *made]))

    def finished(self, report: Json) -> list[dict[str, Any]]:
        """All entries of ``changes``: what was done, and what was not."""
        allowed, left = self.wanted(report)
        why = self.stopped or "remediate_apply=true makes it"
        entries = [change(mending, "planned", why, report) for mending in allowed]
        return [*self.changes, *entries, *(change(mending, outcome, reason, report) for mending, outcome, reason in left)]


def transaction(run: str, turn: int) -> str:
    """What the guard calls the changes of one host in one turn."""
    return f"remediate-{run}-{turn}"


def orders(remediation: Remediation, hosts: Mapping[str, Iterable[Mending]]) -> dict[str, dict[str, Any]]:
    """What each host is asked to do in this turn."""
    several = {host: list(wanted) for host, wanted in hosts.items()}
    return {
        host: {
            "run": remediation.run,
            "host": host,
            "turn": remediation.turn,
            "transaction": transaction(remediation.run, remediation.turn),
            "timeout": remediation.policy.confirm_timeout,
            "saves": merged_saves(mending.saves for mending in wanted),
            "steps": _distinct(step for mending in wanted for step in mending.steps),
        }
        for host, wanted in several.items()
    }


def _distinct(steps: Iterable[Json]) -> list[Json]:
    found: list[Json] = []
    for step in steps:
        if step not in found:
            found.append(step)
    return found
