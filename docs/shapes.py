# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of the documents that the contract promises, for generate_schemas.py. docs/contract.md says what they mean.

Where the code has records of its own for a part (the entries of a plan, fixes, a host's state), the shapes refer to these.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, TypedDict

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.finding import Certainty
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.outcome import SEGMENTS, Leg
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.story import LABELS
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.state import State
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.fixes import Fix
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.gaps import NOT_IN_PLAY, SILENT
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Entry
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.slices import APART
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.changes import OUTCOMES
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import KINDS


class Keyword(NamedTuple):
    """One of JSON Schema, with its value."""

    name: str
    value: Any


def one_of(*names: str) -> Keyword:
    return Keyword("enum", names)


Time = Annotated[str, Keyword("format", "date-time"), Keyword("pattern", r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]
Port = Annotated[int, Keyword("minimum", 0), Keyword("maximum", 65535)]
Count = Annotated[int, Keyword("minimum", 0)]
Milliseconds = Annotated[float, Keyword("minimum", 0)]
Code = Annotated[str, Keyword("pattern", "^[a-z][a-z0-9_]*$")]
Segment = Annotated[str, one_of(*SEGMENTS)]
Status = Literal["ok", "degraded", "broken", "undetermined"]
Role = Literal["client", "server", "via"]
All = Literal["all"]


class Summary(TypedDict):
    flows: Count
    ok: Count
    degraded: Count
    broken: Count
    undetermined: Count


class Unobserved(TypedDict):
    host: str
    kind: Annotated[str, one_of(*KINDS, NOT_IN_PLAY, SILENT, APART)]
    why: str
    phase: Literal["open", "try", "close"] | None
    roles: list[Role]


class Evidence(TypedDict):
    host: str
    source: str
    observation: str


class Cause(TypedDict):
    code: Code
    title: str
    host: str
    certainty: Certainty
    segment: Segment
    summary: str
    evidence: list[Evidence]
    against: list[Evidence]
    detail: dict[str, Any]
    fix: Fix | None


class Unexplained(Evidence):
    kind: str


class Attempt(TypedDict):
    attempt: Count
    address: str
    outcome: Literal["connected", "error", "timeout"]
    errno: str | None
    elapsed_ms: float | None
    late_ms: float | None
    local_port: Port | None


class Probes(TypedDict):
    attempts: Count
    connected: Count
    errors: dict[str, Count]
    connect_ms: Milliseconds | None
    detail: list[Attempt]


class Seen(TypedDict):
    host: str
    interface: str
    direction: Literal["in", "out", "other"]
    t_ms: float


Packet = TypedDict(
    "Packet",
    {
        "attempt": Count,
        "t_ms": float,
        "packet": Annotated[str, one_of(*LABELS)],
        "label": str,
        "detail": str,
        "from": str,
        "transmission": Annotated[int, Keyword("minimum", 1)],
        "seen": list[Seen],
        "lost": bool,
    },
)


class Place(TypedDict):
    host: str
    interface: str


class Vantage(TypedDict):
    host: str
    role: Role
    recorded: bool
    why: str | None


class Clock(TypedDict):
    offset_ms: float
    error_ms: Milliseconds | None


class Flow(TypedDict):
    id: str
    name: str
    client: str
    server: str | None
    address: str
    port: Port
    dialled: str
    resolved: list[str]
    source: str | None
    user: str | None
    via: list[str]
    status: Status
    leg: Leg | None
    segment: Segment | None
    between: tuple[str, str] | None
    last_seen: Place | None
    expect: Literal["open", "blocked"]
    causes: list[Cause]
    blocked_by: list[Cause]
    unexplained: list[Unexplained]
    undecided: list[str]
    remarks: list[str]
    probes: Probes
    timeline: list[Packet]
    vantages: list[Vantage]
    clock: dict[str, Clock]
    not_observed: list[str]


class Part(TypedDict):
    clients: All | list[str]
    servers: All | list[str]
    ports: All | list[Port]
    families: All | list[Literal[4, 6]]


class Group(TypedDict):
    code: Code
    host: str
    flows: list[str]
    entries: list[str]
    common: Part
    summary: str


class NextProbe(TypedDict):
    client: str
    server: str
    port: Port
    family: Literal[4, 6] | None


class Isolated(Part):
    entries: list[str]
    causes: list[tuple[Code, str]]
    rivals: list[str]
    next_probe: NextProbe | None
    summary: str


class Probed(TypedDict):
    client: str
    server: str | None
    address: str
    port: Port
    status: Status
    code: Code | None
    host: str | None
    certainty: Certainty | None


class CodeAtHost(TypedDict):
    code: Code
    host: str


class Tried(TypedDict):
    flow: str
    status: Status
    attempts: Count
    connected: Count
    errors: dict[str, Count]
    connect_ms: Milliseconds | None
    cause: CodeAtHost | None


class Change(TypedDict):
    code: Code
    host: str
    subject: str
    kind: str
    outcome: Annotated[str, one_of(*OUTCOMES)]
    summary: str
    why: str
    risk: str
    flows: list[str]
    steps: list[str]
    undo: list[str]
    where: str
    transaction: str | None
    before: list[Tried]
    after: list[Tried]


class Report(TypedDict):
    schema: Literal["threeway.handshake/report/1"]
    run: str
    started: Time
    finished: Time
    summary: Summary
    unobserved: list[Unobserved]
    flows: list[Flow]
    groups: list[Group]
    isolated: list[Isolated]
    probed: list[Probed]
    changes: list[Change]


class _Run(TypedDict):
    started: Time
    controller: str
    phases: dict[str, list[str]]
    run: str
    entries: list[Entry]
    not_in_play: list[str]
    addresses: dict[str, list[str]]
    normal: list[str]
    groups: dict[str, list[str]]


class Plan(_Run, total=False):
    overlap: Annotated[float, Keyword("exclusiveMinimum", 0)]


class Baseline(TypedDict):
    schema: Literal["threeway.handshake/baseline/1"]
    host: str
    flows: list[str]
    not_observed: list[str]
    expectations: dict[str, str]
    state: State


class DecisiveCause(TypedDict):
    code: Code
    host: str
    certainty: Certainty
    summary: str


FlowChange = TypedDict(
    "FlowChange",
    {
        "name": str,
        "client": str,
        "server": str | None,
        "address": str,
        "port": Port,
        "from": Status | None,
        "to": Status,
        "last_good": Time | None,
        "first_bad": Time | None,
        "mended": Time | None,
        "time_to_mend_seconds": Count | None,
        "cause": DecisiveCause | None,
        "cause_before": CodeAtHost | None,
    },
)


class Changes(TypedDict):
    schema: Literal["threeway.handshake/changes/1"]
    run: str
    finished: Time
    controller: str
    changes: list[FlowChange]


DOCUMENTS = {"report": Report, "plan": Plan, "baseline": Baseline, "changes": Changes}
"""By the name of the schema's file."""
