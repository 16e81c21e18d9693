# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Tasks that Ansible could not even start on a host, such as for a connection plugin that the controller lacks: why that was so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._store.evidence_files import EvidenceFiles
from .._values.text import clean

REGISTERED = {"open": "__diagnose_opened", "try": "__diagnose_tried", "close": "__diagnose_closed"}
"""The variables in which the role keeps the results of the phases (roles/diagnose/tasks/try.yml)."""


def keep_unstarted(files: EvidenceFiles, hostvars: Any) -> None:
    """Keep, as a failure of the phase, what Ansible said where nothing of a phase was kept. EvidenceError, OSError."""
    plan, _started = files.plan()
    for host in plan.parties():
        order = files.order(host)
        if order is None or host not in hostvars:
            continue
        for phase in order["phases"]:
            result = hostvars[host].get(REGISTERED.get(phase, ""))
            if isinstance(result, Mapping) and result.get("failed") and files.answer(host, phase) is None:
                files.keep_failure(host, phase, "unreachable", clean(str(result.get("msg") or "the task failed")))
