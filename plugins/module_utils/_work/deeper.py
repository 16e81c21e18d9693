# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Two traces of broken handshakes as one: what nf_tables does to their packets, and which of them the kernel drops, and why."""

from __future__ import annotations

import select
import typing as t

from .._drops.absence import Unavailable
from .._drops.cgroups import attached_above
from .._drops.event import Event
from .._drops.tracepoint import TracepointTracer
from .._drops.tracer import Tracer as DropTracer
from .._trace.kernel import Tracer as RuleTracer

Record = t.Dict[str, t.Any]
_BY_PROGRAM = ("SOCKET_FILTER", "BPF_CGROUP_EGRESS")  # reasons of which a control group's program may be the cause


class Tracers:
    """`Worker` of `_record.detached`. Either of the two may be missing; they end together."""

    def __init__(self, rules: RuleTracer | None, drops: DropTracer | TracepointTracer | None) -> None:
        self._rules, self._drops = rules, drops
        self._both = [tracer for tracer in (rules, drops) if tracer]
        self._waiting = select.epoll()
        for tracer in self._both:
            self._waiting.register(tracer.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        """Readable when one of them has something to say."""
        return self._waiting.fileno()

    def descriptors(self) -> list[int]:
        """See `detached.Worker`."""
        return [self.fileno(), *(descriptor for tracer in self._both for descriptor in tracer.descriptors())]

    def collect(self) -> None:
        for tracer in self._both:
            tracer.collect()

    def result(self, interest: Record | None = None) -> Record:
        """`trace` and `drops` of docs/evidence.md, each None where it is missing."""
        return {"trace": self._rules.result() if self._rules else None, "drops": _result(self._drops) if self._drops else None}

    def finish(self, interest: Record | None = None) -> Record:
        trace = self._rules.finish() if self._rules else None
        if self._drops:
            self._drops.close()
        return {"trace": trace, "drops": _result(self._drops) if self._drops else None}

    def close(self) -> None:
        self._waiting.close()
        for tracer in self._both:
            tracer.close()


def _result(drops: DropTracer | TracepointTracer) -> Record:
    missing = list(drops.missing)
    known: dict[tuple[str, int], list[Record]] = {}
    return {
        "how": drops.how,
        "events": [_event(event, missing, known) for event in drops.events()],
        "lost": drops.lost,
        "truncated": drops.truncated,
        "missing": [{"kind": each.kind, "value": each.value, "why": str(each)} for each in missing],
    }


def _event(event: Event, missing: list[Unavailable], known: dict[tuple[str, int], list[Record]]) -> Record:
    fields = event._asdict()
    fields.update(time=fields.pop("time_ns") / 1e9, drop_reason=fields.pop("reason"))
    fields["programs"] = []
    if event.reason in _BY_PROGRAM and event.cgroup is not None:
        group = ("egress" if event.reason == "BPF_CGROUP_EGRESS" else "ingress", event.cgroup)
        if group not in known:  # to find a group may take a walk through all of them
            known[group] = []
            try:
                known[group] = _programs(event.cgroup, group[0])
            except Unavailable as error:
                missing.append(error)
        fields["programs"] = known[group]
    return fields


def _programs(cgroup: int, direction: str) -> list[Record]:
    """The programs of control groups that saw the packet, while they are still there. Unavailable."""
    return [program._asdict() for program in attached_above(cgroup) if program.direction == direction]
