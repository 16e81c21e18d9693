# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Look up the names of kernel functions by addresses within them (/proc/kallsyms)."""

from __future__ import annotations

import itertools
import typing as t
from bisect import bisect_right

KALLSYMS = "/proc/kallsyms"
_INTERRUPTS = frozenset(("net_rx_action", "__do_softirq", "handle_softirqs"))
_LONGEST = 1 << 20  # bytes of a function: an address farther from any beginning lies in none


def functions(addresses: t.Iterable[int], path: str = KALLSYMS) -> dict[int, str]:
    """Names by address, without what the compiler appended (`.cold`, `.isra.0`); those that are not known are missing.

    All are where the kernel shows no addresses: it takes CAP_SYSLOG, and kernel.kptr_restrict not to be 2. Takes some 0.2 s.
    """
    wanted = set(addresses) - {0}
    if not wanted:
        return {}
    try:
        with open(path, "rb") as file:
            lines = sorted(file.read().splitlines())  # by address, for all have the same number of digits; most are sorted already
    except OSError:
        return {}
    found = {}
    for address in wanted:
        place = bisect_right(lines, b"%016x \xff" % address)
        line = lines[place - 1].split() if place else []
        if len(line) > 2 and 0 <= address - int(line[0], 16) < _LONGEST:
            found[address] = line[2].decode("ascii", "replace").partition(".")[0]
    return found


def callers(names: t.Iterable[str | None]) -> tuple[str, ...]:
    """Of a stack, the nearest first, up to where the kernel interrupted something that has nothing to do with it."""
    return tuple(itertools.takewhile(lambda name: name not in _INTERRUPTS, filter(None, names)))
