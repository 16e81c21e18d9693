# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The outcomes of the changes of a remediation that was interrupted, as far as the controller knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._values.times import iso
from .changes import change
from .run import Remediation, transaction

Json = Mapping[str, Any]
_KNOWN = ("kept", "rolled_back", "refused")


def changes(
    remediation: Remediation, report: Json, applied: Mapping[str, Json], settled: Mapping[str, Json], now: float
) -> list[dict[str, Any]]:
    """All entries of ``changes``: those of the turns that ended, and those of the batch that the end of the run left.

    `applied`, `settled`: what the hosts of the batch had answered. `now`: seconds since the epoch.
    """
    entries = list(remediation.changes)
    for host, several in remediation.batch.items():
        done = settled.get(host, {})
        if done.get("outcome") in _KNOWN:
            outcome, why = str(done["outcome"]), str(done["why"])
        elif host in applied:
            outcome, why = "failed", _guarded(host, applied[host].get("armed"), remediation.policies[host].confirm_timeout, now)
        else:
            outcome, why = "planned", "the run was interrupted before it was begun"
        name = transaction(remediation.run, remediation.turn, host)
        entries += [change(mending, outcome, why, report, transaction=name) for mending in several]
    return entries


def _guarded(host: str, armed: float | None, timeout: float, now: float) -> str:
    if armed is None:
        return f"the run was interrupted while {host} was made ready: if its guard is armed, it lets go of it by itself"
    end = armed + timeout
    does = "restores" if now < end else "has restored"
    return f"the run was interrupted while {host} was on its guard: it {does} itself by {iso(end)}, unless the change had been confirmed"
