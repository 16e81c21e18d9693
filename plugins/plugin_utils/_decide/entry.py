# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""One entry of the report: what its cases say, and what explains them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._model.host import Host
from .._model.prose import Wording, unwrapped
from .._plan.plan import ON_THE_WAY, Entry
from . import blocked
from .anomalies.anomaly import Anomaly
from .answer import Answer
from .answered_for import answered_for
from .case import Case
from .causes import bypassed
from .causes.catalogue import Cause
from .explain import Explanation
from .finding import Evidence, Finding
from .observed import attempts_document, clocks_document, connected_document, not_observed, parties, vantage_document
from .outcome import Outcome
from .rehearsals import offered
from .shadowed import shadowed
from .status import case_status
from .story import timeline


def entry_document(entry: Entry, identity: str, answer: Answer, hosts: Mapping[str, Host], keep_all: bool) -> dict[str, Any]:
    """One entry of the report, with its packets unless it is ok."""
    explanations, answers, status, closed = answer.explained, answer.standing, answer.status, answer.closed
    cases = [case for case, _explained in explanations]
    leg, segment = _place(answers[0][0].outcome, answers[0][1]) if answers and status != "ok" else (None, None)
    outcome = answers[0][0].outcome if answers else Outcome("silent")
    addresses = [case.address for case in cases if case.address]
    whole = keep_all or status != "ok"
    return {
        **_asked(entry, identity, addresses),
        "status": status,
        "leg": leg,
        "segment": segment,
        "between": list(outcome.between) if outcome.between and status != "ok" else None,
        "last_seen": {"host": outcome.last_seen.host, "interface": outcome.last_seen.interface}
        if outcome.last_seen and status != "ok"
        else None,
        "causes": [_with_fix(*found, hosts) for found in answer.causes],
        "undecided": unwrapped([*answer.would_decide]),
        "expect": entry.expect,
        "blocked_by": [{**_cause(*found), "fix": None} for found in closed.by] if closed else [],
        "remarks": _remarks(explanations, closed.remarks if closed else ()),
        "unexplained": [] if closed and status == "ok" else _unexplained(explanations),
        "probes": attempts_document([probe for case in cases for probe in case.probes], whole),
        "timeline": timeline(cases) if whole else [],
        "vantages": [vantage_document(hosts[name], role) for name, role in parties(entry)] if whole else [],
        "clock": clocks_document(cases) if whole else {},
        "not_observed": not_observed([hosts[name] for name, _role in parties(entry)], status, explanations),
    }


def well_document(entry: Entry, identity: str, elapsed_ms: Sequence[float], hosts: Mapping[str, Host]) -> dict[str, Any]:
    """The entry of a flow that is plainly well, as `entry_document` has it of one that is ok without a remark."""
    return {
        **_asked(entry, identity, [entry.address]),
        "status": "ok",
        "leg": None,
        "segment": None,
        "between": None,
        "last_seen": None,
        "causes": [],
        "undecided": [],
        "expect": entry.expect,
        "blocked_by": [],
        "remarks": [],
        "unexplained": [],
        "probes": connected_document(elapsed_ms),
        "timeline": [],
        "vantages": [],
        "clock": {},
        "not_observed": not_observed([hosts[name] for name, _role in parties(entry)], "ok", []),
    }


def _asked(entry: Entry, identity: str, addresses: Sequence[str]) -> dict[str, Any]:
    """What was asked for, and the addresses that were tried."""
    return {
        "name": entry.flow,
        "id": identity,
        "client": entry.client,
        "server": entry.server,
        "address": entry.address,
        "port": entry.port,
        "dialled": entry.address,
        "resolved": addresses,
        "source": entry.source,
        "user": entry.user,
        "via": list(entry.via),
    }


def _place(outcome: Outcome, explained: Explanation) -> tuple[str | None, str | None]:
    if explained.decisive is None:
        return outcome.leg, outcome.segment
    first = explained.decisive[1]
    early = first.segment in ("client.resolve", "client.socket") and first.leg is None
    return (None if early else first.leg or outcome.leg), first.segment


def _cause(cause: Cause, finding: Finding) -> dict[str, Any]:
    return {
        "code": cause.code,
        "title": cause.title,
        "host": finding.host,
        "certainty": finding.certainty,
        "segment": finding.segment,
        "summary": unwrapped(finding.summary),
        "evidence": [_evidence(seen) for seen in finding.evidence],
        "against": [_evidence(seen) for seen in finding.against],
        "detail": unwrapped(finding.detail),
    }


def _evidence(seen: Evidence) -> dict[str, Any]:
    return {"host": seen.host, "source": seen.source, "observation": unwrapped(seen.observation)}


def _with_fix(case: Case, cause: Cause, finding: Finding, hosts: Mapping[str, Host]) -> dict[str, Any]:
    """A cause with its fix, if it has one."""
    return {**_cause(cause, finding), "fix": unwrapped(offered(case, cause, finding, hosts))}


def _remarks(explanations: blocked.Answers, more: Sequence[Wording]) -> list[str]:
    """What is only worth a remark, and what was seen besides in handshakes that are well, or whose cause is proven."""
    found = [(finding.host, finding.summary) for _case, each in explanations for _cause, finding in each.remarks]
    found += [(anomaly.host, anomaly.text) for anomaly in _left_over(explanations, settled=True)]
    found += [(ON_THE_WAY, sentence) for case, _each in explanations for sentence in bypassed.remarks(case)]
    found += [said for case, _each in explanations for said in (*answered_for(case), *shadowed(case))]
    sentences = [f"{summary}" if host == ON_THE_WAY else f"{host}: {summary}" for host, summary in found]
    return list(dict.fromkeys([*sentences, *(f"{sentence}" for sentence in more)]))


def _unexplained(explanations: blocked.Answers) -> list[dict[str, Any]]:
    return [
        {"kind": each.kind, "host": each.host, "source": each.source, "observation": unwrapped(each.text)}
        for each in dict.fromkeys(_left_over(explanations, settled=False))
    ]


def _left_over(explanations: blocked.Answers, settled: bool) -> list[Anomaly]:
    """What no cause accounts for, in cases that are well or in the others; in none of the others where a cause is proven."""
    proven = any(finding.certainty == "proven" for _case, each in explanations for _cause, finding in each.causes)
    return [
        anomaly for case, each in explanations if (proven or case_status(case, each) == "ok") is settled for anomaly in each.unexplained
    ]


def identify(entry: Entry, taken: set[str]) -> str:
    """A file-name-safe name for an entry, unique in the report."""
    text = f"{entry.flow}-{entry.client}-{entry.server or 'unmanaged'}-{entry.address}-{entry.port}"
    slug = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._-")[:100] or "flow"
    identity, number = slug, 1
    while identity in taken:
        number += 1
        identity = f"{slug}-{number}"
    taken.add(identity)
    return identity
