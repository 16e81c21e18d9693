# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A report as the writers see it: typed, its strings cleaned, its lists bounded, nothing judged.

The report is data that hosts had a part in. Reading it (read.py) never fails: a value of the wrong kind reads as absent.

Classes here are called as what they show: ``Cause``, ``Fix``, ``Flow`` ... They are not the classes of the same names that decide and plan
work with. Those are refused where they do not fit, and hold what is acted on (the steps of a fix, the packets of an attempt) and texts that
cannot be searched. These have what is in report.json, made safe to show, of whatever version wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass

STATUSES = ("broken", "undetermined", "degraded", "ok")
"""Worst first."""


@dataclass(frozen=True, slots=True)
class Evidence:
    host: str
    source: str
    observation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    kind: str
    host: str
    summary: str
    risk: str
    commands: tuple[str, ...] = ()
    why: str = ""
    undo: tuple[str, ...] = ()
    check: str = ""
    simple: str = ""
    rehearsed: str = ""
    """The outcome of its rehearsal, half a sentence; empty of what is no change of a firewall."""


@dataclass(frozen=True, slots=True)
class Part:
    """A condition of a firewall rule; ``matched`` None: not examined, or not to be known."""

    text: str
    matched: bool | None
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A firewall rule on a packet's way."""

    chain: str
    hook: str
    rule: str
    text: str
    matched: bool | None
    effect: str
    packets: int | None
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    code: str
    title: str
    host: str
    certainty: str
    summary: str
    evidence: tuple[Evidence, ...]
    against: tuple[str, ...]
    fix: Fix | None
    steps: tuple[Step, ...] = ()
    """The firewall rules that the packet matched, up to the one that decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vantage:
    """A column of the ladder; ``why`` says why nothing was recorded there."""

    host: str
    role: str
    recorded: bool
    why: str
    offset_ms: float | None
    error_ms: float | None


@dataclass(frozen=True, slots=True)
class Observation:
    host: str
    interface: str
    direction: str
    t_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    attempt: int
    t_ms: float
    kind: str
    label: str
    detail: str
    sender: str
    transmission: int
    seen: tuple[Observation, ...]
    lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    number: int
    address: str
    outcome: str
    errno: str
    elapsed_ms: float | None
    late_ms: float | None
    local_port: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    id: str
    """Raw, for comparing and for file names: the one string that is never shown."""
    name: str
    client: str
    server: str
    address: str
    port: int
    dialled: str
    resolved: tuple[str, ...]
    status: str
    leg: str
    segment: str
    between: tuple[str, str] | None
    via: tuple[str, ...]
    last_seen: tuple[str, str] | None
    causes: tuple[Cause, ...]
    unexplained: tuple[Evidence, ...]
    """What was seen that the causes do not account for."""
    remarks: tuple[str, ...]
    undecided: tuple[str, ...]
    not_observed: tuple[str, ...]
    vantages: tuple[Vantage, ...]
    packets: tuple[Packet, ...]
    packets_left_out: int
    attempts: int
    connected: int
    errors: tuple[tuple[str, int], ...]
    connect_ms: float | None
    tries: tuple[Attempt, ...]
    user: str = ""
    """The client's user as whom it was tried, where the flow names one."""
    expect: str = "open"
    blocked_by: tuple[Cause, ...] = ()
    """What keeps a handshake from succeeding that must not."""

    @property
    def cause(self) -> Cause | None:
        """The decisive cause."""
        return self.causes[0] if self.causes else None


@dataclass(frozen=True, slots=True)
class Group:
    """Flows that share their decisive cause, or what is known in place of one, in the report's order."""

    code: str
    host: str
    flows: tuple[Flow, ...]

    @property
    def status(self) -> str:
        return min((flow.status for flow in self.flows), key=STATUSES.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolated:
    """A part of the matrix in which every handshake fails."""

    summary: str
    rivals: tuple[str, ...]
    next_probe: str
    """``web2 -> db1:5432``, the handshake that best decides between this pattern and its rivals; or nothing."""
    entries: frozenset[str]
    """The ids of the flows that fail there."""
    causes: tuple[tuple[str, str], ...]
    """Code and host of their decisive causes."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How a flow's attempts went, before a change or after it."""

    flow: str
    status: str
    attempts: int
    connected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was changed on a host, would be, or was not, and why."""

    code: str
    host: str
    kind: str
    outcome: str
    where: str
    summary: str
    why: str
    steps: tuple[str, ...]
    before: tuple[Tried, ...]
    after: tuple[Tried, ...]


@dataclass(frozen=True, slots=True)
class Unobserved:
    """A host whose answers lack something."""

    host: str
    kind: str
    why: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probed:
    """A handshake that was only tried to find out what failures have in common, and of its decisive cause the code and the host."""

    client: str
    target: str
    status: str
    code: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    started: str
    finished: str
    flows: tuple[Flow, ...]
    groups: tuple[Group, ...]
    changes: tuple[Change, ...] = ()
    unobserved: tuple[Unobserved, ...] = ()
    isolated: tuple[Isolated, ...] = ()
    probed: tuple[Probed, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Flows per status, worst first."""
        return {status: sum(flow.status == status for flow in self.flows) for status in STATUSES}
