# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A report as the writers see it: typed, its strings cleaned, its lists bounded, nothing judged.

The report is data that hosts had a part in. Reading it never fails: a value of the wrong kind reads as absent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .._values.text import NAME, SENTENCE, clean

STATUSES = ("broken", "undetermined", "degraded", "ok")
"""Worst first."""

PACKETS = 400
"""Rows of a timeline that are shown at most; report.json has them all."""
CHANGES = 500
"""Changes that are shown at most."""
LIST = 64
"""Entries of any other list of a flow that are shown at most."""


@dataclass(frozen=True, slots=True)
class Evidence:
    host: str
    source: str
    observation: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Part:
    """A condition of a firewall rule; ``matched`` None: not examined, or not to be known."""

    text: str
    matched: bool | None
    seen: str


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Attempt:
    number: int
    address: str
    outcome: str
    errno: str
    elapsed_ms: float | None
    late_ms: float | None
    local_port: int | None


@dataclass(frozen=True, slots=True)
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
    """Flows that share their decisive cause, in the report's order."""

    code: str
    host: str
    flows: tuple[Flow, ...]

    @property
    def status(self) -> str:
        return min((flow.status for flow in self.flows), key=STATUSES.index)


@dataclass(frozen=True, slots=True)
class Tried:
    """How a flow's attempts went, before a change or behind it."""

    flow: str
    status: str
    attempts: int
    connected: int


