# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Reading report.json as the writers see it (view.py)."""

from __future__ import annotations

from collections.abc import Mapping

from .._model.rehearsals import remark
from .._values.text import NAME, clean
from .._values.words import endpoint
from .values import LIST, boolean, each_record, integer, number, record, records, sequence, texts
from .view import (
    STATUSES,
    Attempt,
    Cause,
    Change,
    Evidence,
    Fix,
    Flow,
    Group,
    Isolated,
    Observation,
    Packet,
    Part,
    Probed,
    Report,
    Step,
    Tried,
    Unobserved,
    Vantage,
)

PACKETS = 400
"""Rows of a timeline that are shown at most; report.json has them all."""
CHANGES = 500
"""Changes that are shown at most."""


def view(report: Mapping[str, object]) -> Report:
    """The typed view of a report.json document."""
    flows = tuple(map(_flow, each_record(report.get("flows"))))
    return Report(
        started=clean(report.get("started"), NAME),
        finished=clean(report.get("finished"), NAME),
        flows=flows,
        groups=_groups(report.get("groups"), flows),
        changes=tuple(_change(entry) for entry in records(report.get("changes"), CHANGES)),
        unobserved=tuple(_unobserved(entry) for entry in records(report.get("unobserved"), None)),
        isolated=tuple(_isolated(entry) for entry in records(report.get("isolated"))),
        probed=tuple(_probed(entry) for entry in records(report.get("probed"))),
    )


def _isolated(entry: Mapping[str, object]) -> Isolated:
    probe = record(entry.get("next_probe"))
    client, server = clean(probe.get("client"), NAME), clean(probe.get("server"), NAME)
    family = f" (IPv{integer(probe.get('family'))})" if probe.get("family") else ""
    return Isolated(
        summary=clean(entry.get("summary")),
        rivals=texts(entry.get("rivals")),
        next_probe=f"{client} -> {server}:{integer(probe.get('port'))}{family}" if probe else "",
        entries=frozenset(str(item) for item in sequence(entry.get("entries"))),
        causes=tuple(
            (clean(code), clean(host, NAME))
            for code, host in (pair for pair in map(sequence, sequence(entry.get("causes"))) if len(pair) == 2)
        ),
    )


def _probed(entry: Mapping[str, object]) -> Probed:
    client, server, address, status, code, host = (
        clean(entry.get(key), NAME) for key in ("client", "server", "address", "status", "code", "host")
    )
    return Probed(client, endpoint(server or address, integer(entry.get("port"))), status, code, host)


def _unobserved(entry: Mapping[str, object]) -> Unobserved:
    host, kind = clean(entry.get("host"), NAME), clean(entry.get("kind"), NAME)
    return Unobserved(host, kind, clean(entry.get("why")), texts(entry.get("roles")))


def _change(entry: Mapping[str, object]) -> Change:
    code, host, kind, outcome, where = (clean(entry.get(key), NAME) for key in ("code", "host", "kind", "outcome", "where"))
    before, after = (tuple(_tried(item) for item in records(entry.get(key))) for key in ("before", "after"))
    summary, why = clean(entry.get("summary")), clean(entry.get("why"))
    return Change(
        code=code,
        host=host,
        kind=kind,
        outcome=outcome,
        where=where or host,
        summary=summary,
        why=why,
        steps=texts(entry.get("steps")),
        before=before,
        after=after,
    )


def _tried(entry: Mapping[str, object]) -> Tried:
    flow, status = clean(entry.get("flow"), NAME), clean(entry.get("status"), NAME)
    return Tried(flow, status, integer(entry.get("attempts")), integer(entry.get("connected")))


def _groups(value: object, flows: tuple[Flow, ...]) -> tuple[Group, ...]:
    """Every flow that is not ok in exactly one group: the report's groups, then the rest by what they share."""
    rest = [flow for flow in flows if flow.status != "ok"]
    groups = []
    for entry in records(value, None):
        code, host = clean(entry.get("code"), NAME), clean(entry.get("host"), NAME)
        named = {text for name in sequence(entry.get("flows")) for text in (str(name), clean(name, NAME))}
        members = [
            flow
            for flow in rest
            if flow.id in named or (flow.name in named and flow.cause is not None and (flow.cause.code, flow.cause.host) == (code, host))
        ]
        if members:
            groups.append(Group(code, host, tuple(members)))
            taken = set(map(id, members))
            rest = [flow for flow in rest if id(flow) not in taken]
    alike: dict[object, list[Flow]] = {}
    for flow in rest:
        alike.setdefault(_known(flow), []).append(flow)
    for members in alike.values():
        cause = members[0].cause
        groups.append(Group(cause.code if cause else "", cause.host if cause else "", tuple(members)))
    return tuple(sorted(groups, key=lambda group: (STATUSES.index(group.status), -len(group.flows))))


def _known(flow: Flow) -> object:
    """What flows of one group have in common: their cause, else who could not try them, or where they were lost and what would decide."""
    if flow.cause:
        return flow.cause.code, flow.cause.host
    if not flow.attempts:
        return flow.client, flow.undecided
    return flow.status, flow.leg, flow.segment, flow.between, flow.last_seen, flow.undecided


