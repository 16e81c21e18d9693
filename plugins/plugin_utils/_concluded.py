# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The report of a diagnosis in between, which nobody is shown."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._evidence_files import EvidenceFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediation_files import RemediationFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._verdict import decide


def concluded(files: RemediationFiles, name: str) -> dict[str, Any]:
    """The report that was kept under that name; where there is none yet, the evidence is judged. EvidenceError, OSError."""
    try:
        return files.report(name)
    except FileNotFoundError:
        evidence = EvidenceFiles(files.turn_dir(name))
        plan, started = evidence.plan()
        finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        files.keep_report(name, decide(plan, evidence.answers(plan), started, finished).report)
        return files.report(name)
