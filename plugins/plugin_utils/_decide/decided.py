# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What is decided of the plan's entries, one by one: all of a report but what they have in common."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._faults import contained
from .._model.host import Host
from .._model.prose import Wording, unwrapped
from .._plan.plan import Entry, Plan
from .._report.captures import captures
from .answer import Answer, Judged
from .common import common
from .entries import Entries
from .entry import entry_document, identify, well_document
from .groups import Common
from .observed import parties


@dataclass(frozen=True)
class Decided:
    """The entries of the report, a pcapng file per flow id, and what is said of hosts.

    ``common``: what hosts have in common with others. ``unasked``: the hosts that the controller could not ask for a fault of its own, and
    which fault that was.
    """

    flows: Entries
    captures: dict[str, bytes]
    unobserved: list[dict[str, Any]]
    common: Common
    unasked: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        return {
            "flows": [*self.flows],
            "captures": {flow: base64.b64encode(capture).decode("ascii") for flow, capture in self.captures.items()},
            "unobserved": self.unobserved,
            "common": self.common,
            "unasked": self.unasked,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Decided:
        """What `to_json` returned."""
        return cls(
            Entries(raw["flows"]),
            {flow: base64.b64decode(capture) for flow, capture in raw["captures"].items()},
            raw["unobserved"],
            {host: tuple((kind, value) for kind, value in shared) for host, shared in raw["common"].items()},
            raw["unasked"],
        )


@dataclass(frozen=True, slots=True)
class _Well:
    """An entry that is plainly well, whose document is made when it is looked at."""

    entry: Entry
    identity: str
    elapsed_ms: Sequence[float]
    hosts: Mapping[str, Host]

    def __call__(self) -> dict[str, Any]:
        return well_document(self.entry, self.identity, self.elapsed_ms, self.hosts)


def decided(plan: Plan, judged: Iterable[Judged], keep_all: bool) -> Decided:
    """What is decided of a plan's entries, which may be judged in several parts."""
    flows = Entries()
    pcaps: dict[str, bytes] = {}
    taken: set[str] = set()
    known: dict[str, Host] = {}
    gaps: dict[str, Host] = {}
    unasked: dict[str, str] = {}
    for part in judged:
        hosts = part.hosts
        for name, host in hosts.items():
            (gaps if host.gap else known).setdefault(name, host)
        unasked.update((name, host.unasked) for name, host in sorted(hosts.items()) if host.unasked is not None)
        for entry, each, answer in zip(part.entries, part.examined, part.answers, strict=True):
            identity = identify(entry, taken)
            if each.well:
                flows.add_well(_Well(entry, identity, each.well, hosts))
                continue
            document = _decided(entry, identity, answer, hosts, keep_all)
            flows.add(document)
            if document["status"] == "ok" and not keep_all:
                continue
            if any(attempt.rows for case in each.cases for attempt in case.attempts):
                capture = contained(str, captures, each.cases, document["causes"])
                if isinstance(capture, bytes):
                    pcaps[document["id"]] = capture
                else:
                    document["not_observed"].append(f"the packets cannot be written to a capture: {capture}")
    return Decided(flows, pcaps, _unobserved(plan, gaps), common({**gaps, **known}, plan.groups), unasked)


def _unobserved(plan: Plan, hosts: Mapping[str, Host]) -> list[dict[str, Any]]:
    """The hosts whose answers lack something, and what they are in the flows."""
    roles: dict[str, set[str]] = {}
    for entry in plan.entries:
        for name, role in parties(entry):
            roles.setdefault(name, set()).add(role)
    return [
        {
            "host": name,
            "kind": host.gap.kind,
            "why": unwrapped(host.gap.why or f"it {host.gap.phrase}"),
            "phase": host.gap.phase,
            "roles": sorted(roles[name]),
        }
        for name, host in hosts.items()
        if host.gap
    ]


def _decided(entry: Entry, identity: str, answer: Answer, hosts: Mapping[str, Host], keep_all: bool) -> dict[str, Any]:
    """One entry of the report; one that cannot be decided for a fault of ours is undetermined, and says so."""

    def undetermined(why: Wording) -> dict[str, Any]:
        document = entry_document(entry, identity, Answer("undetermined"), hosts, keep_all)
        return {**document, "undecided": [f"this entry cannot be decided: {why}"]}

    if answer.fault:
        return undetermined(answer.fault)
    return contained(undetermined, entry_document, entry, identity, answer, hosts, keep_all)
