# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""From what hosts returned and what their baselines say to the drift report: the document of drift.json, see docs/drift.md."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from .._faults import contained
from .._model.prose import Prose, unwrapped
from .._plan.plan import Plan
from . import words
from .back import back
from .baseline import Baseline, render
from .compare import Difference, differences, not_compared, same_change
from .danger import dangers
from .expect import broken
from .mended import code_of
from .parts import Part, parts
from .state import State

SCHEMA = "threeway.handshake/drift/1"
MOST_DIFF = 2000
"""Lines of one host's unified diff."""
Report = dict[str, Any]

_ALWAYS_MENDED = ("neighbour", "reboot", "service", "sysctl")


@dataclass(frozen=True)
class Observed:
    """What a host returned. ``failure``: why it returned nothing; else None. ``absent``: (what, why) of each part that it could not see."""

    state: State = field(default_factory=State)
    absent: tuple[tuple[str, Prose], ...] = ()
    failure: Prose | None = None


def baselines(plan: Plan, observed: Mapping[str, Observed], expectations: Mapping[str, Mapping[str, str]]) -> dict[str, Baseline]:
    """A baseline for each host that could be observed. ``expectations``: host -> name -> expression."""
    mine = parts(plan, {host: each.state for host, each in observed.items()})
    return {
        host: Baseline(
            host,
            each.state,
            tuple(sorted({str(part) for part in mine.get(host, ())})),
            tuple(what for what, _why in each.absent),
            expectations.get(host, {}),
        )
        for host, each in observed.items()
        if each.failure is None
    }


def conclude(
    plan: Plan,
    observed: Mapping[str, Observed],
    kept: Mapping[str, Baseline | str],
    expectations: Mapping[str, Mapping[str, str]],
    started: str,
    finished: str,
) -> Report:
    """``kept``: each host's baseline, or the sentence that says why there is none. Pure: times are given as ISO 8601 text."""
    before = {host: each.state for host, each in kept.items() if isinstance(each, Baseline)}
    mine = parts(plan, {host: each.state for host, each in observed.items()}, before)
    now = baselines(plan, observed, expectations)
    names = plan.parties()
    hosts = [
        contained(
            partial(_unfinished, host),
            _host,
            host,
            observed.get(host),
            kept.get(host, "there is no baseline"),
            now.get(host),
            mine.get(host, []),
            expectations.get(host, {}),
        )
        for host in sorted(names)
    ]
    drifts = [drift for host in hosts for drift in host["drifts"] if not drift["known"]]
    flows = _flows(plan, mine, hosts)
    return {
        "schema": SCHEMA,
        "run": plan.run,
        "started": started,
        "finished": finished,
        "summary": {
            "hosts": len(hosts),
            "compared": sum(host["problem"] is None for host in hosts),
            "drifts": len(drifts),
            "endangering": sum(drift["severity"] == "endangering" for drift in drifts),
            "harmless": sum(drift["severity"] == "harmless" for drift in drifts),
            "known": sum(drift["known"] for host in hosts for drift in host["drifts"]),
            "expectations_broken": sum(not each["holds"] for host in hosts for each in host["expectations"]),
            "not_compared": sum(host["problem"] is not None or bool(host["not_compared"]) for host in hosts),
            "flows": len(flows),
            "flows_endangered": sum(bool(flow["causes"]) for flow in flows),
        },
        "hosts": hosts,
        "flows": flows,
    }


def _unfinished(host: str, problem: str | None) -> Report:
    return {"host": host, "problem": problem, "not_observed": [], "not_compared": [], "drifts": [], "expectations": [], "diff": []}


