# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Rules that send each connection to one of several ends, drawn by lot, of which one does not answer."""

from __future__ import annotations

from collections.abc import Iterator

from ..._model.firewall_records import Verdict
from ..._model.firewall_subjects import DeadTargets
from ..._model.host import Host
from ..._model.network_records import LOOPBACK
from ..._values.words import endpoint, plural
from ..case import Case
from ..finding import Evidence, Finding
from ..outcome import Outcome
from ..timeline import Attempt
from .icmp import answer_of
from .rules import details, kept_by
from .traversals import Place, judged

End = tuple[str, int]


def drawn(case: Case) -> Finding | None:
    """Every attempt that failed left a host for ends that nobody reached, and others, drawn by the same rules, completed elsewhere."""
    for place in _places(case):
        verdict = judged(case, place)
        if verdict is None or len(verdict.targets) < 2:
            continue
        sent = _sent(case, place.host)
        good = {end for end, outcomes in sent.items() if any(outcome.completed for outcome in outcomes)}
        dead = sorted(sent.keys() - good)
        failed = sum(len(sent[end]) for end in dead)
        alike = sum(not outcome.completed for end in good for outcome in sent[end])
        if good and dead and not alike and failed == sum(not outcome.completed for outcome in case.outcomes):
            return _finding(case, place, verdict, dead, sent)
    return None


def _places(case: Case) -> Iterator[Place]:
    """Where a draw may translate the SYN, and send it on."""
    yield Place(case.client, "syn", "out", "client.firewall")
    yield from (Place(via, "syn", "forward", "path.forward") for via in case.vias)
    if case.server is not None:
        yield Place(case.server, "syn", "in", "server.firewall")


def _sent(case: Case, host: Host) -> dict[End, list[Outcome]]:
    """How the attempts ended, by the end for which their SYN left the host, as its recording shows."""
    sent: dict[End, list[Outcome]] = {}
    for attempt, outcome in zip(case.attempts, case.outcomes, strict=True):
        end = _end(attempt, host)
        if end is not None:
            sent.setdefault(end, []).append(outcome)
    return sent


def _end(attempt: Attempt, host: Host) -> End | None:
    for row in attempt.of("syn"):
        seen = row.at(host.name, "out")
        if seen is not None and seen.interface != LOOPBACK and seen.packet.tcp:
            return seen.packet.dst, seen.packet.tcp.dport
    return None


def _finding(case: Case, place: Place, verdict: Verdict, dead: list[End], sent: dict[End, list[Outcome]]) -> Finding:
    host = place.host
    rules = [target.rule for target in verdict.targets if (target.destination, target.port) in dead and target.rule]
    answer = answer_of(case)
    gone = answer is not None and answer.meaning in ("unreachable", "no_route")
    refused = all(outcome.kind == "reset" for end in dead for outcome in sent[end])
    ends = " and ".join(endpoint(*end) for end in dead)
    failed = sum(len(sent[end]) for end in dead)
    completed = [outcome for end in sent.keys() - set(dead) for outcome in sent[end]]
    named = f"{rules[0].name} on {host.name}" if rules else host.name
    end = "where nobody listens" if refused else "where nobody answers"
    return Finding(
        "proven" if rules and (gone or refused) and failed > 1 and len(completed) > 1 else "likely",
        host.name,
        place.segment,
        f"{named} translates some of the SYNs for {case.target}, by lot, to {ends}, {end}",
        (
            *(_saw(case, host, end, outcomes) for end, outcomes in sorted(sent.items())),
            *([case.saw(host, "firewall", f"evaluated: {verdict.undecided_because}")] if verdict.undecided_because else []),
            *([case.saw(case.client, answer.source, f"{answer.text} from {answer.offender}")] if answer and gone else []),
            *(kept_by(host, rules[0]) if rules else ()),
        ),
        leg="syn",
        detail={**details(verdict, None, rules[0] if rules else None), "target": dead[0][0], "port": dead[0][1]},
        subject=DeadTargets(tuple(dead)),
    )


def _saw(case: Case, host: Host, end: End, outcomes: list[Outcome]) -> Evidence:
    done = sum(outcome.completed for outcome in outcomes)
    return case.saw(host, "capture", f"{plural(len(outcomes), 'SYN')} left for {endpoint(*end)}: {done} of them completed")
