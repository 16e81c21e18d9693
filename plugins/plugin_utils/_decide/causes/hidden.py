# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Translations that the SYN does not get, because rules ahead of them take it: RETURN, ACCEPT, goto, NOTRACK; in words."""

from __future__ import annotations

from ..._model.firewall_records import Verdict
from ..._model.firewall_subjects import TakenAhead
from ..._model.opening_records import HiddenTranslation
from ..._values.words import endpoint

OF_CLUSTERS = ("calico", "cilium", "kube-proxy", "kube-router")
"""Who makes rules for addresses of services, which are no host's."""


def taken_ahead(verdict: Verdict | None) -> TakenAhead | None:
    """What an evaluation says of it; not of rules that are made for addresses of services, and not for a host's own ports."""
    hidden = verdict.hidden if verdict else None
    if verdict is None or verdict.port is None or hidden is None:
        return None
    if any(rule.manager in OF_CLUSTERS for rule in (*hidden.by, hidden.translating)):
        return None
    return TakenAhead(hidden, verdict.source, verdict.destination, verdict.port)


def in_words(hidden: HiddenTranslation) -> str:
    """``rule 'ip daddr ... return' takes the SYN ahead of rule 'tcp dport ...', which would translate it to 10.0.2.21:5432``"""
    several = len(hidden.by) > 1
    by = " and ".join(f"{rule.name}" for rule in hidden.by)
    return f"{by} {'take' if several else 'takes'} the SYN ahead of {hidden.translating.name}, which would translate it to {end(hidden)}"


def end(hidden: HiddenTranslation) -> str:
    return endpoint(hidden.destination, hidden.port or 0)
