# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The stretches of a broken handshake to which none of its packets came: what is amiss there shows only when its cause is gone."""

from __future__ import annotations

from .case import Case
from .explain import Explanation
from .outcome import Leg

_WAY: tuple[tuple[Leg | None, tuple[str, ...]], ...] = (
    (None, ("client.resolve", "client.socket")),
    (
        "syn",
        (
            "client.socket",
            "client.route",
            "client.firewall",  # both its hooks are ahead of the neighbour table (net/ipv4/ip_output.c)
            "client.neighbour",
            "client.egress",
            "path.forward",
            "server.ingress",
            "server.firewall",
            "server.route",
            "server.socket",
            "server.backlog",
        ),
    ),
    ("syn_ack", ("server.route", "server.firewall", "server.egress", "path.return", "client.ingress", "client.firewall", "client.socket")),
    ("ack", ("client.firewall", "path.forward", "server.ingress", "server.firewall", "server.backlog", "server.application")),
)
_NAMES: dict[Leg, str] = {"syn": "SYN", "syn_ack": "SYN-ACK", "ack": "ACK"}
_STEPS = tuple((leg, segment) for leg, segments in _WAY for segment in segments)


def unreached(case: Case, explained: Explanation) -> str | None:
    """A sentence that names the segments behind the decisive cause; None where there is none, or where some handshakes complete."""
    if explained.decisive is None or case.completed:
        return None
    cause, finding = explained.decisive
    at = _step(finding.leg or case.outcome.leg, finding.segment)
    behind = _STEPS[at + 1 :] if at is not None else ()
    by_packet = {leg: [segment for of, segment in behind if of == leg] for leg, _segment in behind}
    parts = [f"of the {_NAMES[leg]} {', '.join(segments)}" if leg else ", ".join(segments) for leg, segments in by_packet.items()]
    return f"not reached behind {cause.code}, and may have faults of their own: {'; '.join(parts)}" if parts else None


def _step(leg: Leg | None, segment: str) -> int | None:
    """The place of a cause on the way of the three packets, the first where its packet is not known."""
    if (leg, segment) in _STEPS:
        return _STEPS.index((leg, segment))
    return next((number for number, step in enumerate(_STEPS) if step[1] == segment), None)