def _flow(entry: Mapping[str, object]) -> Flow:
    probes = record(entry.get("probes"))
    clock = record(entry.get("clock"))
    between = texts(entry.get("between"), NAME)
    last_seen = record(entry.get("last_seen"))
    status = entry.get("status")
    timeline = records(entry.get("timeline"), None)
    return Flow(
        id=str(entry.get("id") or ""),
        name=clean(entry.get("name"), NAME),
        client=clean(entry.get("client"), NAME),
        server=clean(entry.get("server"), NAME),
        address=clean(entry.get("address"), NAME),
        port=integer(entry.get("port")),
        dialled=clean(entry.get("dialled"), NAME),
        resolved=texts(entry.get("resolved"), NAME),
        status=status if isinstance(status, str) and status in STATUSES else "undetermined",
        leg=clean(entry.get("leg"), NAME),
        segment=clean(entry.get("segment"), NAME),
        between=(between[0], between[1]) if len(between) == 2 else None,
        via=texts(entry.get("via"), NAME),
        last_seen=(clean(last_seen.get("host"), NAME), clean(last_seen.get("interface"), NAME)) if last_seen else None,
        causes=tuple(_cause(cause) for cause in records(entry.get("causes"))),
        unexplained=_evidence(entry.get("unexplained")),
        remarks=texts(entry.get("remarks")),
        undecided=texts(entry.get("undecided")),
        not_observed=texts(entry.get("not_observed")),
        vantages=tuple(_vantage(vantage, clock) for vantage in records(entry.get("vantages"))),
        packets=tuple(_packet(row) for row in timeline[:PACKETS]),
        packets_left_out=max(0, len(timeline) - PACKETS),
        attempts=integer(probes.get("attempts")),
        connected=integer(probes.get("connected")),
        errors=tuple(sorted((clean(name, NAME), integer(count)) for name, count in list(record(probes.get("errors")).items())[:LIST])),
        connect_ms=number(probes.get("connect_ms")),
        tries=tuple(_attempt(attempt) for attempt in records(probes.get("detail"))),
        user=clean(entry.get("user"), NAME),
        expect=clean(entry.get("expect"), NAME) or "open",
        blocked_by=tuple(_cause(cause) for cause in records(entry.get("blocked_by"))),
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
        fix=_fix(record(entry.get("fix"))),
        steps=tuple(_step(step) for step in records(record(entry.get("detail")).get("path"))),
    )


def _fix(entry: Mapping[str, object]) -> Fix | None:
    if not entry:
        return None
    return Fix(
        kind=clean(entry.get("kind"), NAME),
        host=clean(entry.get("host"), NAME),
        summary=clean(entry.get("summary")),
        risk=clean(entry.get("risk"), NAME),
        commands=texts(entry.get("commands")),
        why=clean(entry.get("why")),
        undo=texts(entry.get("undo")),
        check=clean(entry.get("check")),
        simple=clean(entry.get("simple")),
        rehearsed=_rehearsed(record(entry.get("rehearsed"))),
    )


def _rehearsed(entry: Mapping[str, object]) -> str:
    result = clean(entry.get("result"), NAME)
    return clean(remark(result, clean(entry.get("why")))) if result else ""


def _step(entry: Mapping[str, object]) -> Step:
    packets = entry.get("packets")
    return Step(
        chain=clean(entry.get("chain"), NAME),
        hook=clean(entry.get("hook"), NAME),
        rule=clean(entry.get("rule"), NAME),
        text=clean(entry.get("text")),
        matched=boolean(entry.get("matched")),
        effect=clean(entry.get("effect")),
        packets=None if packets is None else integer(packets),
        parts=tuple(
            Part(clean(part.get("text")), boolean(part.get("matched")), clean(part.get("seen"))) for part in records(entry.get("parts"))
        ),
    )


def _vantage(entry: Mapping[str, object], clock: Mapping[str, object]) -> Vantage:
    host = entry.get("host")
    offset = record(clock.get(host)) if isinstance(host, str) else {}
    return Vantage(
        host=clean(host, NAME),
        role=clean(entry.get("role"), NAME),
        recorded=entry.get("recorded") is True,
        why=clean(entry.get("why")),
        offset_ms=number(offset.get("offset_ms")),
        error_ms=number(offset.get("error_ms")),
    )


def _packet(row: Mapping[str, object]) -> Packet:
    sent = number(row.get("t_ms")) or 0.0
    return Packet(
        attempt=integer(row.get("attempt")),
        t_ms=sent,
        kind=clean(row.get("packet"), NAME),
        label=clean(row.get("label"), NAME) or clean(row.get("packet"), NAME),
        detail=clean(row.get("detail"), NAME),
        sender=clean(row.get("from"), NAME),
        transmission=integer(row.get("transmission"), 1),
        seen=tuple(_observation(item, sent) for item in records(row.get("seen"))),
        lost=row.get("lost") is True,
    )


def _observation(item: Mapping[str, object], sent: float) -> Observation:
    at = number(item.get("t_ms"))
    host, interface, direction = (clean(item.get(key), NAME) for key in ("host", "interface", "direction"))
    return Observation(host, interface, direction, sent if at is None else at)


def _attempt(entry: Mapping[str, object]) -> Attempt:
    port = entry.get("local_port")
    return Attempt(
        number=integer(entry.get("attempt")),
        address=clean(entry.get("address"), NAME),
        outcome=clean(entry.get("outcome"), NAME),
        errno=clean(entry.get("errno"), NAME),
        elapsed_ms=number(entry.get("elapsed_ms")),
        late_ms=number(entry.get("late_ms")),
        local_port=integer(port) if port is not None else None,
    )


def _evidence(value: object) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(clean(item.get("host"), NAME), clean(item.get("source"), NAME), clean(item.get("observation"))) for item in records(value)
    )


def _observations(value: object) -> tuple[str, ...]:
    """What speaks against a cause: sentences, or evidence with its source."""
    found = []
    for item in sequence(value)[:LIST]:
        if isinstance(item, Mapping):
            found.append(clean(f"{item.get('host')} {item.get('source')}: {item.get('observation')}"))
        else:
            found.append(clean(item))
    return tuple(found)
