# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The segments of a broken handshake to which none of its packets came: faults there show only once its cause is gone."""

from __future__ import annotations

from .case import Case
from .explain import Explanation
from .outcome import STEPS, Leg, step

_NAMES: dict[Leg, str] = {"syn": "SYN", "syn_ack": "SYN-ACK", "ack": "ACK"}


def unreached(case: Case, explained: Explanation) -> str | None:
    """A sentence that names the segments after the decisive cause; None where there is none, or where some handshakes complete."""
    cause, finding = explained.decisive or (None, None)
    if cause is None or finding is None or (case.completed and not cause.in_its_place):
        return None
    after = STEPS[step(finding.leg or case.outcome.leg, finding.segment) + 1 :]
    if cause.in_its_place:  # the other handshake begins with a SYN for the server's firewall
        after = (*(each for each in STEPS[step("syn", finding.segment) :] if each[0] == "syn"), *after)
    by_packet = {leg: [segment for of, segment in after if of == leg] for leg, _segment in after}
    parts = [f"{_NAMES[leg]}: {', '.join(segments)}" if leg else ", ".join(segments) for leg, segments in by_packet.items()]
    return f"not reached because of {cause.code}, so other faults may be there; {'; '.join(parts)}" if parts else None
