# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The catalogue of causes, as data, and the one function that asks it."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.plugin_utils._case import Case, Finding
from ansible_collections.threeway.handshake.plugins.plugin_utils._causes import (
    _backlog,
    _client,
    _firewall,
    _path,
    _resolve,
    _routing,
    _socket,
)
from ansible_collections.threeway.handshake.plugins.plugin_utils._causes._catalogue import Cause

# In the order in which a handshake passes them; of findings that are equally certain, the first explains the later ones.
CATALOGUE: tuple[Cause, ...] = (
    *_resolve.CAUSES,
    *_client.CAUSES,
    *_routing.CAUSES,
    *_backlog.CAUSES,
    *_socket.CAUSES,
    *_path.CAUSES,
    *_firewall.CAUSES,
)
_CERTAINTIES = ("proven", "likely", "possible")


def explain(case: Case) -> list[tuple[Cause, Finding]]:
    """The causes of a case's fate, the decisive one first."""
    findings = _ask(case, last_resort=False)
    if not any(finding.certainty in ("proven", "likely") for _cause, finding in findings):
        findings += _ask(case, last_resort=True)
    symptoms = {code for cause, _finding in findings for code in cause.explains}
    return sorted(findings, key=lambda found: (found[0].code in symptoms, _CERTAINTIES.index(found[1].certainty)))


def _ask(case: Case, last_resort: bool) -> list[tuple[Cause, Finding]]:
    asked = [cause for cause in CATALOGUE if cause.last_resort is last_resort and case.fate.kind in cause.fates]
    return [(cause, finding) for cause in asked if (finding := cause.rule(case))]
