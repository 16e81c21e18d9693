# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Words that sentences are made of."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """``3 SYNs``, ``1 SYN``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def asking(address: str) -> str:
    """The command that asks a network who has an address."""
    return "ndisc6 -m" if ":" in address else "arping -D"
