# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""How far SYNs, or SYN-ACKs, with a rising TTL came, as traceroute does: the last hop that answers, and the first that does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .._model.probe_records import Hop
from .._values.words import plural

_OF_THE_END = {"rst": "an RST", "syn_ack": "a SYN-ACK"}
_FINAL = ("unreachable", *_OF_THE_END)  # answers that are no router's "the TTL was used up"
_AGAIN = 3  # TTLs at which one router answers, where ways of two lengths explain two


@dataclass(frozen=True, kw_only=True)
class Reach:
    """``last``: the last hop that answers, with the end itself where it is the one; ``silent``: the first TTL after it that does not, and
    ``sent``: packets with that TTL or a higher one; both are 0 where the end answers. ``mute``: TTLs without an answer ahead of the
    last. ``limited``: TTLs without an answer, here, at which routers answered for other ends at the time. ``repeated``: who answers at
    more than one TTL, as in a loop, or after paths of different lengths."""

    last: Hop | None
    silent: int
    sent: int
    mute: tuple[int, ...] = ()
    limited: tuple[int, ...] = ()
    repeated: tuple[str, ...] = ()
    loop: bool = False
    """Whether one of these answers more often than ways of two lengths explain."""
    reset_ahead_of: str | None = None
    """Who answers for several TTLs in a row, and nobody behind it: packets come to it with the same TTL, whatever they were sent with. In a
    loop, the next TTL is used up elsewhere."""

    @property
    def passed(self) -> bool:
        """Whether one of the packets came to the end, which answered it."""
        return self.last is not None and self.last.answer in _OF_THE_END

    @property
    def no_router(self) -> bool:
        """Whether not even the first router answers, as far as it answers anybody."""
        return self.last is None and 1 not in self.limited

    @property
    def text(self) -> str:
        """Where the packet is lost, as exactly as this shows it: each router answers when it takes a packet in, ahead of its forward
        rules."""
        if self.last is None:
            text = f"no hop answers {plural(self.sent, 'packet')}"
            text += "" if self.limited else ": it is lost ahead of the first router, or the routers send no ICMP errors"
        else:
            text = f"the last hop that answers is {self.last.offender} (hop {self.last.ttl}{self._how})"
            if self.silent:
                text += (
                    f", and from hop {self.silent} on {plural(self.sent, 'packet')} stay unanswered: it is lost after hop {self.last.ttl}"
                )
                text += ", or what follows sends no ICMP errors"
        if silent := [ttl for ttl in self.mute if ttl not in self.limited]:
            text += f"; no answer of hop {_list(silent)} comes back"
        if self.limited:
            text += (
                f"; hop {_list(self.limited)} answered for other ends at the time, so that a limit of ICMP errors may be why it is silent"
            )
        if self.reset_ahead_of:
            text += f"; {self.reset_ahead_of} answers for every TTL: something ahead of it sets the TTL"
        return text + (f"; {' and '.join(self.repeated)} answer again and again: it goes round in a loop" if self.loop else "")

    @property
    def _how(self) -> str:
        return f", the end itself, with {_OF_THE_END[self.last.answer]}" if self.last and self.passed else ""


def _list(ttls: Sequence[int]) -> str:
    return ", ".join(map(str, ttls))


def reach(hops: Sequence[Hop], beside: Sequence[Hop] = ()) -> Reach | None:
    """What the hops of one end say together; None where none were asked for. `beside`: all that were asked for at the time, by the same
    host: routers limit what they answer to one host."""
    if not hops:
        return None
    end = min((hop.ttl for hop in hops if hop.answer in _FINAL), default=None)
    known = [hop for hop in hops if (hop.offender or hop.answer in _OF_THE_END) and (end is None or hop.ttl <= end)]
    last = max(known, key=lambda hop: hop.ttl, default=None)
    answered, reached = {hop.ttl for hop in known}, last.ttl if last else 0
    behind = [] if end else [hop.ttl for hop in hops if hop.ttl > reached]
    mute = {hop.ttl for hop in hops if hop.ttl < reached} - answered
    exceeded = [hop for hop in known if hop.answer == "time_exceeded" and hop.offender]
    times = Counter(offender for offender, _ttl in {(hop.offender or "", hop.ttl) for hop in exceeded})
    reset = _reset_ahead_of(exceeded)
    return Reach(
        last=last if last is None or last.offender else replace(last, offender=last.address),
        silent=min(behind, default=0),
        sent=len(behind),
        mute=tuple(sorted(mute)),
        limited=tuple(sorted(_answered(beside, last) & (mute | set(behind)))),
        repeated=tuple(sorted(offender for offender, count in times.items() if count > 1)),
        loop=reset is None and max(times.values(), default=0) >= _AGAIN,
        reset_ahead_of=reset,
    )


def _reset_ahead_of(exceeded: Sequence[Hop]) -> str | None:
    """Who answers for several TTLs in a row, where nobody else answers for these or higher ones; routers limit how many errors they send.

    Behind a translation of the destination, all who answer do so in the name of the address that was dialled.
    """
    used_up = {(hop.offender or "", hop.ttl) for hop in exceeded if hop.offender != hop.address}
    for offender, first in used_up:
        row = all((offender, ttl) in used_up for ttl in range(first, first + _AGAIN))
        if row and all(hop.offender == offender for hop in exceeded if hop.ttl >= first):
            return offender
    return None


def _answered(hops: Sequence[Hop], last: Hop | None) -> set[int]:
    """The TTLs at which routers answered for any end whose way leads over `last`."""
    ways: dict[tuple[str, int], dict[int, str | None]] = {}
    for hop in hops:
        if hop.answer == "time_exceeded":
            ways.setdefault((hop.address, hop.port), {})[hop.ttl] = hop.offender
    return {ttl for way in ways.values() if last is None or way.get(last.ttl) == last.offender for ttl in way}
