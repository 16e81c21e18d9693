# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A remediation from turn to turn: what is to be mended, what has been tried, and what comes next."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from typing import Any

from .._model.prose import Prose, Wording, unwrapped
from . import batch as _batch
from . import rehearsal, wide
from .changes import change
from .mending import Mending, by_host, mendings, merged_saves
from .policy import FOR_GOOD, MOST_TURNS, RATES, STARTS, Limits, Policy, escalation, refusal

Json = Mapping[str, Any]

_DIAGNOSED, _COMPARED = 0.75, 0.4
"""Which part of the time to confirm a diagnosis may take, and one after which the hosts are compared with their baselines."""
_CHANGED, _LESS = 0.35, 0.8
"""Which part a change may take where several hosts are changed together, and what is left of the other parts then."""
_LEAST_SECONDS = 5.0


@dataclass
class Remediation:
    """What is kept between two turns."""

    run: str
    policies: dict[str, Policy]
    """Of each host that this run reaches."""
    limits: Limits
    _keywords: KW_ONLY
    not_held: list[tuple[str, str, str, str, int]] = field(default_factory=list)
    """Id of a flow, code and host of its cause, the subject of the fix, and how often such a fix did not hold."""
    turn: int = 0
    report: str = "before"
    """The name of the report of how things are now."""
    batch: dict[str, list[Mending]] = field(default_factory=dict)
    """Host -> what is made on it in this turn."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    """The hosts that were changed, whether that was kept or not."""
    stopped: Prose | None = None
    too_short: dict[str, Prose] = field(default_factory=dict)
    """Hosts that would restore themselves before a change can be confirmed, and why."""
    rehearsed: dict[str, dict[str, str]] = field(default_factory=dict)
    """The outcome of each fix that was rehearsed, by the fix's key."""
    wide: dict[str, str] = field(default_factory=dict)
    """Of each fix that does something with units, by its key, what else that changes."""

    @property
    def apply(self) -> bool:
        """Whether any host may be changed."""
        return any(policy.apply for policy in self.policies.values())

    def to_json(self) -> dict[str, Any]:
        batch = {host: [each.to_json() for each in several] for host, several in self.batch.items()}
        policies = {host: asdict(policy) for host, policy in self.policies.items()}
        document: dict[str, Any] = unwrapped({**vars(self), "policies": policies, "limits": asdict(self.limits), "batch": batch})
        return document

    @classmethod
    def from_json(cls, raw: Json) -> Remediation:
        batch = {host: [Mending.from_json(each) for each in several] for host, several in raw["batch"].items()}
        policies = {host: Policy(**{**policy, "allow": tuple(policy["allow"])}) for host, policy in raw["policies"].items()}
        not_held = [tuple(each) for each in raw["not_held"]]
        stopped = None if raw["stopped"] is None else Prose(raw["stopped"])
        too_short = {host: Prose(why) for host, why in raw["too_short"].items()}
        texts = {"stopped": stopped, "too_short": too_short}
        return cls(**{**raw, "policies": policies, "limits": Limits(**raw["limits"]), "not_held": not_held, "batch": batch, **texts})

    def mind_the_time(self, diagnosis_seconds: float) -> None:
        """Leave alone the hosts that would restore themselves before a diagnosis that takes so long has ended."""
        applying = {host: policy for host, policy in self.policies.items() if policy.apply}
        settle = max((policy.settle for policy in applying.values()), default=0.0)
        reasons = {host: policy.too_short(host, diagnosis_seconds, settle) for host, policy in applying.items()}
        self.too_short = {host: Prose(why) for host, why in reasons.items() if why}

    def settle(self) -> float:
        """The seconds between the changes of the batch and the diagnosis that shows their outcome."""
        return max((self.policies[host].settle for host in self.batch), default=0.0)

    def within(self, drifted: bool) -> float:
        """What that diagnosis may take in seconds: then there is still time to confirm on every host. A comparison takes its part, too."""
        part = (_COMPARED if drifted else _DIAGNOSED) * (_LESS if len(self.batch) > 1 else 1.0)
        return max(self._time_to_confirm() * part, _LEAST_SECONDS)

    def sparing(self, report: Json) -> bool:
        """Whether the attempts after the change may use up a limit on the server: of a unit's starts, or of a rule's packets."""
        limited = any(cause["code"] in RATES for flow in report["flows"] for cause in flow["causes"])
        return limited or any(mending.kind in STARTS for several in self.batch.values() for mending in several)

    def patience(self) -> float:
        """How long a host is waited for while it is changed: of several, one that hangs must leave the others time to confirm."""
        return max(self._time_to_confirm() * _CHANGED, _LEAST_SECONDS) if len(self.batch) > 1 else self._shortest()

    def _time_to_confirm(self) -> float:
        return self._shortest() - self.settle()

    def _shortest(self) -> float:
        return min((self.policies[host].confirm_timeout for host in self.batch), default=0.0)

    def wanted(self, report: Json) -> tuple[list[Mending], list[tuple[Mending, str, Wording]]]:
        """The fixes that may be made, those on the canary first, and the others with their outcome and why."""
        not_held = {(flow, code, host, subject): times for flow, code, host, subject, times in self.not_held}
        allowed, left = [], []
        for mending in (wide.weighed(each, self.wide) for each in mendings(report)):
            if mending.key in self.tried:
                continue
            refused = wide.explained(mending, refusal(mending, self.policies, "drift" in report), self.wide)
            barred = refused or self.too_short.get(mending.where)
            if why := barred or rehearsal.objection(mending.key, mending.where, self.rehearsed):
                left.append((mending, "refused", why))
            elif why := escalation(mending, not_held):
                left.append((mending, "escalated", why))
            elif self._turns_of(mending.where) >= MOST_TURNS:
                why = f"this run has changed {mending.where} {MOST_TURNS} times, and something new shows each time"
                left.append((mending, "refused", why))
            else:
                allowed.append(mending)
        # Hosts that are only planned for take no room from those that are changed.
        ordered = sorted(_batch.hosts_in_order(allowed, report), key=lambda host: not self.policies[host].apply)
        reachable = _batch.within_reach(ordered, self.touched, self.limits)
        beyond = f"remediate_max_hosts is {self.limits.max_hosts}: run it again when these changes have proved themselves"
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
            chosen = by_host(mending for mending in allowed if self.policies[mending.where].apply)
            self.batch = {host: chosen[host] for host in _batch.next_batch(list(chosen), self.touched, self.limits)}

    def end_turn(self, settled: Mapping[str, Json], helped: Mapping[str, Sequence[str]], before: Json, after: Json) -> None:
        """Record the outcome of the batch. A change that did not stay ends the run, unless some of its host's fixes helped.

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
                self.changes.append(change(mending, outcome, f"{why}{lost}", before, after, transaction(self.run, self.turn, host)))
            if outcome in ("rolled_back", "failed") and not again:
                self.stopped = self.stopped or Prose(f"a change on {host} did not stay, and the run ended with it")
        made = [host for host in self.batch if settled[host]["outcome"] != "refused"]
        self.touched = list(dict.fromkeys([*self.touched, *made]))

    def finished(self, report: Json) -> list[dict[str, Any]]:
        """All entries of ``changes``: what was done, and what was not."""
        allowed, left = self.wanted(report)
        entries = [change(mending, "planned", self._why_not(mending.where), report) for mending in allowed]
        return [*self.changes, *entries, *(change(mending, outcome, reason, report) for mending, outcome, reason in left)]

    def _why_not(self, host: str) -> Wording:
        """Why what may be made on a host was not."""
        if not self.apply:
            return self.stopped or "remediate_apply=true makes it"
        return self.stopped or "the run ended before" if self.policies[host].apply else f"remediate_apply is not true for host {host}"


def transaction(run: str, turn: int, host: str) -> str:
    """What the guard calls the changes of one host in one turn.

    A machine that has two names in the inventory takes the one for another's, and refuses it: a change under the one name must not be
    kept or undone with that under the other.
    """
    return f"remediate-{run}-{turn}-{zlib.crc32(host.encode()):08x}"


def orders(remediation: Remediation, hosts: Mapping[str, Iterable[Mending]]) -> dict[str, dict[str, Any]]:
    """What each host is asked to do in this turn."""
    several = {host: list(wanted) for host, wanted in hosts.items()}
    return {
        host: {
            "run": remediation.run,
            "host": host,
            "turn": remediation.turn,
            "transaction": transaction(remediation.run, remediation.turn, host),
            "timeout": remediation.policies[host].confirm_timeout,
            "saves": merged_saves(mending.saves for mending in wanted),
            "marked": _only_marked(wanted),
            "rehearsal": rehearsal.asked(wanted),
            "wide": wide.asked(wanted),
            "wide_refused": remediation.policies[host].max_risk == "low",
            "steps": _distinct(step for mending in wanted for step in mending.steps),
        }
        for host, wanted in several.items()
    }


def _only_marked(wanted: Iterable[Mending]) -> bool:
    """Whether nothing but rules with our mark changes in the firewall."""
    steps = [step["module"] for mending in wanted if (mending.saves or {}).get("firewall") for step in mending.steps]
    return bool(steps) and all(module == "threeway.handshake.firewall_rule" for module in steps)


def _distinct(steps: Iterable[Json]) -> list[Json]:
    found: list[Json] = []
    for step in steps:
        if step not in found:
            found.append(step)
    return found
