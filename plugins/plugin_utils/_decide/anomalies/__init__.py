# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Everything in the evidence of a case that would not be there if its handshakes were well, whether or not any rule knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..case import Case
from .anomaly import KINDS, Anomaly
from .counters import counters, uncounted_opens
from .errors import icmp_errors, stray_resets
from .firewall import firewall_verdicts
from .neighbours import requests_ignored, requests_unanswered
from .outcomes import closed_unused, other_outcomes
from .owners import shared_addresses
from .packets import altered, slow
from .ways import other_interfaces, other_receivers, other_sources, other_ways_back, third_hosts

__all__ = ["DETECTORS", "KINDS", "Anomaly", "anomalies"]

DETECTORS: tuple[Callable[[Case], Iterator[Anomaly]], ...] = (
    icmp_errors,
    stray_resets,
    requests_unanswered,
    requests_ignored,
    other_receivers,
    other_interfaces,
    other_ways_back,
    other_sources,
    shared_addresses,
    third_hosts,
    altered,
    slow,
    counters,
    uncounted_opens,
    closed_unused,
    firewall_verdicts,
    other_outcomes,
)


def anomalies(case: Case) -> tuple[Anomaly, ...]:
    """The anomalies of a case, each once."""
    return tuple(dict.fromkeys(found for detector in DETECTORS for found in detector(case)))
