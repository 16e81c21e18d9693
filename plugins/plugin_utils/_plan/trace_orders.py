# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""From the evidence of a diagnosis to what its hosts must do to look deeper into the handshakes that broke. Pure.

Two things are traced: what nf_tables does to their packets, and which of them the kernel drops, and why. And servers behind a balancer are
dialled directly, where handshakes that it takes are not well; and where they complete, the sizes of packets that pass are measured.
Then the changes of firewalls that the report will offer are rehearsed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._trace.table import MAX_FLOWS, Flow

from .._decide import rehearsals
from .._decide.answer import Judged
from .._decide.case import Case
from .._decide.status import DEGRADING
from .._faults import contained
from .._model.host import Host
from .bypass import Bypass
from .path_sizes import PathSizes
from .plan import REHEARSE, TRACE_PHASES, Entry, Plan

MAX_TIMEOUT = 3.0  # seconds for a handshake that did not complete before: what is dropped is so at once, or at the second SYN

MAX_PACED = 1  # destinations of a client to which SYNs are sent at several rates: that takes 12 seconds

MAX_REHEARSED = 20  # changes of one host
REHEARSAL_SECONDS = 10.0  # for all of them, as option `seconds` of module firewall_rehearsal

Orders = dict[str, dict[str, Any]]


@dataclass
class _Part:
    """What one host has to do."""

    watches: bool = False
    flows: dict[Flow, None] = field(default_factory=dict)
    """those whose way through nf_tables is traced"""
    drops: dict[Flow, None] = field(default_factory=dict)
    """those of which dropped packets are traced; `ack` is False"""
    dials: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    paces: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    """those whose SYNs are sent at several rates"""
    left_out: int = 0


@dataclass(frozen=True)
class FollowUp:
    """What hosts are asked once it is known what broke, by their names; docs/evidence.md has the orders."""

    traces: Orders
    rehearsals: Orders
    """Empty where there is something to trace: what is offered is known only after that."""


def follow_up(
    plan: Plan,
    judged: Judged,
    orders: Mapping[str, Mapping[str, Any]],
    depths: Mapping[str, str] | None = None,
    traced: bool = False,
) -> FollowUp:
    """The orders for the trace phases, for the handshakes none of whose attempts completed, or for the rehearsal of what is offered.

    `orders`: the work orders of the first three round trips. `depths`: what each host may be asked, `full` by default: `quick`,
    nothing more; `normal`, what its kernel drops of handshakes whose cause is not proven; `full`, also what nf_tables does. A host that is
    asked for nothing more tries its handshakes once more, where another host wants that. `traced`: whether the trace phases are over.
    """
    depths = dict.fromkeys(orders, "full") if depths is None else depths
    traces = {} if traced else _traces(plan, judged, orders, depths)
    if traces:
        return FollowUp(traces, {})
    willing = {name for name in orders if depths.get(name, "quick") != "quick" and name in judged.hosts and _answered(judged.hosts[name])}
    wanted = {host: fixes for host, fixes in rehearsals.asked(judged.answers).items() if host in willing}
    return FollowUp({}, {host: _rehearsal(plan.run, host, fixes) for host, fixes in wanted.items()})


def _rehearsal(run: str, host: str, fixes: list[dict[str, Any]]) -> dict[str, Any]:
    """With what is one too many, so that its fix can say so."""
    left_out = [{name: fix[name] for name in ("digest", "uses")} for fix in fixes[MAX_REHEARSED:]]
    return {
        "run": run,
        "host": host,
        "phases": [REHEARSE],
        "seconds": REHEARSAL_SECONDS,
        "rehearsal": fixes[:MAX_REHEARSED],
        "not_rehearsed": [{**fix, "why": f"no more than {MAX_REHEARSED} changes of one host are rehearsed"} for fix in left_out],
    }


def _traces(
    plan: Plan,
    judged: Judged,
    orders: Mapping[str, Mapping[str, Any]],
    depths: Mapping[str, str],
) -> Orders:
    parts: dict[str, _Part] = {}
    bypass, sizes = Bypass(), PathSizes()
    deep = {host for host, depth in depths.items() if depth == "full" and host in judged.hosts and _answered(judged.hosts[host])}
    for entry, each, answer in zip(judged.entries, judged.examined, judged.answers, strict=True):
        proven = answer.decisive is not None and answer.decisive[1].certainty == "proven"
        asked = {host: depth for host, depth in depths.items() if depth == "full" or (depth == "normal" and not proven)}
        for case in each.cases:
            contained(partial(_left_out, parts, case), _add, parts, entry, case, asked)
            if case.behind is not None and answer.status != "ok" and entry.expect == "open":
                willing = {host.name for host in case.hosts if _answered(host) and depths.get(host.name, "quick") != "quick"}
                contained(partial(_left_out, parts, case), bypass.add, case, willing, min(case.timeout, MAX_TIMEOUT))
            if case.completed and entry.expect == "open":
                contained(partial(_left_out, parts, case), sizes.add, case, deep)
                contained(partial(_left_out, parts, case), _pace, parts, entry, case, deep)
    for name in (*(name for name, _end in bypass.dials), *sizes.hosts()):
        parts.setdefault(name, _Part())
    found = {name: _order(plan.run, orders[name], part, bypass.of(name), sizes) for name, part in sorted(parts.items()) if name in orders}
    return {name: order for name, order in found.items() if order["phases"]}


