# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read how full this network namespace's connection tracking table is, and its drops (/proc/sys/net/netfilter, /proc/net/stat)."""

from __future__ import annotations

import contextlib
import typing as t

from .._errors import DecodeError
from .counters import parse_table


def read() -> dict[str, t.Any] | None:
    """`conntrack` of docs/evidence.md; None where connections are not tracked, `stats` empty where the kernel does not count them."""
    try:
        count, limit = (_number(name) for name in ("nf_conntrack_count", "nf_conntrack_max"))
    except FileNotFoundError:
        return None
    stats: dict[str, int] = {}
    with contextlib.suppress(FileNotFoundError), open("/proc/net/stat/nf_conntrack", encoding="ascii", errors="replace") as file:
        stats = parse_table(file.read())
    stats.pop("entries", None)  # what `count` says
    return {"count": count, "max": limit, "stats": stats}


def _number(name: str) -> int:
    with open("/proc/sys/net/netfilter/" + name, encoding="ascii", errors="replace") as file:
        text = file.read(40).strip()
    if not text.isdigit():
        raise DecodeError(f"{name} is {text!r}, not a number")
    return int(text)
