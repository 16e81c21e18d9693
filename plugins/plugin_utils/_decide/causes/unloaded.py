# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A rule that would let a packet through, stands in a file of the firewall, and is not loaded."""

from __future__ import annotations

from collections.abc import Iterator

from ..._model.firewall_records import Verdict
from ..._model.host import Host
from ..finding import Evidence


def in_words(verdict: Verdict) -> str:
    """``; /etc/nftables.conf line 9 lets it through, and is not loaded``"""
    found = verdict.unloaded
    return f"; {found.place} lets it through, and is not loaded" if found else ""


def shown(host: Host, verdict: Verdict) -> Iterator[Evidence]:
    """The rule."""
    found = verdict.unloaded
    if found is not None:
        yield Evidence(host.name, found.manager, f"not loaded: '{found.text}' in {found.place}")
