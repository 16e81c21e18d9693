# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The catalogue of causes, as data."""

from __future__ import annotations

from . import (
    addresses,
    altered,
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
    limits,
    listener_options,
    misdelivered,
    neighbour,
    path,
    resolve,
    routing,
    sockets,
    stale,
    timeouts,
    translations,
)
from .catalogue import Cause

# In the order in which a handshake passes them; of findings that are equally certain, the first explains the later ones.
CATALOGUE: tuple[Cause, ...] = (
    *resolve.CAUSES,
    *client.CAUSES,
    *client_links.CAUSES,
    *timeouts.CAUSES,
    *routing.CAUSES,
    *backlog.CAUSES,
    *fronts.CAUSES,
    *sockets.CAUSES,
    *listener_options.CAUSES,
    *checksum.CAUSES,
    *stale.CAUSES,
    *addresses.CAUSES,
    *misdelivered.CAUSES,
    *neighbour.CAUSES,
    *ingress.CAUSES,
    *path.CAUSES,
    *icmp_errors.CAUSES,
    *impostors.CAUSES,
    *altered.CAUSES,
    *translations.CAUSES,
    *exhausted.CAUSES,
    *limits.CAUSES,
    *firewall.CAUSES,
)
