# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a report asks to be mended: the fix of each flow's decisive cause, once for all the flows that want it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._model.prose import NOTHING, Wording, unwrapped, worded

BY_CERTAINTY = ("possible", "likely", "proven")
MENDED = ("broken", "degraded")
"""The statuses of flows that there is something to mend in."""

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Mending:
    """A fix, the cause that it is for, and the ids of the report's flows that want it. Without ``steps`` it is for people only."""

    code: str
    host: str
    """Where the cause is; the change is made on ``where``."""
    certainty: str
    kind: str
    where: str
    summary: Wording
    risk: str
    flows: tuple[str, ...]
    why: Wording = NOTHING
    commands: tuple[str, ...] = ()
    steps: tuple[Json, ...] = ()
    saves: Json | None = None
    undo: tuple[str, ...] = ()
    check: Wording = NOTHING
    packets: tuple[Json, ...] = ()
    """What a change of a firewall must let through."""
    rehearsed: Json | None = None
    """Its outcome in a copy of the firewall, in the diagnosis."""
    subject: str = ""
    """What is at fault on the host, the same from run to run: a digest of the firewall's rule; empty where the code alone identifies it."""

    def __post_init__(self) -> None:
        worded(self, "summary", "why", "check")

    @property
    def key(self) -> str:
        """The same for the same fix of the same cause, in each report of a run."""
        wanted = [self.code, self.host, self.kind, self.where, list(self.steps) or unwrapped(self.summary)]
        return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        document: dict[str, Any] = unwrapped(vars(self))
        return document

    @classmethod
    def from_json(cls, raw: Json) -> Mending:
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
        return cls(**values)


def mendings(report: Json) -> list[Mending]:
    """The fixes that a report asks for, each once, in the report's order."""
    found: dict[str, Mending] = {}
    for flow, cause in _asking(report):
        if cause["fix"]:
            wanted = _mending(flow["id"], cause, cause["fix"])
            known = found.get(wanted.key)
            found[wanted.key] = _merged(known, wanted) if known else wanted
    return list(found.values())


def merged_saves(several: Iterable[Json | None]) -> dict[str, Any]:
    """What the guard has to save for several fixes of one host, as its option ``saves`` has it."""
    together: dict[str, Any] = {}
    for saves in several:
        for kind, wanted in (saves or {}).items():
            if isinstance(wanted, list | tuple):
                together[kind] = list(dict.fromkeys([*together.get(kind, []), *wanted]))
            else:
                together[kind] = bool(wanted) or together.get(kind, False)
    return {kind: wanted for kind, wanted in together.items() if wanted}


def by_host(several: Iterable[Mending]) -> dict[str, list[Mending]]:
    """The fixes by the host that they change."""
    hosts: dict[str, list[Mending]] = {}
    for mending in several:
        hosts.setdefault(mending.where, []).append(mending)
    return hosts


def _asking(report: Json) -> Iterator[tuple[Json, Json]]:
    """The decisive causes of broken and degraded flows; where drift is to be mended all that endangers a flow, and nothing else."""
    if "drift" in report:
        yield from ((flow, cause) for flow in report["drift"]["flows"] for cause in flow["causes"])
    else:
        yield from ((flow, flow["causes"][0]) for flow in report["flows"] if flow["status"] in MENDED and flow["causes"])


def _mending(flow: str, cause: Json, fix: Json) -> Mending:
    return Mending(
        code=cause["code"],
        host=cause["host"],
        certainty=cause["certainty"],
        kind=fix["kind"],
        where=fix["host"],
        summary=fix["summary"],
        risk=fix["risk"],
        flows=(flow,),
        why=fix.get("why") or cause["summary"],
        commands=_texts(fix.get("commands")),
        steps=tuple(fix.get("steps") or ()),
        saves=fix.get("saves"),
        undo=_texts(fix.get("undo")),
        check=fix.get("check") or "",
        packets=tuple(fix.get("packets") or ()),
        rehearsed=fix.get("rehearsed"),
        subject=_subject(cause),
    )


def _subject(cause: Json) -> str:
    """A rule is known again by its place and its words: handles, numbers and counters are other ones by then."""
    rule = (cause.get("detail") or {}).get("rule")
    if not isinstance(rule, Mapping):
        return ""
    parts = [str(rule.get(name) or "") for name in ("family", "table", "chain", "text")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16] if any(parts) else ""


def _merged(known: Mending, other: Mending) -> Mending:
    """One fix that several flows want is as certain as the surest of them is."""
    certainty = max(known.certainty, other.certainty, key=BY_CERTAINTY.index)
    return replace(known, flows=(*known.flows, *(flow for flow in other.flows if flow not in known.flows)), certainty=certainty)


def _texts(value: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(value or ())
