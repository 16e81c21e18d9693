# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Where the controller keeps a run: the plan, every host's work order and its answers, as files that only their owner can read."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from .._plan.captures import PHASE as CAPTURE
from .._plan.deadlines import Deadlines
from .._plan.plan import FOLLOW_UP, PHASES, REHEARSE, TRACE_PHASES, Plan
from . import directories, runs
from .json_files import EvidenceError, JsonFiles
from .json_files import host_file as _name
from .run_sources import clear_runs

__all__ = ["EvidenceError", "EvidenceFiles", "controller_faults", "unasked"]

KINDS = ("unreachable", "files", "python", "become", "timeout", "interrupted", "module", "malformed", "controller", "play")
_PLAN = "plan.json"
_DEADLINES = "deadlines.json"
_DECIDED = "decided.json"
_ANSWERED = (*PHASES, *FOLLOW_UP, CAPTURE)


class EvidenceFiles(JsonFiles):
    """The directory C(evidence) in a report directory, as one run sees it: what another run wrote is none of its evidence."""

    def __init__(self, report_dir: str, run: str) -> None:
        self.report_dir = Path(report_dir)
        self.run = run
        super().__init__(self.report_dir / "evidence")

    def begin(self, plan: Plan, started: str) -> None:
        """Make the directory ready for this run: nothing of an earlier one stays, the plan and the orders are written.

        EvidenceError where a run that lives uses the directory, OSError.
        """
        runs.take(self.report_dir, self.run, started)
        clear_runs(self.directory)
        self.clear()
        for host, order in plan.orders.items():
            self.write(_name(host, "order"), order)
        if plan.deadlines is not None:
            self.write(_DEADLINES, {"run": self.run, **plan.deadlines.to_json()})
        self.write(_PLAN, {"started": started, "controller": socket.gethostname(), "phases": plan.phases(), **plan.to_json()})

    def keep_plan(self, plan: Plan, started: str) -> None:
        """Write the plan once more: captures add points on the path to it. OSError."""
        self.write(_PLAN, {**self.read(_PLAN), "started": started, **plan.to_json()})

    def check(self) -> None:
        """Refuse a directory that does not belong to this run of this ansible-playbook. EvidenceError, OSError."""
        runs.check(self.report_dir, self.run)

    def plan(self) -> tuple[Plan, str]:
        """The plan, without its orders, and when the run started. EvidenceError."""
        raw = self.read(_PLAN)
        if raw.get("run") != self.run:
            raise EvidenceError(f"the plan in {self.directory} is that of run {raw.get('run')}, and this task belongs to run {self.run}")
        return Plan.from_json(raw), raw["started"]

    def order(self, host: str, phase: str = "open") -> dict[str, Any] | None:
        """A host's work order for a phase; None when it takes no part. EvidenceError."""
        kind = "trace_order" if phase in TRACE_PHASES else "rehearsal_order" if phase == REHEARSE else "order"
        return self._own(_name(host, kind))

    def keep_trace_orders(self, orders: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the work orders for the phases that trace what broke."""
        for host, order in orders.items():
            self.write(_name(host, "trace_order"), order)

    def keep_rehearsal_orders(self, orders: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the work orders for the rehearsal of what is offered."""
        for host, order in orders.items():
            self.write(_name(host, "rehearsal_order"), order)

    def seconds(self, phase: str) -> float:
        """How long to wait for a host that is asked now, 0 for any time. The clock starts with the first task of a phase that opens."""
        raw = self._own(_DEADLINES) if phase in (*PHASES, *FOLLOW_UP) else None
        if raw is None:
            return 0.0
        begun = "trace_begun.json" if phase in FOLLOW_UP else "begun.json"
        with directories.private(self.directory) as directory:
            if phase.endswith("open"):
                directories.create(directory, begun, str(time.monotonic()).encode("ascii"))
            try:
                elapsed = time.monotonic() - float(directories.read(directory, begun))
            except (FileNotFoundError, ValueError):  # no host opens, or the first is about to write it
                elapsed = 0.0
        return Deadlines(**{each.name: float(raw[each.name]) for each in fields(Deadlines)}).seconds(phase, elapsed)

    def keep(self, host: str, phase: str, evidence: Mapping[str, Any], seconds: float = 0.0) -> None:
        """Write what a host returned, which took so long. EvidenceError when that is no JSON."""
        try:
            text = json.dumps({**self._heading(host, phase, seconds), "failure": None, "evidence": evidence}, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise EvidenceError(f"the answer is not JSON: {error}") from error
        self.replace(_name(host, phase), text)

    def keep_partial(self, host: str, phase: str, evidence: Mapping[str, Any], kind: str, message: str, seconds: float = 0.0) -> None:
        """Write what a host returned although it failed: less than it was asked for."""
        failure = {"kind": kind, "message": message}
        self.write(_name(host, phase), {**self._heading(host, phase, seconds), "failure": failure, "evidence": evidence})

    def keep_failure(self, host: str, phase: str, kind: str, message: str, seconds: float = 0.0) -> None:
        """Write why a host returned nothing, and how long it was waited for; `kind` is one of KINDS."""
        failure = {"kind": kind, "message": message}
        self.write(_name(host, phase), {**self._heading(host, phase, seconds), "failure": failure, "evidence": None})

    def answer(self, host: str, phase: str) -> dict[str, Any] | None:
        """What was kept for a host and a phase; None when it took no part. EvidenceError."""
        return self._own(_name(host, phase))

    def answers(self, plan: Plan) -> Mapping[str, Mapping[str, dict[str, Any]]]:
        """Everything that was kept for the plan's hosts, by host and phase. They are read whenever a host is asked for."""
        return _Answers(self, sorted(plan.parties()))

    def of_host(self, host: str) -> dict[str, dict[str, Any]]:
        """Everything that was kept for a host, by phase."""
        found = {phase: self._answer(host, phase) for phase in _ANSWERED}
        return {phase: answer for phase, answer in found.items() if answer is not None}

    def digest(self, plan: Plan, *more: str) -> str:
        """Of the plan and of all answers, and of what else a decision depends on. OSError."""
        names = {_PLAN, *(_name(host, phase) for host in plan.parties() for phase in _ANSWERED)}
        read = hashlib.sha256(json.dumps(more).encode("ascii"))
        with directories.private(self.directory) as directory:
            for name in sorted(names.intersection(os.listdir(directory))):
                content = directories.read(directory, name)
                read.update(json.dumps([name, len(content)]).encode("ascii") + content)
        return read.hexdigest()

    def keep_decided(self, digest: str, decided: Mapping[str, Any]) -> None:
        """Write what was decided by the evidence of a digest. OSError."""
        self.write(_DECIDED, {"digest": digest, "decided": decided})

    def take_decided(self, digest: str) -> dict[str, Any] | None:
        """What `keep_decided` wrote, if it was for the same evidence; it is there once. OSError."""
        try:
            found = self.read_if_there(_DECIDED)
        except EvidenceError:
            return None
        if found is not None:
            self.remove(_DECIDED)
        return found["decided"] if found is not None and found.get("digest") == digest else None

    def missing(self) -> dict[str, list[str]]:
        """The phases of hosts for which nothing was kept, of those that have such. By names alone: nothing of an earlier run is here.

        EvidenceError, OSError.
        """
        phases: dict[str, list[str]] = self.read(_PLAN)["phases"]
        with directories.private(self.directory) as directory:
            kept = set(os.listdir(directory))
        found = {host: [phase for phase in own if _name(host, phase) not in kept] for host, own in phases.items()}
        return {host: own for host, own in found.items() if own}

    def unasked(self) -> list[tuple[str, str]]:
        """The hosts of whose phases none was even begun, and the first of these. EvidenceError, OSError."""
        phases: dict[str, list[str]] = self.read(_PLAN)["phases"]
        return [(host, own[0]) for host, own in self.missing().items() if own == phases[host]]

    def _answer(self, host: str, phase: str) -> dict[str, Any] | None:
        """A file that cannot be read costs that host's part only."""
        try:
            return self.answer(host, phase)
        except (EvidenceError, OSError) as error:
            return {"host": host, "phase": phase, "failure": {"kind": "malformed", "message": str(error)}, "evidence": None}

    def keep_dialled(self, host: str, dialled: list[dict[str, Any]]) -> None:
        """Write the tried handshakes of a client in short, for the hosts that fetch their recordings next."""
        self.write(_name(host, "dialled"), {"run": self.run, "dialled": dialled})

    def dialled(self, host: str) -> list[dict[str, Any]]:
        """What `keep_dialled` wrote; [] when the client returned nothing."""
        found = self._own(_name(host, "dialled")) or {}
        return list(found.get("dialled", []))

    def _heading(self, host: str, phase: str, seconds: float) -> dict[str, Any]:
        when = {"seconds": round(seconds, 2), "at": round(time.time(), 3)}
        return {"run": self.run, "host": host, "phase": phase, **when, "controller": socket.gethostname()}

    def _own(self, name: str) -> dict[str, Any] | None:
        """A document of this run; None where there is none. EvidenceError."""
        found = self.read_if_there(name)
        return found if found is not None and found.get("run") == self.run else None


class _Answers(Mapping[str, Mapping[str, dict[str, Any]]]):
    """The answers of hosts, of which no more than one host's are in memory at a time: those of a large fleet are gigabytes."""

    def __init__(self, files: EvidenceFiles, hosts: Sequence[str]) -> None:
        self._files, self._hosts = files, dict.fromkeys(hosts)

    def __getitem__(self, host: str) -> dict[str, dict[str, Any]]:
        if host not in self._hosts:
            raise KeyError(host)
        return self._files.of_host(host)

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __len__(self) -> int:
        return len(self._hosts)


def unasked(answers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The hosts that were not asked because of a fault on the controller, and which."""
    return {each["host"]: each["failure"]["message"] for each in answers if each["failure"] and each["failure"]["kind"] == "controller"}


def controller_faults(ours: Mapping[str, str]) -> str | None:
    """A sentence about hosts that were not asked because of a fault on the controller: what is concluded without them must not end well."""
    if not ours:
        return None
    named = ", ".join(list(ours)[:10]) + (f" and {len(ours) - 10} more" if len(ours) > 10 else "")
    return f"The controller failed before it could ask {named}, so that their evidence is missing; {next(iter(ours.values()))}."
