# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All faults; importing this package registers them."""

from tests.faults.catalogue import (
    addresses,
    backlog,
    client,
    exhausted,
    firewall,
    firewall_rules,
    firewall_states,
    fronts,
    ingress,
    middleboxes,
    misdelivered,
    names,
    neighbours,
    path,
    refused,
    routing,
    socket_,
    stale,
    systemd,
)

__all__ = [
    "addresses",
    "backlog",
    "client",
    "exhausted",
    "firewall",
    "firewall_rules",
    "firewall_states",
    "fronts",
    "ingress",
    "middleboxes",
    "misdelivered",
    "names",
    "neighbours",
    "path",
    "refused",
    "routing",
    "socket_",
    "stale",
    "systemd",
]
