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
        ruling = judged(case, place) if place.host.rulings.stops_any else None
        if ruling is None or not ruling.stops or passed(case, place) or _met_none(place.host, ruling):
            continue
        rule = ruling.rule.name if ruling.rule else "the firewall"
        text = f"evaluated, {rule} of {place.host.name} stops {place.packet}"
        yield Anomaly("firewall_verdict", place.host.name, text, leg=place.leg, detail={"direction": place.direction})


def _met_none(host: Host, ruling: Verdict) -> bool:
    counted = host.rulings.counter_delta(ruling.rule) if ruling.rule else None
    return counted is not None and counted.by == 0 and not counted.set_back
