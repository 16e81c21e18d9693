# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The catalogue of causes, as data, and the one function that asks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..case import Case, Finding
from . import (
    addresses,
    altered,
    application,
    backlog,
    checksum,
    client,
    client_links,
    exhausted,
    firewall,
    fronts,
    icmp_errors,
    impostors,
    ingress,
    kernel_drops,
    limits,
    listener_options,
    misdelivered,
    neighbour,
    path,
    patterns,
    resolve,
    routing,
    sockets,
    stale,
    timeouts,
    translations,
    turned_away,
    unexpected,
)
from .catalogue import Cause
from .further import further, only_evaluated

# In the order in which a handshake passes them; of findings that are equally certain, the first explains the later ones.
CATALOGUE: tuple[Cause, ...] = (
    *unexpected.CAUSES,
    *resolve.CAUSES,
    *client.CAUSES,
    *client_links.CAUSES,
    *timeouts.CAUSES,
    *routing.CAUSES,
    *turned_away.CAUSES,
    *backlog.CAUSES,
    *application.CAUSES,
    *fronts.CAUSES,
    *sockets.CAUSES,
    *kernel_drops.CAUSES,
    *listener_options.CAUSES,
    *checksum.CAUSES,
    *stale.CAUSES,
    *addresses.CAUSES,
    *misdelivered.CAUSES,
    *neighbour.CAUSES,
    *ingress.CAUSES,
    *patterns.CAUSES,
    *path.CAUSES,
    *icmp_errors.CAUSES,
    *impostors.CAUSES,
    *altered.CAUSES,
    *translations.CAUSES,
    *exhausted.CAUSES,
    *limits.CAUSES,
    *firewall.CAUSES,
)
_CERTAINTIES = ("proven", "likely", "possible")


@dataclass(frozen=True)
class Explanation:
    """What the catalogue says of a case: the causes of its outcome, the decisive one first, and what is only worth a word."""

    causes: Sequence[tuple[Cause, Finding]] = ()
    remarks: Sequence[tuple[Cause, Finding]] = ()


def explain(case: Case) -> Explanation:
    """Ask the catalogue about a case."""
    told = _ask(case, last_resort=False)
    remarks = [(cause, finding) for cause, finding in told if finding.remark]
    return Explanation(_causes(case, [(cause, finding) for cause, finding in told if not finding.remark]), remarks)


def _causes(case: Case, findings: list[tuple[Cause, Finding]]) -> list[tuple[Cause, Finding]]:
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
