# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A run for others to look at: what the decide layer reads of its evidence, and nothing else, with other names and addresses. Pure.

The records say what a value means, and texts.py what the texts in them are.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError

from .._model.drop_records import Drops
from .._model.firewall_records import Firewall
from .._model.host import Absence
from .._model.many import Many
from .._model.probe_records import Hop, Pace, Probe, Resolution, SizedConnection
from .._model.prose import Prose
from .._model.records import IpAddress, Network, RecordError, build
from .._model.rehearsals import Rehearsal
from .._model.snapshot import Snapshot
from .._model.socket_records import TemporaryListeners
from .._model.trace_records import Tracing
from .._plan.captures import PHASE as CAPTURE
from .._plan.plan import Entry, Plan
from .._plan.slices import Run
from . import frames, texts
from .pseudonyms import Pseudonyms

_MALFORMED = "malformed"
PARTS: Mapping[str, Any] = {
    "snapshot": Snapshot,
    "before": Snapshot,
    "after": Snapshot,
    "resolutions": tuple[Resolution, ...],
    "probes": tuple[Probe, ...],
    "bypass": tuple[Probe, ...],
    "path_sizes": tuple[SizedConnection, ...],
    "paces": tuple[Pace, ...],
    "hops": tuple[Hop, ...],
    "temporary_listeners": TemporaryListeners,
    "hops_back": tuple[Hop, ...],
    "absent": tuple[Absence, ...],
    "trace": Tracing,
    "drops": Drops,
    "rehearsals": tuple[Rehearsal, ...],
}
_LIMIT = re.compile(r"[a-z ]{1,40}")


def pseudonyms_for(runs: list[Run], secret: bytes) -> Pseudonyms:
    """Those of all hosts and flows of some runs."""
    hosts = {host for run in runs for host in (*run.plan.parties(), *run.plan.not_in_play)}
    return Pseudonyms(secret, hosts, {entry.flow for run in runs for entry in run.plan.entries})


def pseudonymous(run: Run, pseudonyms: Pseudonyms) -> Run:
    """The run with other names and addresses, which is decided as before."""
    return Run(
        plan=_plan(run.plan, pseudonyms),
        started=run.started,
        controller="",
        source="",
        answers={
            pseudonyms.name("host", host): {phase: _answer(answer, host, pseudonyms) for phase, answer in phases.items()}
            for host, phases in run.answers.items()
        },
    )


def _plan(plan: Plan, pseudonyms: Pseudonyms) -> Plan:
    def host(name: str) -> str:
        return pseudonyms.name("host", name)

    return replace(
        plan,
        entries=tuple(_entry(entry, pseudonyms) for entry in plan.entries),
        not_in_play=tuple(map(host, plan.not_in_play)),
        addresses={host(name): tuple(map(pseudonyms.destination, known)) for name, known in plan.addresses.items()},
        groups={pseudonyms.name("group", group): tuple(map(host, hosts)) for group, hosts in plan.groups.items()},
    )


def _entry(entry: Entry, pseudonyms: Pseudonyms) -> Entry:
    return replace(
        entry,
        flow=pseudonyms.name("flow", entry.flow),
        client=pseudonyms.name("host", entry.client),
        server=None if entry.server is None else pseudonyms.name("host", entry.server),
        via=tuple(pseudonyms.name("host", via) for via in entry.via),
        address=pseudonyms.destination(entry.address),
        source=None if entry.source is None else pseudonyms.destination(entry.source),
        user=None if entry.user is None else texts.renamed("user", entry.user, pseudonyms),
    )


def _answer(answer: Mapping[str, Any], host: str, pseudonyms: Pseudonyms) -> dict[str, Any]:
    failure = answer.get("failure")
    kept = {name: answer.get(name) for name in ("run", "phase", "seconds", "at")}
    renamed = {"kind": str(failure.get("kind")), "message": pseudonyms.name("text", str(failure.get("message", "")))} if failure else None
    evidence = answer.get("evidence")
    return {
        **kept,
        "host": pseudonyms.name("host", host),
        "failure": renamed,
        "evidence": _evidence(evidence, pseudonyms, answer.get("phase") == CAPTURE) if isinstance(evidence, Mapping) else None,
    }


