# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""From evidence to the report: one answer per flow entry."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import median
from typing import Any

from .._faults import contained
from .._model.evidence import CAPTURED, Host, Probe, read_host
from .._model.prose import Prose, Wording, unwrapped
from .._plan.declared import Declared
from .._plan.gaps import gap
from .._plan.orders import ON_THE_WAY, PHASES, Entry, Plan
from .._report.captures import captures
from . import blocked
from .anomalies import Anomaly
from .arrivals import Arrivals
from .case import Case, Finding, Outcome, Totals
from .causes.catalogue import Cause
from .causes.fronts import told_of
from .causes.further import contradictions
from .explain import Explanation, explain
from .fleet import Fleet
from .groups import groups
from .locate import locate
from .story import timeline
from .timeline import Packets
from .undecided import undecided

SCHEMA = "threeway.handshake/report/1"
MOST_ADDRESSES, MOST_ATTEMPTS = 64, 1000
"""What is judged of one entry, whatever its client says: addresses of a name, and attempts for each (the most that can be asked for)."""
STATUSES = ("ok", "degraded", "broken", "undetermined")
_BY_SEVERITY = ("ok", "degraded", "undetermined", "broken")
# connect() succeeded, but not with the server, or not for long: the handshake as such completed.
DEGRADING = ("diverted", "answered_elsewhere", "reset_after")


@dataclass(frozen=True)
class Conclusion:
    """What the decide room hands to the show room: the document of report.json, and a pcapng file per flow id."""

    report: dict[str, Any]
    captures: dict[str, bytes]


def decide(plan: Plan, evidence: Mapping[str, Mapping[str, Mapping[str, Any]]], started: str, finished: str) -> Conclusion:
    """Conclude from ``evidence[host][phase]`` (docs/evidence.md). Pure: times are given as ISO 8601 text."""
    hosts, examined = examine(plan, evidence)
    flows, pcaps, taken = [], {}, set[str]()
    totals = replace(_totals([case for each in examined for case in each.cases]), arrivals={name: Arrivals(hosts[name]) for name in hosts})
    for entry, each in zip(plan.entries, examined, strict=True):
        flows.append(_decided(entry, _identity(entry, taken), each, hosts, totals))
        if any(attempt.rows for case in each.cases for attempt in case.attempts):
            capture = contained(str, captures, each.cases, flows[-1]["causes"])
            if isinstance(capture, bytes):
                pcaps[flows[-1]["id"]] = capture
            else:
                flows[-1]["not_observed"].append(f"the packets cannot be written to a capture: {capture}")
    counted = Counter(flow["status"] for flow in flows)
    report = {
        "schema": SCHEMA,
        "run": plan.run,
        "started": started,
        "finished": finished,
        "summary": {"flows": len(flows), **{status: counted[status] for status in STATUSES}},
        "unobserved": _unobserved(plan, hosts),
        "flows": flows,
        "groups": groups(flows),
        "changes": [],
    }
    return Conclusion(report, pcaps)


@dataclass(frozen=True)
class Examined:
    """How far the handshakes of one of the plan's entries came; ``fault``: why that could not be worked out."""

    cases: list[Case]
    fault: Prose | None = None


