# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Whether a change brought a host back to its baseline: the drift report before the change against the one after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Report = Mapping[str, Any]


def code_of(drift: Report) -> str:
    """What a drift is called as a cause: ``drift_sysctl:net.ipv4.tcp_syncookies``, the same in each run."""
    return f"drift_{drift['kind']}:{drift['name']}"


def remains(code: str, host: str, after: Report) -> str | None:
    """What is left of a drift after the change; None if the host is as in its baseline there."""
    left = next((drift for drift in _drifts(_host(host, after)) if code_of(drift) == code), None)
    return f"{host} still differs from its baseline: {left['summary']}" if left else None


def worse(host: str, before: Report, after: Report) -> str | None:
    """What endangers handshakes on a host and did not before the change, or can be compared no more; None where nothing does."""
    was, now = _host(host, before), _host(host, after)
    if now["problem"]:
        return f"{host} cannot be compared with its baseline any more: {now['problem']}"
    if lost := set(now["not_compared"]) - set(was["not_compared"]):
        return f"{host} cannot be compared with its baseline any more: {', '.join(sorted(lost))} could not be observed"
    known = {code_of(drift) for drift in _drifts(was)}
    new = [drift for drift in _drifts(now) if drift["severity"] == "endangering" and code_of(drift) not in known]
    return f"{host} differs from its baseline where it did not before: {new[0]['summary']}" if new else None


def _host(name: str, report: Report) -> Report:
    missing: Report = {"problem": "nothing is known of it", "not_compared": [], "drifts": []}
    return next((host for host in report["hosts"] if host["host"] == name), missing)


def _drifts(host: Report) -> list[Report]:
    return [drift for drift in host["drifts"] if not drift["known"]]
