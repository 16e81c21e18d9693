# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The records of logs that are about some handshakes, from wherever this host keeps them."""

from __future__ import annotations

import os
import typing as t

from .._errors import ObserveError
from . import files, journal, kernel, kmsg, programs
from .line import KERNEL, Line, redacted
from .question import Question

MARGIN = 2.0  # seconds around the time that is asked for: the clock of kernel lines is not the host's
MOST_RECORDS, MOST_OF_KIND = 40, 10  # the last ones

Records = t.List[t.Dict[str, t.Any]]
Absent = t.List[t.Dict[str, str]]


def collect(question: Question, limit: int | None = None) -> tuple[Records, Absent]:
    """In the order of their times; never raises for what cannot be read, which is in `absent`."""
    lines, unread = _lines(question)
    absent: Absent = [{"what": "logs", "why": "; ".join(unread)}] if unread else []
    return select(lines, question, absent, limit), absent


def _lines(question: Question) -> tuple[list[Line], list[str]]:
    """Those of the time, wherever this host keeps them, and why others may be missing."""
    since, until = question.since - MARGIN, question.until + MARGIN
    found: list[Line] = []
    unread: list[str] = []
    kernel_read = False
    try:
        own = kmsg.lines(since, until)
        found += own.lines
        unread += [own.missing] if own.missing else []
        kernel_read = True
    except ObserveError as error:
        unread.append(str(error))
    if journal.exists():
        try:
            logged = journal.lines(since, until, question.units, question.pids, kernel=not kernel_read)
        except ObserveError as error:
            return found, [*unread, str(error)]
        if logged.missing:
            unread.append(logged.missing)
        elif not logged.lines and os.geteuid() != 0:
            unread.append("the journal shows this user nothing: run with become, or as a member of systemd-journal")
        return [*found, *logged.lines], unread
    read = files.lines(since, until)
    found += [line for line in read.lines if not (kernel_read and line.program == KERNEL)]
    unread += [f"{path}: {why}" for path, why in read.unread.items()]
    if not read.there:
        unread.append(f"there is no journal, and no log file in {files.DIRECTORY}")
    return found, unread


def select(lines: t.Iterable[Line], question: Question, absent: Absent, limit: int | None = None) -> Records:
    """The records of lines that are asked for, the last ones: up to `limit`, or as many of each kind as a diagnosis needs."""
    records = [record for record in map(record_of, lines) if record and question.about(record)]
    records.sort(key=lambda record: record["time"])
    kept: Records = []
    counts: dict[str, int] = {}
    for record in reversed(records):
        kind = record["kind"]
        counts[kind] = counts.get(kind, 0) + 1
        if len(kept) < (limit or MOST_RECORDS) and (limit or counts[kind] <= MOST_OF_KIND):
            kept.append(record)
    if len(kept) < len(records):
        absent.append({"what": "logs", "why": f"only the last {len(kept)} of {len(records)} lines are returned"})
    return kept[::-1]


def record_of(line: Line) -> dict[str, t.Any] | None:
    """A line as data; None for one of no kind that is known. What it does not name is left out."""
    fields = kernel.read(line.text) if line.program == KERNEL else programs.read(line)
    if fields is None:
        return None
    for name in ("prefix", "process", "unit", "state", "interface", "out_interface", "of"):
        if isinstance(fields.get(name), str):
            fields[name] = redacted(fields[name])[:128]
    known = {name: value for name, value in fields.items() if value is not None}
    return {"time": round(line.time, 6), "source": line.source, "attested": line.attested, "text": redacted(line.text), **known}
