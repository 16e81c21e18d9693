# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Plans and answers of other runs, as untrusted as what hosts return: typed, bounded, refused with a sentence. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._model.prose import NOTHING, Prose
from .._model.records import RecordError, build
from .flows import EXPECTATIONS
from .options import ALTERATIONS, NORMAL
from .orders import MAX_ENTRIES
from .plan import ON_THE_WAY, Entry, Plan

MAX_NAME = 1000
_LONGEST = 1e7
_RUN = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, kw_only=True)
class _Plan:
    run: str
    started: str
    entries: tuple[Entry, ...]
    not_in_play: tuple[str, ...] = ()
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    normal: tuple[str, ...] = NORMAL
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    controller: str = ""


@dataclass(frozen=True)
class _Failure:
    kind: str
    message: Prose = NOTHING


@dataclass(frozen=True, kw_only=True)
class _Heading:
    run: str
    host: str
    phase: str
    seconds: float = 0.0
    at: float | None = None
    controller: str = ""
    failure: _Failure | None = None


def read_plan(raw: object) -> tuple[Plan, str, str]:
    """The plan, when it started, and the controller's name. RecordError."""
    head: _Plan = build(_Plan, raw, "the plan")
    if not _RUN.fullmatch(head.run):
        raise RecordError(f"the plan has the run {head.run[:80]!r}, which is no run of this collection")
    if not _TIME.fullmatch(head.started):
        raise RecordError(f"the plan started at {head.started[:80]!r}, which is no time")
    if not 0 < len(head.entries) <= MAX_ENTRIES:
        raise RecordError(f"the plan has {len(head.entries)} handshakes: 1 to {MAX_ENTRIES} can be read")
    for number, entry in enumerate(head.entries):
        if why := _wrong(entry):
            raise RecordError(f"entry {number} of the plan {why}")
    plan = Plan(
        head.run,
        head.entries,
        {},
        not_in_play=head.not_in_play,
        addresses=head.addresses,
        normal=tuple(each for each in head.normal if each in ALTERATIONS),
        groups=head.groups,
    )
    return plan, head.started, head.controller[:MAX_NAME]


def _wrong(entry: Entry) -> str | None:
    names = [entry.client, *entry.via, *(() if entry.server is None else (entry.server,))]
    if any(not 0 < len(name) <= MAX_NAME or name == ON_THE_WAY for name in names):
        return "has a host without a usable name"
    if len(entry.flow) > MAX_NAME or len(entry.address) > MAX_NAME or len(entry.via) > MAX_NAME:
        return "has a name that is too long"
    if not 0 < entry.port < 65536:
        return f"has the port {entry.port}"
    if not 0 < entry.timeout <= 1e6 or entry.dial < 0:
        return "has a timeout or a dial that no plan has"
    return None if entry.expect in EXPECTATIONS else f"expects {entry.expect[:80]!r}"


def read_answer(raw: Mapping[str, Any], run: str, host: str, phase: str) -> dict[str, Any]:
    """A host's answer to a phase, whose evidence `read_host` reads; a host without Python has both a failure and evidence. RecordError."""
    head: _Heading = build(_Heading, raw, "the answer")
    if (head.run, head.host, head.phase) != (run, host, phase):
        raise RecordError(f"the answer belongs to another run, host or phase: {head.run[:80]!r}, {head.host[:80]!r}, {head.phase[:80]!r}")
    if not 0 <= head.seconds <= _LONGEST or (head.at is not None and not _LONGEST <= head.at < 1 << 34):
        raise RecordError("the answer was kept at no time, or took none")
    evidence = raw.get("evidence")
    if head.failure is None and not isinstance(evidence, Mapping):
        raise RecordError("the answer has neither evidence nor a failure")
    failure = {"kind": head.failure.kind[:80], "message": f"{head.failure.message}"} if head.failure else None
    heading = {"run": run, "host": host, "phase": phase, "seconds": head.seconds, "at": head.at, "controller": head.controller[:MAX_NAME]}
    return {**heading, "failure": failure, "evidence": evidence if isinstance(evidence, Mapping) else None}
