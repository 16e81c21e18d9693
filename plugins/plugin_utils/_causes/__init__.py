# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The catalogue of causes, as data, and the one function that asks it."""

from __future__ import annotations

from .._case import Case, Finding
from . import (
    _addresses,
    _altered,
    _backlog,
    _checksum,
    _client,
    _client_links,
    _exhausted,
    _firewall,
    _fronts,
    _icmp_errors,
    _impostors,
    _ingress,
    _limits,
    _listener_options,
    _misdelivered,
    _neighbour,
    _path,
    _resolve,
    _routing,
    _socket,
    _stale,
    _timeouts,
    _translations,
)
from ._catalogue import Cause
from ._further import further, only_evaluated

# In the order in which a handshake passes them; of findings that are equally certain, the first explains the later ones.
CATALOGUE: tuple[Cause, ...] = (
    *_resolve.CAUSES,
    *_client.CAUSES,
    *_client_links.CAUSES,
    *_timeouts.CAUSES,
    *_routing.CAUSES,
    *_backlog.CAUSES,
    *_fronts.CAUSES,
    *_socket.CAUSES,
    *_listener_options.CAUSES,
    *_checksum.CAUSES,
    *_stale.CAUSES,
    *_addresses.CAUSES,
    *_misdelivered.CAUSES,
    *_neighbour.CAUSES,
    *_ingress.CAUSES,
    *_path.CAUSES,
    *_icmp_errors.CAUSES,
    *_impostors.CAUSES,
    *_altered.CAUSES,
    *_translations.CAUSES,
    *_exhausted.CAUSES,
    *_limits.CAUSES,
    *_firewall.CAUSES,
)
_CERTAINTIES = ("proven", "likely", "possible")


def explain(case: Case) -> list[tuple[Cause, Finding]]:
    """The causes of a case's outcome, the decisive one first."""
    findings = _ask(case, last_resort=False)
    if not any(finding.certainty in ("proven", "likely") for _cause, finding in findings):
        told = {cause.code for cause, _finding in findings}
        findings += [(cause, finding) for cause, finding in _ask(case, last_resort=True) if cause.code not in told]
    symptoms = {code for cause, finding in findings if finding.certainty != "possible" for code in cause.explains}
    ranked = sorted(findings, key=lambda found: (found[0].code in symptoms, _CERTAINTIES.index(found[1].certainty)))
    if not ranked:
        return []
    # Rules that only were evaluated to stop the packet do not stop what something else proves to end earlier: they would.
    first = ranked[0][1]
    kept = ranked[:1] + [
        (cause, finding) for cause, finding in ranked[1:] if first.certainty != "proven" or not only_evaluated(cause.code, finding)
    ]
    by_code = {cause.code: cause for cause in CATALOGUE}
    return kept + [(by_code[code], finding) for code, finding in further(case, [finding for _cause, finding in kept])]


def _ask(case: Case, last_resort: bool) -> list[tuple[Cause, Finding]]:
    asked = [(cause, cause.last_resort if last_resort else cause.rule) for cause in CATALOGUE if case.outcome.kind in cause.outcomes]
    return [(cause, finding) for cause, rule in asked if rule and (finding := rule(case))]
