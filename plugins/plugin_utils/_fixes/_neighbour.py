# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Entries of the neighbour table that are wrong: removed, so that the kernel asks anew."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.plugin_utils._case import Fix, Saves, Step
from ansible_collections.threeway.handshake.plugins.plugin_utils._evidence import Host, Neighbour
from ansible_collections.threeway.handshake.plugins.plugin_utils._fixes import _fit
from ansible_collections.threeway.handshake.plugins.plugin_utils._fixes._make import advice, mending, shell


def forgotten(host: Host, entry: Neighbour, real: str) -> Fix:
    """Remove an entry; ``real`` is the link address that the neighbour has."""
    summary = f"delete the neighbour entry for {entry.address} on {host.name}"
    if not (_fit.address(entry.address) and _fit.interface(entry.interface) and _fit.mac(entry.mac)):
        return advice("neighbour", host.name, summary)
    command = shell("ip", "neigh", "delete", entry.address, "dev", entry.interface)
    permanent = entry.state == "PERMANENT"
    return mending(
        "neighbour",
        host.name,
        f"{summary} ({command})" + ("; it is permanent, look for what sets it at boot" if permanent else ""),
        [
            Step(
                "threeway.handshake.network_entry",
                {"kind": "neighbour", "state": "absent", "address": entry.address, "interface": entry.interface, "mac": entry.mac},
                command,
            )
        ],
        Saves(neighbours=True),
        why=f"{entry.address} has another link address than {host.name} sends to",
        undo=[shell("ip", "neigh", "replace", entry.address, "lladdr", entry.mac, "dev", entry.interface, "nud", "permanent")]
        if permanent
        else [],
        check=f"{shell('ip', 'neigh', 'show', entry.address)} says {real}",
    )
