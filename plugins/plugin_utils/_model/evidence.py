# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""From the answers of a host to a Host: each part is read by itself (docs/evidence.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError

from .._decide.firewall_verdicts import read as read_verdicts
from .._plan.plan import REHEARSE, TRACE_PHASES
from .drop_records import Drops
from .host import Absence, Host
from .many import Many
from .probe_records import Hop, Pace, Probe, Resolution, SizedConnection
from .prose import Prose
from .recording import Recording
from .records import Count, RecordError, Time, build, build_field
from .rehearsals import Rehearsal, Use
from .snapshot import Snapshot
from .socket_records import TemporaryListeners
from .trace_records import Tracing

_SNAPSHOT_PARTS = frozenset(each.name for each in fields(Snapshot)) - {"time"}


def read_host(name: str, answers: Mapping[str, object], failures: Mapping[str, str]) -> Host:
    """Build a :class:`Host` from its answers by phase. A malformed part becomes an absence; the rest stays."""
    host = Host(name)
    for phase, why in failures.items():
        if phase == REHEARSE:
            host.unrehearsed = Prose(why)
        else:
            host.lacks(f"phase {phase}", why)
    for phase, answer in answers.items():
        if isinstance(answer, Mapping):
            read = _read_trace if phase in TRACE_PHASES else _read_rehearsals if phase == REHEARSE else _read_answer
            read(host, phase, answer)
        elif answer is not None:
            host.lacks(f"phase {phase}", "malformed answer: it is no mapping")
    host.verdicts, unread = read_verdicts(answers)
    for why in unread:
        host.lacks("firewall", why)
    return host


def _read_answer(host: Host, phase: str, answer: Mapping[str, Any]) -> None:
    parts: Iterable[tuple[str, str, Any]] = (
        ("snapshot", "before", Snapshot),
        ("before", "before", Snapshot),
        ("after", "after", Snapshot),
        ("resolutions", "resolutions", Many[Resolution]),
        ("probes", "probes", Many[Probe]),
        ("hops", "hops", tuple[Hop, ...]),
        ("hops_back", "hops_back", tuple[Hop, ...]),
        ("temporary_listeners", "temporary_listeners", TemporaryListeners),
    )
    for key, attribute, kind in parts:
        if answer.get(key) is not None:
            try:
                if kind is Snapshot:
                    value = _read_snapshot(host, answer[key], f"{phase}.{key}")
                else:
                    value = build(kind, answer[key], f"{phase}.{key}")
            except RecordError as error:
                host.lacks(key, f"malformed answer: {error}")
                continue
            setattr(host, attribute, _merged(getattr(host, attribute), value, attribute))
    _read_absent(host, phase, answer)
    try:
        if answer.get("recording") is not None:
            _read_recording(host, answer["recording"])
    except (RecordError, DecodeError) as error:
        host.lacks("recording", f"malformed answer: {error}")
    if phase == "capture" and answer.get("recording") is not None:
        host.captured, host.point = True, answer.get("point") is True
        lacks = answer.get("lacks")
        host.incomplete = host.incomplete or (Prose(lacks[:1000]) if isinstance(lacks, str) else None)


def _read_snapshot(host: Host, data: object, where: str) -> Snapshot:
    """Each part by itself: one that is malformed was not observed, the others stay."""
    given: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    snapshot: Snapshot = build(Snapshot, {"time": given.get("time")} if given else data, where)
    parts = {}
    for part in sorted(_SNAPSHOT_PARTS.intersection(given)):
        try:
            parts[part] = build_field(Snapshot, part, given[part], where)
        except RecordError as error:
            host.lacks(part, f"malformed answer: {error}")
    return replace(snapshot, **parts)