def _host(
    host: str,
    seen: Observed | None,
    baseline: Baseline | str,
    now: Baseline | None,
    mine: list[Part],
    expectations: Mapping[str, str],
) -> Report:
    problem = "it is not among the hosts of this play (--limit?)" if seen is None else unwrapped(seen.failure)
    problem = problem or (baseline if isinstance(baseline, str) else None)
    report = _unfinished(host, problem)
    if seen is not None:
        report["not_observed"] = [f"{what}: {why}" for what, why in seen.absent]
    if seen is None or problem or now is None or isinstance(baseline, str):
        return report
    state = seen.state
    report["not_compared"] = not_compared(baseline.state, state)
    found = [*differences(baseline.state, state), *_known(baseline.state, state), *_of_flows(baseline.flows, now.flows)]
    report["drifts"] = [_drift(host, each, mine, baseline.state, state) for each in found]
    wanted = {**baseline.expectations, **expectations}
    failing = broken(wanted, state.to_json())
    report["expectations"] = [
        {"name": name, "expect": expression, "holds": name not in failing, "found": failing.get(name)}
        for name, expression in sorted(wanted.items())
    ]
    report["diff"] = _diff(baseline, replace(now, expectations=baseline.expectations))
    return report


def _drift(host: str, difference: Difference, mine: list[Part], kept: State, now: State) -> Report:
    endangered: dict[str, str] = {}
    for part, how in dangers(difference, mine, kept, now):
        endangered.setdefault(part.id, how)
    known = difference.change == "known"
    fix = back(host, difference, kept) if endangered or difference.kind in _ALWAYS_MENDED else None
    return {
        "kind": difference.kind,
        "name": difference.name,
        "change": difference.change,
        "known": known,
        "severity": "endangering" if endangered else "harmless",
        "summary": words.sentence(difference),
        "before": None if known else difference.before,
        "after": difference.after,
        "endangers": [{"flow": flow, "how": how} for flow, how in endangered.items()],
        "fix": unwrapped(asdict(fix)) if fix else None,
    }


def _known(before: State, now: State) -> list[Difference]:
    """What a reboot would change, as the baseline has it."""
    kept = before.to_json().get("reboot", ())
    return [
        Difference("reboot", f"{each['kind']} {each['name']}", "known", each, each)
        for each in now.to_json().get("reboot", ())
        if any(same_change(each, other) for other in kept)
    ]


def _of_flows(before: Iterable[str], now: Iterable[str]) -> list[Difference]:
    """Other flows are declared than when the baseline was written: that is reported, because other state belongs to them."""
    added, removed = sorted(set(now) - set(before)), sorted(set(before) - set(now))
    return [Difference("flow", flow, change, None, None) for change, flows in (("added", added), ("removed", removed)) for flow in flows]


def _diff(baseline: Baseline, now: Baseline) -> list[str]:
    """Unified, without headers. What could not be observed this time is taken from the baseline: it did not go away."""
    lacking = {part: getattr(baseline.state, part) for part in not_compared(baseline.state, now.state)}
    now = replace(now, state=replace(now.state, **lacking))
    lines = list(difflib.unified_diff(render(baseline).splitlines(), render(now).splitlines(), lineterm="", n=3))[2:]
    left_out = len(lines) - MOST_DIFF
    return lines[:MOST_DIFF] + ([f"... and {left_out} more lines"] if left_out > 0 else [])


def _flows(plan: Plan, mine: Mapping[str, list[Part]], hosts: Iterable[Report]) -> list[Report]:
    """Each handshake with what endangers it, in the shape of a report's causes: those that are endangered first."""
    found: dict[str, Report] = {}
    for part in (part for each in mine.values() for part in each):
        entry = part.entry
        found[part.id] = {
            "id": part.id,
            "name": entry.flow,
            "client": entry.client,
            "server": entry.server,
            "address": entry.address,
            "port": entry.port,
            "causes": [],
        }
    for host in hosts:
        for drift in host["drifts"]:
            for danger in drift["endangers"] if not drift["known"] else ():
                found[danger["flow"]]["causes"].append(_cause(host["host"], drift, danger["how"]))
    order = {id_: number for number, id_ in enumerate(found)}
    return sorted(found.values(), key=lambda flow: (not flow["causes"], order[flow["id"]]))


def _cause(host: str, drift: Report, how: str) -> Report:
    return {
        "code": code_of(drift),
        "host": host,
        "certainty": "proven",  # that it differs, and that the handshake depends on it
        "summary": how,
        "evidence": [{"host": host, "source": "state", "observation": drift["summary"]}],
        "fix": drift["fix"],
    }