def examine(plan: Plan, evidence: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> tuple[dict[str, Host], list[Examined]]:
    """The hosts by name, and what is known of each of the plan's entries before causes are asked for."""
    hosts = {
        name: contained(partial(_unreadable, name), _host, name, evidence.get(name, {}), name in plan.not_in_play) for name in _names(plan)
    }
    packets = Packets()
    for host in hosts.values():
        contained(partial(_without_packets, host), packets.add, host)
    declared = Declared(plan.addresses)
    fleet = Fleet(hosts)
    partners: dict[object, list[str]] = {}
    for entry in plan.entries:
        partners.setdefault(_endeavour(entry), []).extend(filter(None, [entry.server]))
    examined = [contained(_unexamined, _examined, entry, hosts, packets, fleet, partners[_endeavour(entry)]) for entry in plan.entries]
    for each in examined:
        for case in each.cases:
            case.declared, case.fleet, case.normal = declared, fleet, frozenset(plan.normal)
    return hosts, examined


def _unreadable(name: str, why: str) -> Host:
    host = Host(name)
    host.lacks("this host", f"what it returned cannot be read: {why}")
    return host


def _without_packets(host: Host, why: str) -> None:
    host.observations = None
    host.lacks("recording", f"it cannot be used: {why}")


def _examined(entry: Entry, hosts: Mapping[str, Host], packets: Packets, fleet: Fleet, partners: Sequence[str]) -> Examined:
    return Examined(_cases(entry, hosts, packets, fleet, partners))


def _unexamined(why: str) -> Examined:
    return Examined([], Prose(why))


def _unobserved(plan: Plan, hosts: Mapping[str, Host]) -> list[dict[str, Any]]:
    """The hosts whose answers lack something, and what they are in the flows."""
    roles: dict[str, set[str]] = {}
    for entry in plan.entries:
        for name, role in _parties(entry):
            roles.setdefault(name, set()).add(role)
    return [
        {
            "host": name,
            "kind": host.gap.kind,
            "why": unwrapped(host.gap.why or f"it {host.gap.told}"),
            "phase": host.gap.phase,
            "roles": sorted(roles[name]),
        }
        for name, host in hosts.items()
        if host.gap
    ]


def _names(plan: Plan) -> list[str]:
    return list(dict.fromkeys(name for entry in plan.entries for name in (entry.client, *entry.via, entry.server) if name))


def _host(name: str, phases: Mapping[str, Mapping[str, Any]], not_in_play: bool) -> Host:
    failures = {phase: str(answer["failure"].get("message", "failed")) for phase, answer in phases.items() if answer.get("failure")}
    host = read_host(name, {phase: answer.get("evidence") for phase, answer in phases.items()}, failures)
    unreachable = [
        Prose(str(answer["failure"].get("message", "unreachable"))) for answer in phases.values() if _kind(answer) == "unreachable"
    ]
    host.unreachable = next(iter(unreachable), None)
    host.gap = gap(phases, not_in_play)
    if host.gap and not host.gap.phase:
        host.lacks("this host", f"it {host.gap.told}")
    return host


def _kind(answer: Mapping[str, Any]) -> object:
    """What kind of failure an answer is, if it is one."""
    return (answer.get("failure") or {}).get("kind")


def _endeavour(entry: Entry) -> tuple[object, ...]:
    """What the entries of one flow with several servers share, where the client dials the same for each."""
    return entry.flow, entry.client, entry.address, entry.port


def _cases(entry: Entry, hosts: Mapping[str, Host], packets: Packets, fleet: Fleet, partners: Sequence[str]) -> list[Case]:
    """A case for each address that the client dialled; one without an address when the name could not be resolved.

    ``partners``: the servers of all entries for which the client dials the same.
    """
    client = hosts[entry.client]
    probes: dict[str, list[Probe]] = {}
    for probe in client.probes:
        if probe.dial == entry.dial and (probe.address in probes or len(probes) < MOST_ADDRESSES):
            probes.setdefault(probe.address, []).append(probe)
    unresolved = any(resolution.dial == entry.dial and resolution.error for resolution in client.resolutions)
    if not probes and not unresolved:
        return []
    parties = {client.name, *entry.via, *filter(None, (entry.server, *partners))}
    cases = []
    for address in probes or {"": []}:
        attempts = [packets.attempt(probe, client.name, parties) for probe in probes.get(address, [])[:MOST_ATTEMPTS]]
        for name in frozenset().union(*(attempt.cut for attempt in attempts)):
            hosts[name].incomplete = hosts[name].incomplete or Prose("it has more packets of one attempt than any handshake")
        cases.append(
            Case(
                entry.flow,
                client,
                hosts[entry.server] if entry.server else None,
                [hosts[via] for via in entry.via],
                address,
                entry.address,
                entry.port,
                entry.timeout,
                entry.source,
                attempts,
                expect=entry.expect,
            )
        )
    for case in cases:
        _order_vias(case)
        _turn_to_owner(case, fleet, partners)
        _stop_at_front(case)
        if case.attempts:
            locate(case)
        else:
            case.outcome = Outcome("unresolved", None, "client.resolve", client.name)
    for case in cases:
        case.siblings = [other for other in cases if other is not case]
    return cases


def _order_vias(case: Case) -> None:
    """Hosts on the way in the order in which the SYN really passed them, where all of them saw one."""
    passed = {
        via.name: min(
            (attempt.when(seen) for attempt in case.attempts for row in attempt.of("syn") if (seen := row.at(via.name, "in"))), default=None
        )
        for via in case.vias
    }
    if None not in passed.values():
        case.vias = sorted(case.vias, key=lambda via: passed[via.name] or 0.0)


def _turn_to_owner(case: Case, fleet: Fleet, partners: Sequence[str]) -> None:
    """Of several servers that share an address, such as a virtual one, the one that has it now is where these handshakes are to end."""
    if case.server is None:
        return
    case.partners = [fleet.hosts[name] for name in dict.fromkeys(partners) if name != case.server.name]
    if case.server_owns(case.address) is not False:
        return
    owners = [owner.host for owner in fleet.owners(case.address, besides=case.hosts) if owner.host.name in partners]
    if len(owners) == 1:
        case.server = owners[0]


def _stop_at_front(case: Case) -> None:
    """A host on the way that owns the address and lets no SYN through, such as a proxy, is where these handshakes end."""
    front = next((via for via in case.vias if via.owns(case.address)), None)
    if front is None or case.server is None or case.server_owns(case.address):
        return
    if not any(attempt.count("syn", case.server.name, "in") for attempt in case.attempts):
        case.vias = case.vias[: list(case.vias).index(front)]
        case.server, case.behind = front, case.server


def _totals(cases: Sequence[Case]) -> Totals:
    """What counters of each host have to account for; attempts that several flows share count once."""
    swallowed, resets, known = Counter[str](), Counter[str](), set[tuple[str, int, int, str]]()
    failing = Counter(
        host.name for case in cases if case.outcome.kind != "completed" for host in {each.name: each for each in case.hosts}.values()
    )
    for case in cases:
        for attempt, outcome in zip(case.attempts, case.outcomes, strict=True):
            key = (case.client.name, attempt.probe.dial, attempt.probe.attempt, attempt.probe.address)
            if key in known or case.server is None:
                continue
            known.add(key)
            if outcome.kind == "unanswered":
                swallowed[case.server.name] += attempt.count("syn", case.server.name, "in")
            elif outcome.kind == "ignored_syn_ack":
                swallowed[case.client.name] += attempt.count("syn_ack", case.client.name, "in")
            resets[case.server.name] += attempt.count("rst", case.server.name, "out", "server")
    return Totals(swallowed, resets, failing=failing)


def _decided(entry: Entry, identity: str, examined: Examined, hosts: Mapping[str, Host], totals: Totals) -> dict[str, Any]:
    """One entry of the report; one that cannot be decided for a fault of ours is undetermined, and says so."""
    for case in examined.cases:
        case.totals = totals

    def undetermined(why: Wording) -> dict[str, Any]:
        return {**_flow(entry, identity, [], hosts), "undecided": [f"this entry cannot be decided: {why}"]}

    if examined.fault:
        return undetermined(examined.fault)
    return contained(undetermined, _flow, entry, identity, examined.cases, hosts)


def _flow(entry: Entry, identity: str, cases: list[Case], hosts: Mapping[str, Host]) -> dict[str, Any]:
    """One entry of the report."""
    explanations = [(case, explain(case)) for case in cases]
    judged = [(case, explanation.causes) for case, explanation in explanations]
    answers: blocked.Answers = sorted(judged, key=lambda pair: -_BY_SEVERITY.index(_case_status(*pair)))
    status = _status(answers)
    would_decide = undecided(answers, status, hosts[entry.client])
    closed = blocked.judge(answers) if entry.expect == "blocked" and answers else None
    if closed:
        status, answers, would_decide = closed.status, closed.answers, [*closed.untested]
    told: dict[tuple[str, str, Wording], tuple[Cause, Finding]] = {}  # once, where several addresses of a name have the same
    for cause, finding in (found for _case, explained in answers for found in explained):
        told.setdefault((cause.code, finding.host, finding.summary), (cause, finding))
    leg, segment = _place(answers[0][0].outcome, answers[0][1]) if answers and status != "ok" else (None, None)
    outcome = answers[0][0].outcome if answers else Outcome("silent")
    addresses = [case.address for case in cases if case.address]
    return {
        "name": entry.flow,
        "id": identity,
        "client": entry.client,
        "server": entry.server,
        "address": entry.address,
        "port": entry.port,
        "dialled": entry.address,
        "resolved": addresses,
        "source": entry.source,
        "via": list(entry.via),
        "status": status,
        "leg": leg,
        "segment": segment,
        "between": list(outcome.between) if outcome.between and status != "ok" else None,
        "last_seen": {"host": outcome.last_seen.host, "interface": outcome.last_seen.interface}
        if outcome.last_seen and status != "ok"
        else None,
        "causes": [_cause(cause, finding) for cause, finding in told.values()],
        "undecided": unwrapped(would_decide),
        "expect": entry.expect,
        "blocked_by": [{**_cause(*found), "fix": None} for found in closed.by] if closed else [],
        "remarks": _remarks(explanations, closed.remarks if closed else ()),
        "unexplained": [] if closed and status == "ok" else _unexplained(explanations),
        "probes": _probes([probe for case in cases for probe in case.probes]),
        "timeline": timeline(cases),
        "vantages": [_vantage(hosts[name], role) for name, role in _parties(entry)],
        "clock": _clocks(cases),
        "not_observed": _not_observed([hosts[name] for name, _role in _parties(entry)], judged),
    }


def _case_status(case: Case, explained: Sequence[tuple[Cause, Finding]]) -> str:
    outcomes = case.outcomes or [case.outcome]
    completed = sum(outcome.completed for outcome in outcomes)
    if completed == len(outcomes):
        return "degraded" if any(outcome.recovered for outcome in outcomes) or explained else "ok"
    unfinished = bool(explained) and explained[0][1].leg == "ack"
    if completed or (all(outcome.completed or outcome.kind in DEGRADING for outcome in outcomes) and not unfinished):
        return "degraded"
    return "broken" if explained else "undetermined"


def _status(answers: Sequence[tuple[Case, Sequence[tuple[Cause, Finding]]]]) -> str:
    """Several addresses behind a name: while one of them connects, the flow is degraded, not broken."""
    statuses = [_case_status(case, explained) for case, explained in answers]
    if not statuses:
        return "undetermined"
    if len(set(statuses)) > 1 and ("ok" in statuses or "degraded" in statuses):
        return "degraded"
    return max(statuses, key=_BY_SEVERITY.index)


def _place(outcome: Outcome, findings: Sequence[tuple[Cause, Finding]]) -> tuple[str | None, str | None]:
    if not findings:
        return outcome.leg, outcome.segment
    first = findings[0][1]
    early = first.segment in ("client.resolve", "client.socket") and first.leg is None
    return (None if early else first.leg or outcome.leg), first.segment


def _cause(cause: Cause, finding: Finding) -> dict[str, Any]:
    return {
        "code": cause.code,
        "title": cause.title,
        "host": finding.host,
        "certainty": finding.certainty,
        "segment": finding.segment,
        "summary": unwrapped(finding.summary),
        "evidence": unwrapped([asdict(seen) for seen in finding.evidence]),
        "against": unwrapped([asdict(seen) for seen in finding.against]),
        "detail": unwrapped(finding.detail),
        "fix": unwrapped(asdict(finding.fix)) if finding.fix else None,
    }


def _remarks(explanations: Sequence[tuple[Case, Explanation]], more: Sequence[Wording]) -> list[str]:
    """What is only worth a word, and what was seen beside handshakes that are well, or whose cause is proven."""
    found = [(finding.host, finding.summary) for _case, each in explanations for _cause, finding in each.remarks]
    found += [(anomaly.host, anomaly.text) for anomaly in _left_over(explanations, settled=True)]
    told = [f"{summary}" if host == ON_THE_WAY else f"{host}: {summary}" for host, summary in found]
    return list(dict.fromkeys([*told, *(f"{sentence}" for sentence in more)]))


def _unexplained(explanations: Sequence[tuple[Case, Explanation]]) -> list[dict[str, Any]]:
    return [
        {"kind": each.kind, "host": each.host, "source": each.source, "observation": unwrapped(each.text)}
        for each in dict.fromkeys(_left_over(explanations, settled=False))
    ]


def _left_over(explanations: Sequence[tuple[Case, Explanation]], settled: bool) -> list[Anomaly]:
    """What no cause accounts for, in cases that are well or in the others; in none of the others where a cause is proven."""
    proven = any(finding.certainty == "proven" for _case, each in explanations for _cause, finding in each.causes)
    return [
        anomaly
        for case, each in explanations
        if (proven or _case_status(case, each.causes) == "ok") is settled
        for anomaly in each.unexplained
    ]


def _probes(probes: Sequence[Probe]) -> dict[str, Any]:
    times = [probe.elapsed_ms for probe in probes if probe.connected and probe.elapsed_ms is not None]
    errors = Counter(probe.final_errno or "ETIMEDOUT" for probe in probes if not probe.connected and probe.stage != CAPTURED)
    return {
        "attempts": len(probes),
        "connected": sum(probe.connected for probe in probes),
        "errors": dict(sorted(errors.items())),
        "connect_ms": round(median(times), 3) if times else None,
        "detail": [
            {
                "attempt": probe.attempt,
                "address": probe.address,
                "outcome": probe.outcome,
                "errno": probe.final_errno,
                "elapsed_ms": probe.elapsed_ms,
                "late_ms": probe.late_ms,
                "local_port": probe.local_port,
            }
            for probe in probes[:100]
        ],
    }


def _parties(entry: Entry) -> list[tuple[str, str]]:
    ends = [(entry.server, "server")] if entry.server and entry.server != entry.client else []
    return [(entry.client, "client"), *((via, "via") for via in entry.via), *ends]


_UNRECORDED = ("recording", "this host", *(f"phase {phase}" for phase in PHASES))  # absent parts without which there is no recording


def _vantage(host: Host, role: str) -> dict[str, Any]:
    why = next((absence.why for absence in host.absent if absence.what in _UNRECORDED), None)
    return {"host": host.name, "role": role, "recorded": host.observations is not None, "why": unwrapped(host.incomplete or why)}


def _clocks(cases: Sequence[Case]) -> dict[str, dict[str, float | None]]:
    """The tightest estimate of each host's clock against the client's."""
    clocks = [item for case in cases for attempt in case.attempts for item in attempt.clocks.items()]
    best = sorted(clocks, key=lambda item: float("inf") if item[1].error is None else item[1].error, reverse=True)
    return {
        host: {"offset_ms": round(clock.offset * 1000, 3), "error_ms": None if clock.error is None else round(clock.error * 1000, 3)}
        for host, clock in best
    }


def _not_observed(hosts: Sequence[Host], judged: Sequence[tuple[Case, Sequence[tuple[Cause, Finding]]]]) -> list[str]:
    """What could not be seen, and where what was seen contradicts what was evaluated."""
    absent = [f"{host.name}: {absence.what}: {absence.why}" for host in hosts for absence in host.absent]
    told = [sentence for case, found in judged for sentence in contradictions(case, [finding for _cause, finding in found])]
    ends = [sentence for case, _found in judged if (sentence := told_of(case))]
    return list(dict.fromkeys([*absent, *ends, *told]))


def _identity(entry: Entry, taken: set[str]) -> str:
    """A file-name-safe name for an entry, unique in the report."""
    text = f"{entry.flow}-{entry.client}-{entry.server or 'unmanaged'}-{entry.address}-{entry.port}"
    slug = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._-")[:100] or "flow"
    identity, number = slug, 1
    while identity in taken:
        number += 1
        identity = f"{slug}-{number}"
    taken.add(identity)
    return identity
