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
MOST_RECORDS, MOST_OF_KIND = 40, 10  # of a diagnosis; of packets, as many of each pair of ends

_PACKET = ("sender", "sender_port", "receiver", "receiver_port", "interface", "out_interface", "prefix")

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
    """The records of lines that are asked for: the last `limit`, or as many as a diagnosis needs."""
    records = [record for record in map(record_of, lines) if record and question.about(record)]
    records.sort(key=lambda record: record["time"])
    kept = records[-limit:] if limit else _needed(records)
    if len(kept) < len(records):
        absent.append({"what": "logs", "why": f"only {len(kept)} of {len(records)} lines are returned"})
    return kept


def _needed(records: Records) -> Records:
    """Some of each kind, the last ones, and of each pair of ends that a firewall logged the first packets, sent again or not.

    The handshakes of a diagnosis are made before the packets that look for the routers on the way, and these are more.
    """
    packets: dict[tuple[t.Any, ...], dict[str, t.Any]] = {}
    for record in records:
        if record["kind"] == "firewall_log":
            packets.setdefault((*map(record.get, _PACKET), *record.get("flags", ())), record)
    turns = [
        *_numbered(packets.values(), ("kind", "sender", "receiver", "receiver_port")),
        *_numbered([record for record in reversed(records) if record["kind"] != "firewall_log"], ("kind",)),
    ]
    turns.sort(key=lambda turn: turn[0])
    return sorted((record for number, record in turns[:MOST_RECORDS] if number < MOST_OF_KIND), key=lambda record: record["time"])


def _numbered(records: t.Iterable[dict[str, t.Any]], alike: tuple[str, ...]) -> t.Iterator[tuple[int, dict[str, t.Any]]]:
    """Each record with the number of those before it that are alike in these fields."""
    counts: dict[tuple[t.Any, ...], int] = {}
    for record in records:
        key = tuple(map(record.get, alike))
        yield counts.get(key, 0), record
        counts[key] = counts.get(key, 0) + 1


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
