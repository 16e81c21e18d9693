# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Several runs as one: each entry by the run in which its client tried, the other hosts by evidence of the same time. Pure.

Times are those of the controllers, which hosts cannot choose. Where two controllers recorded them, the hosts' own must not say otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .._values.times import iso
from .plan import PHASES, TRACE_PHASES, Entry, Key, Plan, parties

APART = "apart"
"""The kind of failure of a host that was observed, but not while the client tried."""

Answers = Mapping[str, Mapping[str, Any]]
"""Of a host, by phase."""


@dataclass(frozen=True)
class View:
    """Entries of a plan that are decided together, with the same evidence of each host."""

    entries: tuple[Entry, ...]
    evidence: Mapping[str, Answers]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run: its plan, and what its hosts returned."""

    plan: Plan
    started: str
    controller: str
    source: str
    """The directory or file that it was read from."""
    answers: Mapping[str, Answers]

    @cached_property
    def span(self) -> tuple[float, float] | None:
        """When it was under way; None where its evidence does not say."""
        times = [_times(answer) for phases in self.answers.values() for answer in phases.values()]
        known = [each for each in times if each]
        return (min(asked for asked, _ended in known), max(ended for _asked, ended in known)) if known else None

    @cached_property
    def keys(self) -> frozenset[Key]:
        """What its entries are known by."""
        return frozenset(entry.key for entry in self.plan.entries)

    def overlaps(self, other: Run) -> bool:
        """Whether both were under way at the same time, as far as is known."""
        if self is other:
            return True
        return bool(self.span and other.span and self.span[0] <= other.span[1] and other.span[0] <= self.span[1])

    def observed(self, host: str) -> tuple[float, float] | None:
        """From when to when a server or a host on the path was surely observed."""
        phases = self.answers.get(host, {})
        opened, closed = (_times(phases[phase]) if phase in phases else None for phase in ("open", "close"))
        return (opened[1], closed[0]) if opened and closed else None

    def tried(self, host: str) -> tuple[float, float] | None:
        """From when to when a client tried."""
        phases = self.answers.get(host, {})
        return _times(phases["try"]) if "try" in phases else None


@dataclass(frozen=True)
class Merged:
    """What several runs are decided as."""

    plan: Plan
    views: tuple[View, ...]
    started: str


@dataclass(frozen=True)
class _Choice:
    """The run whose evidence of a host is taken; None where it was observed `apart`, in words."""

    run: Run | None
    traces: bool = True
    """Whether that of the phases that trace counts: what was tried once more was tried in one run alone."""
    apart: str = ""


def merge(runs: Sequence[Run], run: str) -> Merged:
    """The plan of all of them, called `run`, and how it is decided."""
    entries: dict[Key, Entry] = {}
    grouped: list[_Group] = []
    for key, (client_run, entry) in _chosen(runs).items():
        entries[key] = entry
        choices = _choices(entry, client_run, runs)
        group = next((each for each in grouped if each.takes(choices)), None)
        if group is None:
            grouped.append(group := _Group())
        group.add(entry, choices)
    normal = tuple(each for each in runs[0].plan.normal if all(each in other.plan.normal for other in runs))
    plan = Plan(
        run,
        tuple(entry for group in grouped for entry in group.entries),
        {},
        not_in_play=tuple(sorted(host for host in parties(entries.values()) if not any(each.answers.get(host) for each in runs))),
        addresses=_united(each.plan.addresses for each in runs),
        normal=normal,
        groups=_united(each.plan.groups for each in runs),
    )
    return Merged(plan, tuple(group.view() for group in grouped), min(each.started for each in runs))


@dataclass
class _Group:
    """Entries whose choices agree."""

    entries: list[Entry] = field(default_factory=list)
    choices: dict[str, _Choice] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)

    def takes(self, choices: Mapping[str, _Choice]) -> bool:
        """Whether an entry with these may be decided with the others, which includes that all was seen at one time."""
        if any(_agreed(self.choices[host]) != _agreed(choice) for host, choice in choices.items() if host in self.choices):
            return False
        new = [each.run for each in choices.values() if each.run and id(each.run) not in self.runs]
        return all(one.overlaps(other) for one in new for other in self.runs.values())

    def add(self, entry: Entry, choices: Mapping[str, _Choice]) -> None:
        self.entries.append(entry)
        for host, choice in choices.items():
            self.choices.setdefault(host, choice)
        self.runs.update((id(each.run), each.run) for each in choices.values() if each.run)

    def view(self) -> View:
        return View(tuple(self.entries), {host: _evidence(host, choice) for host, choice in self.choices.items()})


def _agreed(choice: _Choice) -> tuple[int, bool, str]:
    return id(choice.run), choice.traces, choice.apart


def _chosen(runs: Sequence[Run]) -> dict[Key, tuple[Run, Entry]]:
    """Of each entry the run in which its client tried, the last one where there are several."""
    found: dict[Key, tuple[tuple[bool, bool, float], Run, Entry]] = {}
    for run in runs:
        for entry in run.plan.entries:
            key = entry.key
            answer = run.answers.get(entry.client, {}).get("try")
            times = _times(answer) if answer else None
            worth = (answer is not None, bool(answer and not answer.get("failure")), times[1] if times else 0.0)
            if key not in found or worth > found[key][0]:
                found[key] = (worth, run, entry)
    return {key: (run, entry) for key, (_worth, run, entry) in found.items()}


def _choices(entry: Entry, client_run: Run, runs: Sequence[Run]) -> dict[str, _Choice]:
    """Whose evidence of each host of an entry is taken."""
    others = [host for host in dict.fromkeys((*entry.via, entry.server)) if host and host != entry.client]
    found = {entry.client: _Choice(client_run), **{host: _choice(host, entry, client_run, runs) for host in others}}
    if len({id(each.run) for each in found.values() if each.run}) == 1:
        return found
    return {host: _Choice(each.run, not _is_traced(each.run, host), each.apart) for host, each in found.items()}


def _choice(host: str, entry: Entry, client_run: Run, runs: Sequence[Run]) -> _Choice:
    tried = client_run.tried(entry.client)
    if client_run.answers.get(host) or tried is None:
        return _Choice(client_run)
    elsewhere = [run for run in runs if run.answers.get(host)]
    reasons = []
    for run in elsewhere:
        why = _useless(run, host, entry, tried) or _doubted(run, host, entry, client_run)
        if why is None:
            return _Choice(run)
        reasons.append(f"in run {run.plan.run} {why}")
    return _Choice(None, apart=f"it was observed {', and '.join(reasons)}") if reasons else _Choice(client_run)


def _useless(run: Run, host: str, entry: Entry, tried: tuple[float, float]) -> str | None:
    """Why what a host returned in a run says nothing of what a client tried in another one; None where it does.

    A recording is reduced to the run's own handshakes, unless the run did not reach some client.
    """
    if entry.client not in run.plan.not_in_play or entry.key not in run.keys:
        return f"only for other handshakes than those of {entry.client} with {entry.address} port {entry.port}"
    observed = run.observed(host)
    if observed is None:
        return "at times that its evidence does not show"
    if observed[0] <= tried[0] and tried[1] <= observed[1]:
        return None
    return f"from {iso(observed[0])} to {iso(observed[1])}, but {entry.client} tried from {iso(tried[0])} to {iso(tried[1])}"


def _doubted(run: Run, host: str, entry: Entry, client_run: Run) -> str | None:
    """Why the times of two controllers are not believed: by the hosts' own clocks, the host did not record while the client tried."""
    if run.controller == client_run.controller:
        return None
    recorded = _part(run.answers.get(host, {}), "close", "recording")
    probes = _part(client_run.answers.get(entry.client, {}), "try", "probes")
    own = [probe for probe in probes if isinstance(probe, Mapping) and probe.get("dial") == entry.dial] if isinstance(probes, list) else []
    times = [float(probe["started"]) for probe in own if _is_time(probe.get("started"))]
    if not isinstance(recorded, Mapping) or not times or not (_is_time(recorded.get("from")) and _is_time(recorded.get("to"))):
        return None
    begin, end = float(recorded["from"]), float(recorded["to"])
    if begin <= min(times) and max(times) <= end:
        return None
    tried = f"{entry.client} tried from {iso(min(times))} to {iso(max(times))} by its"
    differ = f"their clocks differ, or those of {run.controller} and {client_run.controller}"
    return f"from {iso(begin)} to {iso(end)} by its own clock, but {tried}: {differ}"


