# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The kernel's log as /dev/kmsg has it. The kernel numbers each line and says who wrote it: programs may write there, too."""

from __future__ import annotations

import os
import time
import typing as t

from .._errors import ObserveError
from .line import KERNEL, LONGEST, Line, Lines

DEVICE = "/dev/kmsg"
MOST_LINES, MOST_SECONDS = 50_000, 1.0
_RECORD = 16 * 1024  # the kernel refuses to give a part of one
_LOG_KERN = 0  # the facility of what the kernel itself wrote: it gives that to no program


def lines(since: float, until: float) -> Lines:
    """The kernel's own lines of a time. Raises ObserveError."""
    try:
        device = os.open(DEVICE, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ObserveError(f"{DEVICE}: {error.strerror}") from error
    try:
        missing: list[str] = []
        found = [line for line in filter(None, map(parse, _records(device, missing))) if since <= line.time <= until]
        return Lines(found, next(iter(missing), None))
    finally:
        os.close(device)


def _records(device: int, missing: list[str]) -> t.Iterator[bytes]:
    """From the oldest one on; `missing` gets the bound that left out later ones."""
    deadline = time.monotonic() + MOST_SECONDS
    for _count in range(MOST_LINES):
        try:
            record = os.read(device, _RECORD)
        except BlockingIOError:
            return
        except BrokenPipeError:  # overwritten meanwhile: go on with the oldest that is left
            continue
        except OSError as error:
            raise ObserveError(f"{DEVICE}: {error.strerror}") from error
        if not record:
            return
        if time.monotonic() > deadline:
            missing.append(f"{DEVICE}: reading it was given up after {MOST_SECONDS:.0f} s")
            return
        yield record
    missing.append(f"{DEVICE}: only the first {MOST_LINES} lines are read")


def parse(record: bytes, boot: float | None = None) -> Line | None:
    """``6,1234,5678901,-;text``, and lines with further fields, which begin with a blank; None for what a program wrote there.

    Documentation/ABI/testing/dev-kmsg. `boot`: the time at which the kernel's clock was 0.
    """
    head, separator, rest = record.partition(b";")
    fields = head.split(b",")
    if not separator or len(fields) < 3 or not all(field.isdigit() for field in fields[:3]):
        return None
    if int(fields[0]) >> 3 != _LOG_KERN:
        return None
    text = rest.partition(b"\n")[0][:LONGEST].decode("utf-8", "replace")
    begun = _booted() if boot is None else boot
    return Line(begun + int(fields[2]) / 1e6, "kmsg", True, KERNEL, text, urgent=int(fields[0]) & 7 <= 3)


def _booted() -> float:
    """The kernel stamps lines by a clock that is never set: what the time of day was when that clock began, as far as it can be known."""
    return time.time() - time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