@dataclass(frozen=True, slots=True)
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
class Report:
    started: str
    finished: str
    flows: tuple[Flow, ...]
    groups: tuple[Group, ...]
    changes: tuple[Change, ...] = ()
    unobserved: tuple[Unobserved, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Flows per status, worst first."""
        return {status: sum(flow.status == status for flow in self.flows) for status in STATUSES}


def view(report: Mapping[str, object]) -> Report:
    """The typed view of a report.json document."""
    flows = tuple(_flow(entry) for entry in _records(report.get("flows"), None))
    return Report(
        started=clean(report.get("started"), NAME),
        finished=clean(report.get("finished"), NAME),
        flows=flows,
        groups=_groups(report.get("groups"), flows),
        changes=tuple(_change(entry) for entry in _records(report.get("changes"), CHANGES)),
        unobserved=tuple(_unobserved(entry) for entry in _records(report.get("unobserved"), None)),
    )


def _unobserved(entry: Mapping[str, object]) -> Unobserved:
    host, kind = clean(entry.get("host"), NAME), clean(entry.get("kind"), NAME)
    return Unobserved(host, kind, clean(entry.get("why")), _texts(entry.get("roles")))


def _change(entry: Mapping[str, object]) -> Change:
    code, host, kind, outcome, where = (clean(entry.get(key), NAME) for key in ("code", "host", "kind", "outcome", "where"))
    before, after = (tuple(_tried(item) for item in _records(entry.get(key))) for key in ("before", "after"))
    summary, why = clean(entry.get("summary")), clean(entry.get("why"))
    return Change(code, host, kind, outcome, where or host, summary, why, _texts(entry.get("steps")), before, after)


def _tried(entry: Mapping[str, object]) -> Tried:
    flow, status = clean(entry.get("flow"), NAME), clean(entry.get("status"), NAME)
    return Tried(flow, status, _integer(entry.get("attempts")), _integer(entry.get("connected")))


def _groups(value: object, flows: tuple[Flow, ...]) -> tuple[Group, ...]:
    """Every flow that is not ok in exactly one group: the report's groups, then each flow that they do not name."""
    rest = [flow for flow in flows if flow.status != "ok"]
    groups = []
    for entry in _records(value, None):
        code, host = clean(entry.get("code"), NAME), clean(entry.get("host"), NAME)
        named = {text for name in _sequence(entry.get("flows")) for text in (str(name), clean(name, NAME))}
        members = [
            flow
            for flow in rest
            if flow.id in named or (flow.name in named and flow.cause is not None and (flow.cause.code, flow.cause.host) == (code, host))
        ]
        if members:
            groups.append(Group(code, host, tuple(members)))
            taken = set(map(id, members))
            rest = [flow for flow in rest if id(flow) not in taken]
    for flow in rest:
        groups.append(Group(flow.cause.code, flow.cause.host, (flow,)) if flow.cause else Group("", "", (flow,)))
    return tuple(sorted(groups, key=lambda group: (STATUSES.index(group.status), -len(group.flows))))


def _flow(entry: Mapping[str, object]) -> Flow:
    probes = _record(entry.get("probes"))
    clock = _record(entry.get("clock"))
    between = _texts(entry.get("between"), NAME)
    last_seen = _record(entry.get("last_seen"))
    status = entry.get("status")
    timeline = _records(entry.get("timeline"), None)
    return Flow(
        id=str(entry.get("id") or ""),
        name=clean(entry.get("name"), NAME),
        client=clean(entry.get("client"), NAME),
        server=clean(entry.get("server"), NAME),
        address=clean(entry.get("address"), NAME),
        port=_integer(entry.get("port")),
        dialled=clean(entry.get("dialled"), NAME),
        resolved=_texts(entry.get("resolved"), NAME),
        status=status if isinstance(status, str) and status in STATUSES else "undetermined",
        leg=clean(entry.get("leg"), NAME),
        segment=clean(entry.get("segment"), NAME),
        between=(between[0], between[1]) if len(between) == 2 else None,
        via=_texts(entry.get("via"), NAME),
        last_seen=(clean(last_seen.get("host"), NAME), clean(last_seen.get("interface"), NAME)) if last_seen else None,
        causes=tuple(_cause(cause) for cause in _records(entry.get("causes"))),
        unexplained=_evidence(entry.get("unexplained")),
        remarks=_texts(entry.get("remarks")),
        undecided=_texts(entry.get("undecided")),
        not_observed=_texts(entry.get("not_observed")),
        vantages=tuple(_vantage(vantage, clock) for vantage in _records(entry.get("vantages"))),
        packets=tuple(_packet(row) for row in timeline[:PACKETS]),
        packets_left_out=max(0, len(timeline) - PACKETS),
        attempts=_integer(probes.get("attempts")),
        connected=_integer(probes.get("connected")),
        errors=tuple(sorted((clean(name, NAME), _integer(count)) for name, count in list(_record(probes.get("errors")).items())[:LIST])),
        connect_ms=_number(probes.get("connect_ms")),
        tries=tuple(_attempt(attempt) for attempt in _records(probes.get("detail"))),
        user=clean(entry.get("user"), NAME),
        expect=clean(entry.get("expect"), NAME) or "open",
        blocked_by=tuple(_cause(cause) for cause in _records(entry.get("blocked_by"))),
    )


def _cause(entry: Mapping[str, object]) -> Cause:
    return Cause(
        code=clean(entry.get("code"), NAME),
        title=clean(entry.get("title")),
        host=clean(entry.get("host"), NAME),
        certainty=clean(entry.get("certainty"), NAME),
        summary=clean(entry.get("summary")),
        evidence=_evidence(entry.get("evidence")),
        against=_observations(entry.get("against")),
        fix=_fix(_record(entry.get("fix"))),
        steps=tuple(_step(step) for step in _records(_record(entry.get("detail")).get("path"))),
    )


def _fix(entry: Mapping[str, object]) -> Fix | None:
    if not entry:
        return None
    return Fix(
        kind=clean(entry.get("kind"), NAME),
        host=clean(entry.get("host"), NAME),
        summary=clean(entry.get("summary")),
        risk=clean(entry.get("risk"), NAME),
        commands=_texts(entry.get("commands")),
        why=clean(entry.get("why")),
        undo=_texts(entry.get("undo")),
        check=clean(entry.get("check")),
        simple=clean(entry.get("simple")),
    )


def _step(entry: Mapping[str, object]) -> Step:
    packets = entry.get("packets")
    return Step(
        chain=clean(entry.get("chain"), NAME),
        hook=clean(entry.get("hook"), NAME),
        rule=clean(entry.get("rule"), NAME),
        text=clean(entry.get("text")),
        matched=_answer(entry.get("matched")),
        effect=clean(entry.get("effect")),
        packets=None if packets is None else _integer(packets),
        parts=tuple(
            Part(clean(part.get("text")), _answer(part.get("matched")), clean(part.get("seen"))) for part in _records(entry.get("parts"))
        ),
    )


def _answer(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _vantage(entry: Mapping[str, object], clock: Mapping[str, object]) -> Vantage:
    host = entry.get("host")
    told = _record(clock.get(host)) if isinstance(host, str) else {}
    return Vantage(
        host=clean(host, NAME),
        role=clean(entry.get("role"), NAME),
        recorded=entry.get("recorded") is True,
        why=clean(entry.get("why")),
        offset_ms=_number(told.get("offset_ms")),
        error_ms=_number(told.get("error_ms")),
    )


def _packet(row: Mapping[str, object]) -> Packet:
    sent = _number(row.get("t_ms")) or 0.0
    return Packet(
        attempt=_integer(row.get("attempt")),
        t_ms=sent,
        kind=clean(row.get("packet"), NAME),
        label=clean(row.get("label"), NAME) or clean(row.get("packet"), NAME),
        detail=clean(row.get("detail"), NAME),
        sender=clean(row.get("from"), NAME),
        transmission=_integer(row.get("transmission"), 1),
        seen=tuple(_observation(item, sent) for item in _records(row.get("seen"))),
        lost=row.get("lost") is True,
    )


def _observation(item: Mapping[str, object], sent: float) -> Observation:
    at = _number(item.get("t_ms"))
    host, interface, direction = (clean(item.get(key), NAME) for key in ("host", "interface", "direction"))
    return Observation(host, interface, direction, sent if at is None else at)


def _attempt(entry: Mapping[str, object]) -> Attempt:
    port = entry.get("local_port")
    return Attempt(
        number=_integer(entry.get("attempt")),
        address=clean(entry.get("address"), NAME),
        outcome=clean(entry.get("outcome"), NAME),
        errno=clean(entry.get("errno"), NAME),
        elapsed_ms=_number(entry.get("elapsed_ms")),
        late_ms=_number(entry.get("late_ms")),
        local_port=_integer(port) if port is not None else None,
    )


def _evidence(value: object) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(clean(item.get("host"), NAME), clean(item.get("source"), NAME), clean(item.get("observation"))) for item in _records(value)
    )


def _observations(value: object) -> tuple[str, ...]:
    """What speaks against a cause: sentences, or evidence with its source."""
    found = []
    for item in _sequence(value)[:LIST]:
        if isinstance(item, Mapping):
            found.append(clean(f"{item.get('host')} {item.get('source')}: {item.get('observation')}"))
        else:
            found.append(clean(item))
    return tuple(found)


def _record(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _records(value: object, limit: int | None = LIST) -> list[Mapping[str, object]]:
    return [item for item in _sequence(value)[:limit] if isinstance(item, Mapping)]


def _texts(value: object, length: int = SENTENCE, limit: int | None = LIST) -> tuple[str, ...]:
    return tuple(clean(item, length) for item in _sequence(value)[:limit])


def _sequence(value: object) -> list[object]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping) else []


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e12:
        return None
    return float(value)


def _integer(value: object, default: int = 0) -> int:
    number = _number(value)
    return default if number is None else int(number)
