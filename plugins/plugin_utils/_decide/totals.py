# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What all flows of a run together did to its hosts: a counter counts for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .arrivals import Arrivals


@dataclass(frozen=True)
class Totals:
    """What all flows of the run together did to the hosts, whose counters they share."""

    swallowed: Mapping[str, int]  # host: SYNs (SYN-ACKs, at a client) that went in and were not answered
    resets: Mapping[str, int]  # host: RSTs that left it
    failing: Mapping[str, int] = field(default_factory=dict)  # host: cases with a part of it in which not all attempts complete
    arrivals: Mapping[str, Arrivals] = field(default_factory=dict)  # host: all packets that came in