def _read_trace(host: Host, phase: str, answer: Mapping[str, Any]) -> None:
    try:
        host.traced_probes += build(tuple[Probe, ...], answer.get("probes") or [], f"{phase}.probes")
        host.bypasses += build(tuple[Probe, ...], answer.get("bypass") or [], f"{phase}.bypass")
        host.path_sizes += build(tuple[SizedConnection, ...], answer.get("path_sizes") or [], f"{phase}.path_sizes")
        host.paces += build(tuple[Pace, ...], answer.get("paces") or [], f"{phase}.paces")
        if answer.get("trace") is not None:
            host.tracings += (build(Tracing, answer["trace"], f"{phase}.trace"),)
        if answer.get("drops") is not None:
            drops: Drops = build(Drops, answer["drops"], f"{phase}.drops")
            host.drops += (drops,)
            for each in drops.missing:
                host.absent.append(Absence("drops", each.why))
    except RecordError as error:
        host.lacks("trace", f"malformed answer: {error}")
    _read_absent(host, phase, answer)


def _read_rehearsals(host: Host, phase: str, answer: Mapping[str, Any]) -> None:
    try:
        found: tuple[Rehearsal, ...] = build(tuple[Rehearsal, ...], answer.get("rehearsals") or [], f"{phase}.rehearsals")
        host.rehearsals = _by_digest_or_use(found)
    except RecordError as error:
        host.unrehearsed = Prose(f"malformed answer: {error}")


def _by_digest_or_use(found: Iterable[Rehearsal]) -> dict[str | Use, Rehearsal]:
    """A use alone does not say which of several it was, unless all of them ended alike."""
    known: dict[str | Use, dict[str, Rehearsal]] = {}
    for each in found:
        for key in [each.digest] if each.digest else each.uses:
            known.setdefault(key, {})[each.result] = each
    return {key: next(iter(several.values())) for key, several in known.items() if len(several) == 1}


def _read_absent(host: Host, phase: str, answer: Mapping[str, Any]) -> None:
    try:
        host.absent += build(tuple[Absence, ...], answer.get("absent") or [], f"{phase}.absent")
    except RecordError as error:
        host.lacks("absent", f"malformed answer: {error}")


def _merged(known: Any, value: Any, attribute: str) -> Any:
    """A host that is both client and server has two windows: the wider one counts."""
    if not isinstance(known, Snapshot):
        return value
    return min(known, value, key=_time) if attribute == "before" else max(known, value, key=_time)


def _time(snapshot: Snapshot) -> float:
    return snapshot.time


def _read_recording(host: Host, data: object) -> None:
    recording = build(_Recording, data, "recording")
    known = host.observations if host.observations is not None else Recording(host.name)
    undecodable = known.add(recording_frames(data), recording.interfaces, host.is_bridge, host.is_port)
    host.observations = known
    host.recorded_until = max(host.recorded_until or 0.0, recording.to)
    host.incomplete = host.incomplete or _missing(recording, undecodable)
    if recording.beside in _BESIDE:
        host.other_ports_lost |= recording.beside == "lost"
        host.lacks("connections on other ports", _BESIDE[recording.beside])


_BESIDE = {
    "lost": "the recorder had no room for all with the other hosts of its flows, and left them out",
    "cut": "the recorder returned only the first of those that the other hosts of its flows have with it beside the handshakes",
}
"""Why a recording may lack some of them, by `beside` of docs/evidence.md."""


def _missing(recording: _Recording, undecodable: int) -> Prose | None:
    """Why a recording may lack packets."""
    if recording.dropped:
        return Prose(f"the kernel dropped {recording.dropped} packets before the recorder could read them")
    if recording.truncated:
        return Prose(f"the recorder reached its limit of {recording.truncated}")
    return Prose(f"{undecodable} recorded packets could not be decoded") if undecodable else None


@dataclass(frozen=True)
class _Recording:
    interfaces: dict[str, str]
    to: Time
    dropped: Count = 0
    truncated: str | None = None
    beside: str | None = None


def recording_frames(data: object) -> str:
    """The packed frames of a recording, which are longer than a record's texts may be."""
    frames = data.get("frames") if isinstance(data, Mapping) else None
    if not isinstance(frames, str):
        raise RecordError("recording has no frames")
    return frames