def _broke(case: Case) -> bool:
    """Whether no attempt completed, and not for lack of a packet: without a way or a port the kernel makes none."""
    tried = any(probe.local_address for probe in case.probes)
    connects = all(outcome.kind in (*DEGRADING, "stood_in") for outcome in case.outcomes)
    return tried and not case.second_hand and not case.completed and not connects


def _left_out(parts: dict[str, _Part], case: Case, _why: str) -> None:
    """What evidence makes impossible to trace costs no other handshake."""
    parts.setdefault(case.client.name, _Part()).left_out += 1


def _add(parts: dict[str, _Part], entry: Entry, case: Case, asked: Mapping[str, str]) -> None:
    """Add a case that broke to the parts of its hosts, unless none of them may trace, or one has no room for it."""
    if not _broke(case):
        return
    wanted = {host.name: _flows(case, host) for host in case.hosts if _answered(host) and host.name in asked}
    if not wanted:
        return
    inside = {host.name: sent_on(host, wanted[host.name]) for host in case.hosts if host.name in wanted}
    for name, flows in wanted.items():
        part = parts.setdefault(name, _Part())
        if len({flow._replace(ack=False) for flow in (*part.flows, *part.drops, *flows, *inside[name])}) > MAX_FLOWS:
            part.left_out += 1
            return
    for name, flows in wanted.items():
        if asked[name] == "full":
            parts[name].flows.update(dict.fromkeys(flows))
        parts[name].drops.update(dict.fromkeys(flow._replace(ack=False) for flow in (*flows, *inside[name])))
        parts[name].watches |= bool(flows) and any(name == host.name for host in (*case.vias, case.server) if host)
    parts.setdefault(case.client.name, _Part()).dials[entry.dial, case.address] = _dial(entry, case)


def _pace(parts: dict[str, _Part], entry: Entry, case: Case, deep: Container[str]) -> None:
    """Some SYNs get lost on the way, and others pass: whether their rate decides is asked of the client."""
    lost = any(outcome.kind == "lost_syn" for outcome in case.outcomes)
    if not lost or case.second_hand or case.client.name not in deep:
        return
    part = parts.setdefault(case.client.name, _Part())
    if len(part.paces) < MAX_PACED:
        part.paces[entry.dial, case.address] = _dial(entry, case)


def _dial(entry: Entry, case: Case) -> dict[str, Any]:
    dial = {"id": entry.dial, "address": case.address, "port": case.port, "source": case.source, "attempts": 1, "interval": 0.0}
    return {**dial, **({"user": entry.user} if entry.user else {}), "timeout": min(case.timeout, MAX_TIMEOUT)}


def _answered(host: Host) -> bool:
    """With a Python, which it takes to trace."""
    without = host.gap is not None and host.gap.kind == "python"
    return not without and (host.identity is not None or host.observations is not None)


def _flows(case: Case, host: Host) -> list[Flow]:
    """The handshake's addresses as the host sees them, before and after translations; none when no packet of it comes there."""
    ack = case.outcome.kind in ("lost_ack", "ignored_ack")
    found: dict[tuple[str, str, int], None] = {}
    if host is case.client or not host.saw_everything:
        found.update(dict.fromkeys((probe.local_address, case.address, case.port) for probe in case.probes if probe.local_address))
    for attempt in case.attempts:
        for row in attempt.of("syn"):
            for seen in row.seen:
                if seen.host == host.name and seen.packet.tcp:
                    found[seen.packet.src, seen.packet.dst, seen.packet.tcp.dport] = None
        for row in attempt.of("syn_ack"):
            for seen in row.seen:
                if seen.host == host.name and seen.packet.tcp:
                    found[seen.packet.dst, seen.packet.src, seen.packet.tcp.sport] = None
    return [Flow(client, server, port, ack) for client, server, port in found]


def sent_on(host: Host, flows: Iterable[Flow]) -> list[Flow]:
    """The same behind the host's own translation, as its rules, evaluated, have it: what is dropped behind it has these ends."""
    asked = ((flow, host.verdicts.elsewhere([flow.client], flow.server, flow.port)) for flow in flows)
    rewritten = ((flow, verdict.rewritten) for flow, verdict in asked if verdict)
    return [flow._replace(server=to.destination, port=to.port) for flow, to in rewritten if to is not None and to.port]


def _order(run: str, order: Mapping[str, Any], part: _Part, bypass: list[dict[str, Any]], sizes: PathSizes) -> dict[str, Any]:
    listens, measured = sizes.to(order["host"]), sizes.from_(order["host"])
    opens = part.watches or bool(listens)
    takes_part = {"trace_open": opens, "trace_try": bool(part.dials or part.paces or bypass or measured), "trace_close": opens}
    return {
        "run": run,
        "host": order["host"],
        "phases": [phase for phase in TRACE_PHASES if takes_part[phase]],
        "trace_seconds": order["recorder_seconds"],
        "patience": 0.0,
        "settle": order["settle"],
        "trace": [flow._asdict() for flow in part.flows],
        "drops": [{"client": flow.client, "server": flow.server, "port": flow.port} for flow in part.drops],
        "left_out": part.left_out,
        "dials": list(part.dials.values()),
        "bypass": bypass,
        "path_listeners": listens,
        "path_sizes": measured,
        "paces": list(part.paces.values()),
    }
