# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The match time (net/netfilter/xt_time.c): days, times of day and dates, in UTC or in the kernel's own time zone."""

from __future__ import annotations

import calendar
import re
import time
import typing as t

from ...._errors import DecodeError
from ...evaluation import Evaluation
from ...packet import Packet
from .. import condition
from ..condition import Answer, Condition, Place
from ..syntax import Clause, Option

_DAY = 86400
_WEEKDAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
_DATE = re.compile(r"(\d{4})-(\d{1,2})(?:-(\d{1,2})(?:T(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?)?)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?")
_ZONES = range(-12 * 3600, 15 * 3600, 900)  # whatever zone the kernel may have been given


class _Times(t.NamedTuple):
    first: int  # second of the day
    last: int
    begins: int  # seconds since the epoch
    ends: int
    weekdays: frozenset[int]  # 0 is Monday
    monthdays: frozenset[int]
    contiguous: bool

    def hold(self, at: int) -> bool:
        if not self.begins <= at <= self.ends:
            return False
        clock = at % _DAY
        if self.first < self.last:
            if not self.first <= clock <= self.last:
                return False
        elif self.last < clock < self.first:
            return False
        elif self.contiguous and clock <= self.last:
            at -= _DAY
        date = time.gmtime(at)
        return date.tm_wday in self.weekdays and date.tm_mday in self.monthdays


def build(clause: Clause, place: Place) -> list[Condition]:
    times = _Times(
        first=_clock(clause.get("timestart"), 0),
        last=_clock(clause.get("timestop"), _DAY - 1),
        begins=_date(clause.get("datestart"), 0),
        ends=_date(clause.get("datestop"), 0xFFFFFFFF),
        weekdays=_days(clause.get("weekdays"), _weekday, frozenset(range(7))),
        monthdays=_days(clause.get("monthdays"), _monthday, frozenset(range(1, 32))),
        contiguous=clause.get("contiguous") is not None,
    )
    text = condition.whole(clause)
    local = clause.get("kerneltz") is not None or clause.get("localtz") is not None

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        now = int(evaluation.facts.now)
        if not local:
            return times.hold(now)
        answers = {times.hold(now + offset) for offset in _ZONES}
        return answers.pop() if len(answers) == 1 else condition.unknown_field(packet, f"{text} in the kernel's own time zone")

    return [Condition(text, test, seen=_now)]


def _now(_packet: Packet) -> str:
    now = time.gmtime()
    return time.strftime(f"{_WEEKDAYS[now.tm_wday].title()} %H:%M:%S UTC", now)


def _clock(option: Option | None, default: int) -> int:
    if option is None:
        return default
    found = _CLOCK.fullmatch(option.value)
    if found is None:
        raise DecodeError(f"{option.value[:40]!r} is no time of day")
    hour, minute, second = (int(each or 0) for each in found.groups())
    return hour * 3600 + minute * 60 + second


def _date(option: Option | None, default: int) -> int:
    if option is None:
        return default
    found = _DATE.fullmatch(option.value)
    if found is None:
        raise DecodeError(f"{option.value[:40]!r} is no date")
    year, month, day, hour, minute, second = (int(each or 0) for each in found.groups())
    try:
        return calendar.timegm((year, month or 1, day or 1, hour, minute, second))
    except ValueError:
        raise DecodeError(f"{option.value!r} is no date") from None


def _days(option: Option | None, read: t.Callable[[str], int], every: frozenset[int]) -> frozenset[int]:
    if option is None:
        return every
    named = frozenset(read(each) for each in option.value.split(","))
    return every - named if option.negated else named


def _weekday(text: str) -> int:
    if text.isdigit():
        return condition.number(text, 7) - 1
    if text[:2].lower() not in _WEEKDAYS:
        raise DecodeError(f"{text[:20]!r} is no day of the week")
    return _WEEKDAYS.index(text[:2].lower())


def _monthday(text: str) -> int:
    return condition.number(text, 31)
