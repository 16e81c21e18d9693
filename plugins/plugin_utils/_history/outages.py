# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a sequence of verdicts means: since when, outages, flaps, time to mend, availability. Pure; times are seconds since 1970.

A flow *works* while it is ok or degraded, for then its handshakes complete; it is *down* while it is broken. Undetermined verdicts tell
neither: they begin no outage and end none. A verdict holds until the next run says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_WORKS = {"ok": True, "degraded": True, "broken": False}


@dataclass(frozen=True, slots=True)
class DecisiveCause:
    """The decisive cause of a verdict."""

    code: str
    host: str
    certainty: str
    summary: str


@dataclass(frozen=True, slots=True)
class Span:
    """Runs in a row with the same status and the same decisive cause."""

    begin: int
    """The first of these runs."""
    last: int
    """The last of them."""
    end: int
    """The run after that, which found something else; the same as ``last`` where there is none yet."""
    status: str
    cause: DecisiveCause | None


@dataclass(frozen=True, slots=True)
class Outage:
    """``first_bad`` and ``mended`` are the runs that found it down, and working again; it went down after ``last_good``."""

    last_good: int | None
    first_bad: int
    mended: int | None
    cause: DecisiveCause | None
    """The last one that was found while it was down."""

    @property
    def seconds(self) -> int | None:
        """The time to mend."""
        return None if self.mended is None else self.mended - self.first_bad


def since(spans: Sequence[Span]) -> int:
    """The first run of those in a row that found the present status."""
    began = spans[-1].begin
    for span in reversed(spans):
        if span.status != spans[-1].status:
            break
        began = span.begin
    return began


def outages(spans: Sequence[Span]) -> list[Outage]:
    """All of them, the oldest first; the last one may go on."""
    found: list[Outage] = []
    last_good: int | None = None
    for span in spans:
        goes_on = bool(found) and found[-1].mended is None
        match _WORKS.get(span.status):
            case False if goes_on:
                found[-1] = Outage(found[-1].last_good, found[-1].first_bad, None, span.cause or found[-1].cause)
            case False:
                found.append(Outage(last_good, span.begin, None, span.cause))
            case True:
                if goes_on:
                    found[-1] = Outage(found[-1].last_good, found[-1].first_bad, span.begin, found[-1].cause)
                last_good = span.last
    return found


def flaps(spans: Sequence[Span], after: float) -> int:
    """How often it went down or came back up, found by runs at that time or later."""
    return sum(moment >= after for moment in _flips(spans))


def availability(spans: Sequence[Span], after: float) -> float | None:
    """The share of the time from then to the last run for which it worked; None where no two runs tell."""
    up = down = 0.0
    for span in spans:
        lasted = span.end - max(span.begin, after)
        works = _WORKS.get(span.status)
        if lasted > 0 and works is not None:
            up, down = (up + lasted, down) if works else (up, down + lasted)
    return up / (up + down) if up + down else None


def _flips(spans: Sequence[Span]) -> Iterator[int]:
    before: bool | None = None
    for span in spans:
        works = _WORKS.get(span.status)
        if works is not None:
            if before not in (None, works):
                yield span.begin
            before = works
