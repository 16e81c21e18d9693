# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Changes of firewalls that a report offers: which of them hosts are asked to rehearse, and what follows from the outcomes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from .._faults import contained
from .._fix.catalogue import fix
from .._model.fixes import Fix
from .._model.host import Host
from .._model.prose import Wording, unwrapped
from .._model.rehearsals import NOT_REHEARSED, REFUSED, UNKNOWN, Rehearsed, Use, possible
from .answer import Answer
from .case import Case
from .causes.catalogue import Cause
from .finding import Finding

UNASKED = "this run did not ask for it, see diagnose_depth"
NOT_AMONG = "it was not among the changes that the host was asked about"


def asked(answers: Iterable[Answer]) -> dict[str, list[dict[str, Any]]]:
    """host -> what it is to rehearse: of each fix a digest, the steps and packets, and the causes that it is for."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    uses: dict[tuple[str, str], dict[Use, None]] = {}
    for case, cause, finding in (each for answer in answers if answer.status != "ok" for each in answer.causes):
        wanted = contained(_none, fix, cause.code, case, finding)  # the report will say why
        if wanted is None or not _possible(wanted):
            continue
        content = _content(wanted)
        digest = _digest(content)
        found.setdefault(wanted.host, {})[digest] = {"digest": digest, **content}
        uses.setdefault((wanted.host, digest), {})[_use(case, cause, finding)] = None
    return {
        host: [{**order, "uses": [asdict(use) for use in uses[host, digest]]} for digest, order in orders.items()]
        for host, orders in found.items()
    }


def _none(_why: str) -> None:
    return None


def offered(case: Case, cause: Cause, finding: Finding, hosts: Mapping[str, Host]) -> Fix | None:
    """The fix of a cause. What fails in its rehearsal is advice at most, and says why."""
    found = fix(cause.code, case, finding)
    if found is None or not _possible(found) or found.host not in hosts:
        return found
    rehearsed = _rehearsed(found, _use(case, cause, finding), hosts[found.host])
    if rehearsed.result not in REFUSED:
        return replace(found, rehearsed=rehearsed)
    # What would open something else, or nothing, is no advice either; where it depends on what nobody knows, people may know.
    commands = found.commands if rehearsed.result == UNKNOWN else ()
    return replace(found, risk="advice", commands=commands, steps=(), saves=None, undo=(), packets=(), simple="", rehearsed=rehearsed)


def _rehearsed(offered: Fix, use: Use, host: Host) -> Rehearsed:
    keys = (_digest(_content(offered)), use, replace(use, leg=None))
    found = next((host.rehearsals[key] for key in keys if key in host.rehearsals), None)
    return Rehearsed(result=found.result, why=found.why) if found else Rehearsed(result=NOT_REHEARSED, why=_why_not(host))


def _why_not(host: Host) -> Wording:
    if host.unrehearsed:
        return host.unrehearsed
    if host.gap and host.gap.kind == "python":
        return f"{host.name} {host.gap.phrase}, which it takes"
    return NOT_AMONG if host.rehearsals else UNASKED


def _possible(offered: Fix) -> bool:
    return possible([step.module for step in offered.steps], offered.packets)


def _content(offered: Fix) -> dict[str, Any]:
    steps = [{"module": step.module, "arguments": step.arguments} for step in offered.steps]
    content: dict[str, Any] = unwrapped({"steps": steps, "packets": offered.packets})
    return content


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _use(case: Case, cause: Cause, finding: Finding) -> Use:
    return Use(client=case.client.name, address=case.address or "", port=case.port, code=cause.code, leg=finding.leg)
