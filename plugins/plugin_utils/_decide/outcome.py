# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""How far an attempt came, by its packets and its errno alone."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from .._model.recording import Observation
from .rows import Row

Leg = Literal["syn", "syn_ack", "ack"]

WAY: tuple[tuple[Leg | None, tuple[str, ...]], ...] = (
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
"""The segments that each packet of a handshake passes, in order: before there is any, the SYN, the SYN-ACK, the ACK."""
STEPS = tuple((leg, segment) for leg, segments in WAY for segment in segments)
SEGMENTS = tuple(dict.fromkeys(segment for _leg, segment in STEPS))


def step(leg: Leg | None, segment: str) -> int:
    """The index in `STEPS` at which a packet passes a segment; of the first packet that does where this one does not or is not known."""
    return STEPS.index((leg, segment)) if (leg, segment) in STEPS else [passed for _leg, passed in STEPS].index(segment)


@dataclass(frozen=True)
class Outcome:
    """How far an attempt came, by its packets and its errno alone.

    ``kind`` is one of :data:`OUTCOMES`; ``segment`` is set where packets alone decide it; ``between`` are the neighbouring
    vantage points around a loss; ``row`` is the packet that was lost or that ended the attempt; ``recovered`` says that a
    retransmission completed the handshake after all.
    """

    kind: str
    leg: Leg | None = None
    segment: str | None = None
    host: str = "path"
    _keywords: KW_ONLY
    between: tuple[str, str] | None = None
    last_seen: Observation | None = None
    row: Row | None = None
    offender: str | None = None
    recovered: bool = False

    @property
    def local(self) -> bool:
        """Whether it ended in the client's own kernel, before a SYN left."""
        return self.kind in ("refused_locally", "unsent")

    @property
    def stretch(self) -> str:
        """The two vantage points between which the packet was lost, or the host that it did not leave."""
        if self.between and self.between[0] == self.between[1]:
            return f"inside {self.between[0]}"
        return f"between {self.between[0]} and {self.between[1]}" if self.between else "on the way"

    @property
    def completed(self) -> bool:
        """Whether the handshake completed at both ends in time."""
        return self.kind == "completed" or self.recovered


SILENT = Outcome("silent")


OUTCOMES = {
    "completed": "the handshake completed at both ends, as far as both were seen",
    "stood_in": "connected, but only with the temporary listener, where no service listens",
    "diverted": "connected, but the SYN left the client on no wire",
    "answered_elsewhere": "connected, but the server never saw the SYN",
    "late": "completed after the application's timeout",
    "unresolved": "no address to dial",
    "refused_locally": "the client's own kernel refused; nothing left the client",
    "unsent": "the client's kernel accepted the connect, but no SYN left the client",
    "reset": "an RST answered",
    "icmp": "an ICMP error answered",
    "lost_syn": "the SYN left the client and did not arrive at the server",
    "unanswered": "the SYN arrived at the server, and no answer left it",
    "lost_syn_ack": "the SYN-ACK left the server and did not arrive at the client",
    "ignored_syn_ack": "the SYN-ACK arrived at the client, which did not take it",
    "lost_ack": "the client is connected; its ACK did not arrive at the server",
    "ignored_ack": "the client is connected; its ACK arrived at the server, which did not take it",
    "reset_after": "connected, then reset at once",
    "untold": "sshd reports that its connect() failed, and not where",
    "silent": "no answer, and too little was recorded to say how far the SYN came",
}

SEEN = ("completed", "reset", "icmp", "reset_after")
"""Outcomes that packets show which were seen; all others rest on packets that were not."""
SWALLOWING = ("unanswered", "ignored_syn_ack")
"""Outcomes whose packets count as `Totals.swallowed`."""
