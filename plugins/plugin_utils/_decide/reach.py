# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""How far SYNs, or SYN-ACKs, with a rising TTL came, as traceroute tells it: the last hop that answers, and the first that does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .._model.probe_records import Hop
from .._values.words import plural

_FINAL = ("unreachable", "rst", "syn_ack")  # answers that are no router's "the TTL was used up"


@dataclass(frozen=True)
class Reach:
    """``last``: the last hop that answers; ``silent``: the first TTL behind it that does not, and ``sent``: packets with that TTL or a
    higher one; both are 0 where an answer ends the way. ``mute``: TTLs without an answer ahead of the last."""

    last: Hop | None
    silent: int
    sent: int
    mute: tuple[int, ...] = ()
    loop: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Where the packet is lost, as exactly as this tells: each router answers when it takes a packet in, ahead of its forward rules."""
        if self.last is None:
            return f"no hop answers {plural(self.sent, 'packet')}: it is lost ahead of the first router, or the routers send no ICMP errors"
        text = f"the last hop that answers is {self.last.offender} (hop {self.last.ttl})"
        if self.silent:
            text += (
                f", and from hop {self.silent} on {plural(self.sent, 'packet')} stay unanswered: it is lost behind hop {self.last.ttl}, "
            )
            text += "or what follows sends no ICMP errors"
        return text + (f"; hop {', '.join(map(str, self.mute))} sends no ICMP errors" if self.mute else "")


def reach(hops: Sequence[Hop]) -> Reach | None:
    """What the hops of one destination say together; None where none were asked for."""
    if not hops:
        return None
    end = min((hop.ttl for hop in hops if hop.answer in _FINAL), default=None)
    known = [hop for hop in hops if hop.offender and (end is None or hop.ttl <= end)]
    last = max(known, key=lambda hop: hop.ttl, default=None)
    answered, reached = {hop.ttl for hop in known}, last.ttl if last else 0
    behind = [] if end else [hop.ttl for hop in hops if hop.ttl > reached]
    times = Counter(offender for offender, _ttl in {(hop.offender, hop.ttl) for hop in known if hop.answer == "time_exceeded"} if offender)
    return Reach(
        last,
        min(behind, default=0),
        len(behind),
        tuple(sorted({hop.ttl for hop in hops if hop.ttl < reached} - answered)),
        tuple(sorted(offender for offender, count in times.items() if count > 1)),
    )
