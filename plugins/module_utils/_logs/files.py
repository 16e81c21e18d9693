# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Log files, where there is no journal: the end of each, line by line. Whoever may log may write any name into them."""

from __future__ import annotations

import re
import time
import typing as t

from .._host import plain_files
from .line import KERNEL, LONGEST, Line

DIRECTORY = "/var/log"
FILES = ("messages", "syslog", "kern.log", "auth.log", "secure", "firewalld", "ufw.log", "ulog/syslogemu.log", "audit/audit.log")
MOST_BYTES = 1024 * 1024  # of a file, from its end

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:\d\d)? ")
_TRADITIONAL = re.compile(r"([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) ")
_AUDIT = re.compile(r"type=(\w{1,30}) msg=audit\((\d{9,11}\.\d{3}):\d+\): ")
_PROGRAM = re.compile(r"\S{1,255} ([^\s\[:]{1,64})(?:\[(\d{1,10})\])?: ")
_UPTIME = re.compile(r"\[ *\d+\.\d+\] ")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Read(t.NamedTuple):
    """`unread`: why files could not be read, or not in full, by their paths; `there`: whether there is any that could."""

    lines: list[Line]
    unread: dict[str, str]
    there: bool


def lines(since: float, until: float, directory: str = DIRECTORY) -> Read:
    """The lines of a time in all files. A line in several files is one."""
    found: dict[tuple[float, str | None, str], Line] = {}
    unread: dict[str, str] = {}
    there = False
    for name in FILES:
        path = f"{directory}/{name}"
        try:
            content, cut = _end(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            unread[path] = error.strerror or str(error)
            continue
        there = True
        first: float | None = None
        for raw in content.split(b"\n"):
            line = parse(raw, path, until)
            if line and first is None:
                first = line.time
            if line and since <= line.time <= until:
                found.setdefault((line.time, line.program, line.text), line)
        if cut and (first is None or first > since):
            unread[path] = f"only its last {MOST_BYTES} bytes are read"
    return Read(list(found.values()), unread, there)


def _end(path: str) -> tuple[bytes, bool]:
    """The last part of a file, from the beginning of a line on, and whether there is more. Links and what is no file are not read."""
    try:
        content, size = plain_files.end(path, MOST_BYTES, links=False)
    except plain_files.NotPlainError:
        return b"", False
    return (content, False) if size <= MOST_BYTES else (content.partition(b"\n")[2], True)


def parse(raw: bytes, path: str, now: float) -> Line | None:
    """A line as syslog daemons and auditd write it. `now`: times without a year are of the year before it."""
    text = raw[:LONGEST].decode("utf-8", "replace")
    audited = _AUDIT.match(text)
    if audited:
        kernels = path.endswith("/audit.log") and audited.group(1) == "AVC"  # programs may send other types, and auditd alone writes it
        return Line(float(audited.group(2)), path, kernels, "audit", text[audited.end() :])
    stamped = _stamp(text, now)
    if stamped is None:
        return None
    moment, rest = stamped
    named = _PROGRAM.match(rest)
    if path.endswith("/syslogemu.log"):
        return Line(moment, path, False, "ulogd", rest.partition(" ")[2])
    if named is None:
        return None
    text = rest[named.end() :]
    if named.group(1) == KERNEL:
        uptime = _UPTIME.match(text)
        return Line(moment, path, False, KERNEL, text[uptime.end() :] if uptime else text)
    return Line(moment, path, False, named.group(1), text, pid=int(named.group(2)) if named.group(2) else None)


def _stamp(text: str, now: float) -> tuple[float, str] | None:
    """The time of a line, and what follows it; without a zone it is the host's."""
    found = _RFC3339.match(text)
    try:
        if found:
            moment = _epoch(tuple(map(int, found.groups()[:6])), found.group(8))
            return moment + float(f"0.{found.group(7) or 0}"), text[found.end() :]
        found = _TRADITIONAL.match(text)
        if not found:
            return None
        month, clock = _MONTHS.index(found.group(1)) + 1, tuple(map(int, found.groups()[1:]))
        year = time.localtime(now).tm_year
        moment = _epoch((year, month, *clock), None)
        return (moment if moment <= now + 86400 else _epoch((year - 1, month, *clock), None)), text[found.end() :]
    except (ValueError, OverflowError):
        return None


def _epoch(parts: t.Sequence[int], zone: str | None) -> float:
    year, month, day, hour, minute, second = parts
    local = time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
    if zone is None:
        return local
    import calendar

    utc = calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0))
    if zone == "Z":
        return utc
    offset = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
    return utc - offset if zone[0] == "+" else utc + offset