def _evidence(evidence: Mapping[str, Any], pseudonyms: Pseudonyms, captured: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part, kind in PARTS.items():
        if evidence.get(part) is not None:
            found[part] = _part(kind, evidence[part], pseudonyms)
            if kind is Snapshot and isinstance(evidence[part], Mapping) and evidence[part].get("firewall") is not None:
                found[part] = {**_mapping(found[part]), "firewall": _part(Firewall, evidence[part]["firewall"], pseudonyms)}
    if evidence.get("recording") is not None:
        found["recording"] = _recording(evidence["recording"], pseudonyms)
    if captured:
        lacks = evidence.get("lacks")
        found.update(point=evidence.get("point") is True, lacks=pseudonyms.name("text", lacks) if isinstance(lacks, str) else None)
    return found


def _mapping(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _part(kind: Any, data: object, pseudonyms: Pseudonyms) -> Any:
    """What is malformed stays so, without what it says."""
    if kind is Snapshot and isinstance(data, Mapping):
        hints = typing.get_type_hints(Snapshot, include_extras=True)
        return {name: _one(hints[name], data[name], "Snapshot", name, pseudonyms) for name in hints.keys() & data.keys()}
    return _one(kind, data, "", "", pseudonyms)


def _one(kind: Any, data: object, record: str, name: str, pseudonyms: Pseudonyms) -> Any:
    try:
        build(kind, data, "")
    except RecordError:
        return _MALFORMED
    return _Writer(pseudonyms).write(kind, data, record, name)


class _Writer:
    """Writes data that fits its records, again as JSON."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self.pseudonyms = pseudonyms

    def write(self, kind: Any, data: Any, record: str, name: str) -> Any:
        """``kind``: the annotation of the field ``name`` of a record."""
        if data is None:
            return None
        if dataclasses.is_dataclass(kind):
            return self._record(kind, data)
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is Annotated:
            return self._meant(kind, data)
        if origin in (typing.Union, types.UnionType):
            (wanted,) = (argument for argument in arguments if argument is not types.NoneType)
            return self.write(wanted, data, record, name)
        if origin in (tuple, Many):
            return [self.write(arguments[0], each, record, name) for each in data]
        if origin is dict:
            known = (lambda key: texts.sysctl(key, self.pseudonyms)) if name == "sysctls" else str
            return {known(key): self.write(arguments[1], each, record, name) for key, each in data.items()}
        if kind is Prose:
            return self.pseudonyms.name("text", data)
        if kind is str:
            return texts.written(data, record, name, self.pseudonyms)
        if kind is object:
            return texts.origin(data, self.pseudonyms)
        if kind in (bool, int, float) or origin is typing.Literal:
            return data
        raise TypeError(f"a field of the type {kind} has no pseudonymous form")

    def _record(self, kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
        hints = typing.get_type_hints(kind, include_extras=True)
        names = [field.name for field in dataclasses.fields(kind) if field.init and field.name in data]
        return {name: self.write(hints[name], data[name], kind.__name__, name) for name in names}

    def _meant(self, kind: Any, data: Any) -> Any:
        if kind == IpAddress:
            return self.pseudonyms.address(data)
        return self.pseudonyms.network(data) if kind == Network else data


def _recording(recording: object, pseudonyms: Pseudonyms) -> Any:
    if not isinstance(recording, Mapping) or not isinstance(recording.get("frames"), str):
        return _MALFORMED
    try:
        packed = frames.replaced(recording["frames"], pseudonyms)
    except DecodeError:
        return _MALFORMED
    numbers = {name: recording[name] for name in ("to", "from", "dropped", "count") if isinstance(recording.get(name), int | float)}
    interfaces = recording.get("interfaces")
    named = interfaces.items() if isinstance(interfaces, Mapping) else ()
    limit = recording.get("truncated")
    beside = {"beside": recording["beside"]} if recording.get("beside") in ("recorded", "cut", "lost") else {}
    return {
        **numbers,
        **beside,
        "interfaces": {index: texts.interface(str(name), pseudonyms) for index, name in named if str(index).isdecimal()},
        "frames": packed,
        "truncated": (limit if _LIMIT.fullmatch(str(limit)) else pseudonyms.name("text", str(limit))) if limit else None,
    }
