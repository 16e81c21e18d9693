# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""From evidence to cases: the hosts as they answered, and what is known of each entry of the plan before causes are asked for."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .._faults import contained
from .._model.evidence import read_host
from .._model.host import Host
from .._model.lean import Lean, whole
from .._model.prose import Prose
from .._plan.declared import Declared
from .._plan.gaps import gap
from .._plan.plan import FOLLOW_UP, Entry, Plan
from .case import Case
from .cases import cases_of
from .fleet import Fleet
from .plainly_well import PlainlyWell
from .timeline import Packets


@dataclass(frozen=True, slots=True)
class Examined:
    """How far the handshakes of one of the plan's entries came; ``fault``: why that could not be worked out."""

    cases: Sequence[Case] = ()
    fault: Prose | None = None
    well: Sequence[float] | None = None
    """Of one that is plainly well, how many milliseconds its attempts took: nothing more is to be worked out."""


def examine(
    plan: Plan, evidence: Mapping[str, Mapping[str, Mapping[str, Any]]], *, short: bool = False, closely: Container[str] = ()
) -> tuple[dict[str, Host], list[Examined]]:
    """The hosts by name, and what is known of each of the plan's entries before causes are asked for.

    With ``short`` those that are plainly well have no cases, but for those between two hosts that are to be looked at ``closely``.
    """
    names, declared = plan.parties(), Declared(plan.addresses)
    nobody: list[Sequence[float] | None] = [None] * len(plan.entries)

    def read(name: str) -> Host:
        return contained(partial(_unreadable, name), _host, name, evidence.get(name, {}), name in plan.not_in_play)

    hosts, well = contained(lambda _why: ({}, nobody), _short_way, plan, declared, read, closely) if short else ({}, nobody)
    hosts = hosts or {name: read(name) for name in names}
    packets, fleet = Packets(), Fleet(hosts)
    for host in hosts.values():
        if not isinstance(host, Lean):
            contained(partial(_without_packets, host), packets.add, host)
    partners: dict[object, list[str]] = {}
    for entry in plan.entries:
        partners.setdefault(_endeavour(entry), []).extend(filter(None, [entry.server]))
    examined = [
        Examined(well=times) if times else contained(_unexamined, _examined, entry, hosts, packets, fleet, partners[_endeavour(entry)])
        for entry, times in zip(plan.entries, well, strict=True)
    ]
    for each in examined:
        for case in each.cases:
            case.declared, case.normal = declared, frozenset(plan.normal)
    return hosts, examined


def _short_way(
    plan: Plan, declared: Declared, read: Callable[[str], Host], closely: Container[str]
) -> tuple[dict[str, Host], list[Sequence[float] | None]]:
    """The hosts, lean where only entries that are plainly well concern them, and how long the attempts of these entries took."""
    short_way, names = PlainlyWell(plan.entries, declared, closely), plan.parties()
    noted = {name: _noted(short_way, read(name), read) for name in short_way.order(names)}
    hosts = {name: noted[name] for name in names}
    times = short_way.times(Fleet(hosts))
    concerned = short_way.concerned(times)
    return {name: whole(host) if name in concerned else host for name, host in hosts.items()}, times


def _noted(short_way: PlainlyWell, host: Host, read: Callable[[str], Host]) -> Host:
    return Lean(host, read) if short_way.note(host) else host


def _unreadable(name: str, why: str) -> Host:
    host = Host(name)
    host.lacks("this host", f"what it returned cannot be read: {why}")
    return host


def _without_packets(host: Host, why: str) -> None:
    host.observations = None
    host.lacks("recording", f"it cannot be used: {why}")


def _examined(entry: Entry, hosts: Mapping[str, Host], packets: Packets, fleet: Fleet, partners: Sequence[str]) -> Examined:
    return Examined(cases_of(entry, hosts, packets, fleet, partners))


def _unexamined(why: str) -> Examined:
    return Examined(fault=Prose(why))


def _host(name: str, phases: Mapping[str, Mapping[str, Any]], not_in_play: bool) -> Host:
    failures = {phase: str(answer["failure"].get("message", "failed")) for phase, answer in phases.items() if answer.get("failure")}
    host = read_host(name, {phase: answer.get("evidence") for phase, answer in phases.items()}, failures)
    # What goes wrong in the follow-up costs no more than what that would have shown: it is said there.
    observed = [answer for phase, answer in phases.items() if phase not in FOLLOW_UP]
    unreachable = [Prose(str(answer["failure"].get("message", "unreachable"))) for answer in observed if _kind(answer) == "unreachable"]
    host.unreachable = next(iter(unreachable), None)
    for answer in observed:
        if _kind(answer) == "controller":
            host.unasked = str(answer["failure"]["message"])
    host.gap = gap(phases, not_in_play)
    if host.gap and not host.gap.phase:
        host.lacks("this host", f"it {host.gap.phrase}")
    return host


def _kind(answer: Mapping[str, Any]) -> object:
    """What kind of failure an answer is, if it is one."""
    return (answer.get("failure") or {}).get("kind")


def _endeavour(entry: Entry) -> tuple[object, ...]:
    """The key that entries of one flow with several servers share where the client dials the same address for each."""
    return entry.flow, entry.client, entry.address, entry.port