def _part(phases: Answers, phase: str, name: str) -> object:
    """A part of what a host returned in a phase; None where it did not."""
    evidence = (phases.get(phase) or {}).get("evidence")
    return evidence.get(name) if isinstance(evidence, Mapping) else None


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_traced(run: Run | None, host: str) -> bool:
    return bool(run and run.answers.get(host, {}).keys() & set(TRACE_PHASES))


def _evidence(host: str, choice: _Choice) -> Answers:
    if choice.run is None:
        failure = {"kind": APART, "message": choice.apart}
        return {PHASES[0]: {"host": host, "phase": PHASES[0], "failure": failure, "evidence": None}}
    phases = choice.run.answers.get(host, {})
    return phases if choice.traces else {phase: answer for phase, answer in phases.items() if phase not in TRACE_PHASES}


def _times(answer: Mapping[str, Any]) -> tuple[float, float] | None:
    """When a host was asked, and when it had answered; None where that was not kept."""
    at, seconds = answer.get("at"), answer.get("seconds")
    if not (_is_time(at) and _is_time(seconds)):
        return None
    return float(at or 0.0) - float(seconds or 0.0), float(at or 0.0)


def _united(several: Iterable[Mapping[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for each in several:
        for name, values in each.items():
            found.setdefault(name, {}).update(dict.fromkeys(values))
    return {name: tuple(values) for name, values in found.items()}
