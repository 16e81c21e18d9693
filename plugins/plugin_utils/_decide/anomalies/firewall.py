# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What firewalls, evaluated, say of the packets of a case."""

from __future__ import annotations

from collections.abc import Iterator

from ..._model.firewall_records import Verdict
from ..._model.host import Host
from ..case import Case
from ..causes.traversals import judged, passed, way
from .anomaly import Anomaly


def firewall_verdicts(case: Case) -> Iterator[Anomaly]:
    """Rules that stop a packet of the handshakes, unless it got through all the same, or the rule's own counter says that it met none."""
    if not case.attempts:
        return
    for place in way(case):
        verdict = judged(case, place) if place.host.verdicts.stops_any else None
        if verdict is None or not verdict.stops or passed(case, place) or _met_none(place.host, verdict):
            continue
        rule = verdict.rule.name if verdict.rule else "the firewall"
        text = f"evaluated, {rule} of {place.host.name} stops {place.packet}"
        yield Anomaly("firewall_verdict", place.host.name, text, leg=place.leg, detail={"direction": place.direction})


def _met_none(host: Host, verdict: Verdict) -> bool:
    counted = host.verdicts.counter_delta(verdict.rule) if verdict.rule else None
    return counted is not None and counted.by == 0 and not counted.set_back
