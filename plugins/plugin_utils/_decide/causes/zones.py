# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Connection tracking zones that rules give to one direction of a flow only."""

from __future__ import annotations

from ..case import Case
from ..finding import Finding
from .counted import Proof, proof
from .rules import capped, details, kept_by, unproven
from .traversals import judged, suspects, way
from .why_stopped import with_what


def other_zone(case: Case) -> Finding | None:
    """A packet that is stopped where its connection is not found, because its SYN opened it in another zone."""
    for place in suspects(case):
        verdict = judged(case, place)
        if verdict is None or verdict.zones is None or not verdict.stops:
            continue
        host, stopper = place.host, verdict.rule
        weighed = capped(case, place, proof(case, place, verdict, stopper)) if stopper else Proof("likely")
        opened = next((found for other in way(case) if other.host is host and other.leg == "syn" and (found := judged(case, other))), None)
        # The zone of the SYN is that of a rule that it met; where it is in none, a rule gave one to this packet.
        setter = (opened.last_to("zone") if opened else None) or verdict.last_to("zone")
        zones = verdict.zones
        ended = f"{stopper.name if stopper else 'one of several rules'} {with_what(verdict)} it"
        return Finding(
            weighed.certainty,
            host.name,
            place.segment,
            f"connection tracking on {host.name} has the SYN in zone {zones.opened_in} and looks for {place.packet} in "
            f"zone {zones.looked_in}" + (f", by {setter.name}" if setter else "") + f": it finds no connection, and {ended}",
            (
                *weighed.evidence,
                case.saw(host, "firewall", f"evaluated: {place.packet} is in zone {zones.looked_in}, its SYN in zone {zones.opened_in}"),
                *(kept_by(host, setter) if setter else ()),
                *case.passage(),
            ),
            against=weighed.against,
            leg=place.leg,
            detail={**details(verdict, weighed), "looked_in": zones.looked_in, "opened_in": zones.opened_in},
            undecided=unproven(host, stopper, weighed) if stopper else (),
            subject=verdict.zones,
        )
    return None
