# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What may be mended without a person: kinds, risk, certainty, number of hosts, time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from .._model import rehearsals
from .._plan.options import ALLOWED, complaint
from .._plan.plan import ON_THE_WAY
from .._values.words import quoted
from .mending import BY_CERTAINTY, Mending, merged_saves

BY_RISK = ("low", "disruptive")
FOR_GOOD = ("connection", "conntrack")
"""Kinds that end what nothing can bring back, so that there is nothing to save."""
STARTS = ("service",)
"""Kinds after which an attempt may start a program, which systemd lets happen so often and no more."""
RATES = ("firewall_rate_limited",)
"""Causes that let so many attempts through and no more."""
MOST_TURNS = 5
"""How often a run changes one host: where something new shows each time, something else may be at work."""
ESCALATED_AFTER = 2
"""A fix for the same cause of the same flow that did not hold so often is not tried again."""

_SLACK = 1.5
"""How much longer a diagnosis may take than the one before."""
_CHANGE_SECONDS = 5.0
"""For the change itself and for the connections that are made again."""


NotHeld = Mapping[tuple[str, str, str, str], int]
"""How often a fix did not hold: by flow id, code and host of the cause, and subject of the fix."""


class PolicyError(ValueError):
    """An option that cannot be; the message is a sentence."""


@dataclass(frozen=True)
class Limits:
    """What holds for the run as a whole."""

    max_hosts: int = 10
    batch_hosts: int = 5

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What may be changed on one host, by its own variables: options of the role `remediate`, without its prefix. Times in seconds."""

    apply: bool = False
    allow: tuple[str, ...] = ALLOWED
    max_risk: str = "low"
    require: str = "proven"
    confirm_timeout: float = 60.0
    settle: float = 0.0
    drift: bool = True
    """Whether the host goes back to its baseline, where it is drift that is mended."""

    def __post_init__(self) -> None:
        _check(self)
        for name, choices in (("max_risk", BY_RISK), ("require", BY_CERTAINTY)):
            if getattr(self, name) not in choices:
                raise PolicyError(f"remediate_{name} is {quoted(getattr(self, name))}: give one of {', '.join(choices)}.")

    def too_short(self, host: str, diagnosis_seconds: float, settle: float) -> str | None:
        """Why nothing can be confirmed in time on this host, where the diagnosis that must come first takes so long; None if it can.

        ``settle``: the longest time of the hosts that are changed, because they are waited for together.
        """
        needed = math.ceil(diagnosis_seconds * _SLACK + settle + _CHANGE_SECONDS)
        if needed <= self.confirm_timeout:
            return None
        return (
            f"remediate_confirm_timeout is {self.confirm_timeout:g} s, and a change is confirmed only after a diagnosis, "
            f"the last of which took {diagnosis_seconds:.0f} s for the hosts that answered: set it to at least {needed} for host {host}, "
            "use more forks, or mend fewer flows at a time"
        )

    def refusal(self, mending: Mending, drifted: bool = False) -> str | None:
        """Why a fix is not to be made on the host that it changes, half a sentence; None if it may be."""
        host = mending.where
        if drifted and not self.drift:
            return f"drift_remediate is not true for host {host}"
        if mending.kind not in self.allow:
            return f"remediate_allow does not have {mending.kind} for host {host}"
        if mending.risk not in BY_RISK[: BY_RISK.index(self.max_risk) + 1]:
            return f"its risk is {mending.risk}, and remediate_max_risk is {self.max_risk} for host {host}"
        if mending.certainty not in BY_CERTAINTY[BY_CERTAINTY.index(self.require) :]:
            traced = "; a rule without a counter is proven by a trace of the rules (diagnose_depth=full)"
            more = traced if mending.kind == "firewall" else ""
            return f"the cause is {mending.certainty}, and remediate_require is {self.require} for host {host}{more}"
        return None


def refusal(mending: Mending, policies: Mapping[str, Policy], drifted: bool = False) -> str | None:
    """Why a fix is not to be made, half a sentence; None if it may be. ``policies``: of the hosts that this run reaches."""
    if not mending.steps and (objection := _objection(mending)):
        return objection
    if not mending.steps:
        return "it is advice for people" if mending.risk == "advice" else "it can only be done by hand"
    if mending.kind not in FOR_GOOD and not merged_saves([mending.saves]):
        return "nothing says what would have to be saved first"
    if mending.where not in policies:
        more = "" if mending.where == ON_THE_WAY else ": widen --limit, or the hosts of the play"
        return f"{mending.where} is not among the hosts of this run{more}"
    return policies[mending.where].refusal(mending, drifted)


def _objection(mending: Mending) -> str | None:
    """Why what the diagnosis rehearsed is advice at most."""
    found = mending.rehearsed
    return rehearsals.objection(mending.where, found.get("result"), found.get("why")) if found else None


def _check(options: Policy | Limits) -> None:
    for name, value in asdict(options).items():
        if said := complaint(f"remediate_{name}", value):
            raise PolicyError(f"remediate_{name} {said}.")


def escalation(mending: Mending, not_held: NotHeld) -> str | None:
    """Why a fix is left to people: it did not hold before."""
    times = max((not_held.get((flow, mending.code, mending.host, mending.subject), 0) for flow in mending.flows), default=0)
    if times < ESCALATED_AFTER:
        return None
    return f"it was made {times} times before, and is wanted again: find out what undoes it"
