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
    for host, phases in files.missing().items():
        if host not in hostvars:
            continue
        variables = hostvars[host]  # all of the host's, which takes Ansible a while
        for phase in phases:
            result = variables.get(REGISTERED.get(phase, ""))
            if isinstance(result, Mapping) and result.get("failed"):
                files.keep_failure(host, phase, "unreachable", clean(str(result.get("msg") or "the task failed")))
